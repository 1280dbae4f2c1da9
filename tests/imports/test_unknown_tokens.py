"""A tokenizer that is accepted reads any text, also one of characters that it does not know."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from gnomon.errors import BundleInvalidError
from tests.imports.checking import check
from tests.imports.good import with_tokenizer

TOKENS = ["a", "g", "good", "##d", "[UNK]", "日"]


def words(kind: str, vocabulary: list[str], unknown: str) -> dict[str, Any]:
    pieces = {"max_input_chars_per_word": 100, "continuing_subword_prefix": "##"}
    model = {"type": kind, "vocab": numbered(vocabulary), "unk_token": unknown}
    return model | pieces if kind == "WordPiece" else model


def merges(vocabulary: list[str], unknown: dict[str, Any], byte_fallback: bool) -> dict[str, Any]:
    model = {"type": "BPE", "vocab": numbered(vocabulary), "merges": []}
    return model | unknown | {"byte_fallback": byte_fallback}


def scored(vocabulary: list[str], unknown: dict[str, Any], byte_fallback: bool) -> dict[str, Any]:
    vocab = [[token, -1.0] for token in vocabulary]
    return {"type": "Unigram", "vocab": vocab} | unknown | {"byte_fallback": byte_fallback}


def numbered(vocabulary: list[str]) -> dict[str, int]:
    return {token: number for number, token in enumerate(vocabulary)}


def perhaps(key: str, value: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.just({}) | st.fixed_dictionaries({key: st.none() | value})


vocabularies = st.lists(st.sampled_from(TOKENS), min_size=1, unique=True)
one = st.sampled_from(TOKENS)
models = st.one_of(
    st.builds(words, st.sampled_from(["WordLevel", "WordPiece"]), vocabularies, one),
    st.builds(merges, vocabularies, perhaps("unk_token", one), st.booleans()),
    st.builds(scored, vocabularies, perhaps("unk_id", st.integers(-1, len(TOKENS))), st.booleans()),
)


@given(models, st.text("agod 日本🙂", max_size=8))
@settings(max_examples=300, deadline=None)
def test_a_tokenizer_that_is_accepted_fails_on_no_text(model: dict[str, Any], text: str) -> None:
    contents = with_tokenizer(model=model, post_processor=None)
    try:
        check(contents)
    except BundleInvalidError as error:
        assert error.metadata["rule"] == "tokenizer-unknown"
        return

    Tokenizer.from_str(contents["tokenizer.json"].decode()).encode(text)


def test_merges_need_no_unknown_token() -> None:
    model = {"type": "BPE", "vocab": {"a": 0}, "merges": []}

    check(with_tokenizer(model=model))
    check(with_tokenizer(model=model | {"unk_token": None}))
