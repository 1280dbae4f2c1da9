"""What is in a bundle, checked without a server."""

import io
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from gnomon.bundle_checks import check_contents, folder_opener
from gnomon.errors import BundleInvalidError
from tests.imports import malicious
from tests.imports.checking import check, refusal
from tests.imports.good import good, listed


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


@pytest.mark.parametrize("name", ["evaluator.json", "tokenizer.json"])
def test_a_file_that_must_be_there_is_not_there_under_a_name_in_capitals(name: str) -> None:
    contents = good()
    contents[name.upper()] = contents.pop(name)
    assert refusal(contents) == ("files", "files", f"The bundle's files must hold {name}.")


def test_an_evaluator_that_breaks_a_rule_of_its_own_names_its_file() -> None:
    contents = good()
    contents["evaluator.json"] = json.dumps(json.loads(contents["evaluator.json"]) | {"classes": []}).encode()
    rule, path, said = refusal(contents)
    assert (rule, path) == ("evaluator", "evaluator.json")
    assert "classes must be 2 to 255" in said


def test_a_file_is_as_long_as_it_is_said_to_be() -> None:
    contents = good()
    files = [replace(f, size_bytes=f.size_bytes + (f.path == "report.json")) for f in listed(contents)]
    with pytest.raises(BundleInvalidError, match="its size is said to be") as caught:
        check_contents(files, lambda path: io.BytesIO(contents[path]))
    assert caught.value.metadata == {"path": "report.json", "rule": "file-size"}


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(BundleInvalidError, match="is no regular file"):
        folder_opener(tmp_path)("pipe.txt")


def test_text_that_ends_as_a_short_pickle_does_is_text() -> None:
    """Python would read it as one, and find no more than a constant in it."""
    check(good() | {"NOTES.md": b"N."})


def test_text_is_utf_8() -> None:
    rule, path, said = refusal(good() | {"NOTES.md": "schön".encode("latin-1")})
    assert (rule, path) == ("file-kind", "NOTES.md")
    assert "is not UTF-8: invalid" in said
    assert "at byte 3" in said


def test_a_rare_character_in_a_large_tokenizer_does_not_make_it_four_times_as_large() -> None:
    contents = good() | {"tokenizer.json": b'["' + b"x" * (17 << 20) + "🙂".encode() + b'"]'}
    rule, path, said = refusal(contents)
    assert (rule, path) == ("json-size", "tokenizer.json")
    assert "bytes once it is read" in said
