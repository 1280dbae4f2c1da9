"""What is in a bundle, checked without a server."""

import io

import pytest

from gnomon.bundle_checks import check_contents
from gnomon.errors import BundleInvalidError
from tests.imports import malicious
from tests.imports.good import Contents, good, listed


def check(contents: Contents) -> None:
    check_contents(listed(contents), lambda path: io.BytesIO(contents[path]))


def test_a_good_bundle_is_accepted() -> None:
    check(good())


@pytest.mark.parametrize("name", malicious.CASES)
def test_a_malicious_bundle_is_refused_by_its_rule(name: str) -> None:
    case = malicious.CASES[name]
    with pytest.raises(BundleInvalidError) as caught:
        check(case.make())
    assert (caught.value.metadata["rule"], caught.value.metadata["path"]) == (case.rule, case.path)
    assert case.path in caught.value.message


def test_a_refusal_that_is_kept_keeps_nothing_of_what_was_read() -> None:
    with pytest.raises(BundleInvalidError) as caught:
        check(malicious.CASES["a vocabulary of 265,000 tokens"].make())

    inner = caught.traceback[-1].frame.f_locals
    assert caught.traceback[-1].name == "check_contents"
    assert not any(isinstance(value, dict) and len(value) > 100 for value in inner.values())
