"""Tables of replacements: what is accepted, and what the library makes of it."""

import io
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from gnomon.bundle_checks import charsmap, check_contents
from gnomon.errors import BundleInvalidError
from tests.imports import charsmaps
from tests.imports.good import Contents, listed, with_tokenizer

_LONGEST_OF_NFKC = "صلى الله عليه وسلم"  # of U+FDFA, the longest that SentencePiece's own tables have


def normalized(contents: Contents, text: str) -> str:
    tokenizer = Tokenizer.from_str(contents["tokenizer.json"].decode())
    found: str = tokenizer.normalizer.normalize_str(text)
    return found


def is_accepted(contents: Contents) -> bool:
    try:
        check_contents(listed(contents), lambda path: io.BytesIO(contents[path]))
    except BundleInvalidError as error:
        assert error.metadata["rule"] in ("tokenizer-growth", "tokenizer-table")
        return False
    return True


def test_a_table_like_those_of_sentencepiece_is_accepted() -> None:
    nfkc = charsmaps.normalizer(charsmaps.table("q", _LONGEST_OF_NFKC.encode()))
    spaces = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"}
    contents = with_tokenizer(normalizer={"type": "Sequence", "normalizers": [nfkc, spaces]})
    assert normalized(contents, "aqa") == f"a{_LONGEST_OF_NFKC}a"
    assert is_accepted(contents)


@pytest.mark.parametrize("characters", [0, 1, 64, 65, 10_000])
def test_a_table_may_make_of_a_letter_what_normalizers_may(characters: int) -> None:
    contents = with_tokenizer(normalizer=charsmaps.normalizer(charsmaps.table("q", b"A" * characters)))
    assert len(normalized(contents, "q" * 30)) == 30 * characters
    assert is_accepted(contents) == (characters <= 64)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 1 << 32), st.integers(1, 6))
def test_the_library_does_not_stumble_over_an_accepted_table(seed: int, changes: int) -> None:
    chance = random.Random(seed)
    table = bytearray(charsmaps.table("q", b"one\0two"))
    for _ in range(changes):
        place = chance.choice([chance.randrange(len(table)), 4 + 4 * ord("q") + chance.randrange(4)])
        table[place] = chance.randrange(256)
    normalizer = charsmaps.normalizer(bytes(table))
    try:
        longest = charsmap.longest_replacement(normalizer["precompiled_charsmap"])
    except ValueError:
        return
    text = "".join(map(chr, range(1, 128)))
    assert len(normalized(with_tokenizer(normalizer=normalizer), text)) <= len(text) * max(1, longest)
