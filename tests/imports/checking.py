"""Checks what is in a bundle, without a server."""

import io

import pytest

from gnomon.bundle_checks import Policy, check_contents
from gnomon.errors import BundleInvalidError
from tests.imports.good import Contents, listed


def check(contents: Contents, policy: Policy | None = None) -> None:
    check_contents(listed(contents), lambda path: io.BytesIO(contents[path]), policy)


def refusal(contents: Contents, policy: Policy | None = None) -> tuple[str, str, str]:
    """Return the rule that refuses a bundle, the file that is named, and the words."""
    with pytest.raises(BundleInvalidError) as caught:
        check(contents, policy)
    return caught.value.metadata["rule"], caught.value.metadata["path"], caught.value.message


def assert_refused(contents: Contents, path: str, rule: str, words: str) -> None:
    """Assert by which rule a bundle is refused, for which file, and what is said."""
    found = refusal(contents)
    assert found[:2] == (rule, path)
    assert words in found[2]
