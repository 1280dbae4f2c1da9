"""Tokenizers that no library writes: refused with a sentence that says what is wrong."""

from typing import Any

import pytest

from tests.imports import charsmaps
from tests.imports.checking import check, refusal
from tests.imports.good import good, with_tokenizer

_BPE = {"type": "BPE", "vocab": {"a": 0}, "merges": []}


def scored(*vocabulary: Any) -> dict[str, Any]:
    return {"model": {"type": "Unigram", "vocab": [["<unk>", 0.0], *vocabulary], "unk_id": 0}}


def split(pattern: Any) -> dict[str, Any]:
    return {"pre_tokenizer": {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated"}}


def replacing(table: Any) -> dict[str, Any]:
    return {"normalizer": {"type": "Precompiled", "precompiled_charsmap": table}}


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "no model": ({"model": None}, "tokenizer-form", "it has no model"),
    "a model of a kind of its own": (
        {"model": _BPE | {"type": "Evil"}},
        "tokenizer-model",
        "the model 'Evil'",
    ),
    "no vocabulary": ({"model": {"type": "BPE"}}, "tokenizer-form", "has a model without a vocabulary"),
    "a vocabulary of text": ({"model": _BPE | {"vocab": "a"}}, "tokenizer-form", "without a vocabulary"),
    "a long token": (
        {"model": _BPE | {"vocab": {"x" * 1_025: 0}}},
        "tokenizer-vocabulary",
        "has the token 'xx",
    ),
    "a token of no number": ({"model": _BPE | {"vocab": {"a": True}}}, "tokenizer-vocabulary", "the ID True"),
    "a score without a token": (scored([0.5]), "tokenizer-vocabulary", "where a token and its score must be"),
    "a token that is a number": (scored([7, 0.5]), "tokenizer-vocabulary", "where a token and its score"),
    "added tokens that are no list": ({"added_tokens": {}}, "tokenizer-added", "must add a list of at most"),
    "an added token that is text": ({"added_tokens": ["<s>"]}, "tokenizer-added", "adds '<s>', which is no"),
    "an added token without a number": (
        {"added_tokens": [{"content": "x"}]},
        "tokenizer-added",
        "is no token",
    ),
    "an added token without text": ({"added_tokens": [{"id": 1}]}, "tokenizer-added", "which is no token"),
    "an added token of no character": (
        {"added_tokens": [{"id": 1, "content": ""}]},
        "tokenizer-added",
        "adds a token without a character",
    ),
    "truncation that is a number": ({"truncation": 512}, "tokenizer-form", "truncation that is no object"),
    "padding that is a list": ({"padding": [512]}, "tokenizer-form", "has padding that is no object"),
    "padding to a length of text": (
        {"padding": {"strategy": "BatchLongest", "pad_to_multiple_of": "8"}},
        "tokenizer-length",
        "has padding of '8' tokens",
    ),
    "many steps": (
        {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Whitespace"}] * 32}},
        "tokenizer-parts",
        "has a pre_tokenizer of more than 32 steps",
    ),
    "a page around each text": (
        {"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "s"}}] * 8_193}},
        "tokenizer-parts",
        "lays more than 8192 tokens around a text",
    ),
    "a pattern that is a list": (split(["a"]), "tokenizer-pattern", "whose pattern ['a'] is no text"),
    "a pattern that is an object": (split({"a": 1}), "tokenizer-pattern", "is no text"),
    "a pattern that is a number": (split(7), "tokenizer-pattern", "whose pattern 7 is no text"),
    "a pattern of a page": (split("a" * 2_001), "tokenizer-pattern", "has 2001 characters; at most 2000"),
    "a table that is a list": (replacing([0, 1]), "tokenizer-table", "it is no text of at most"),
    "a table of two megabytes": (
        replacing("AAAA" * (1 << 19)),
        "tokenizer-table",
        "it is no text of at most",
    ),
    "an empty table": (replacing(""), "tokenizer-table", "its parts do not fit"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_tokenizer_that_no_library_writes_is_refused(name: str) -> None:
    changes, rule, words = REFUSED[name]
    found = refusal(with_tokenizer(**changes))
    assert found[:2] == (rule, "tokenizer.json")
    assert words in found[2]


@pytest.mark.parametrize(
    "changes",
    [
        scored(["a", -1.5]),
        split(r"\s+"),
        split(r"[a-z]{1,3}"),
        {"added_tokens": [{"id": 99, "content": "<s>", "special": True}]},
        {"added_tokens": None},
        {"padding": {"strategy": {"Fixed": 128}, "pad_to_multiple_of": None}},
        {"truncation": {"max_length": 512, "stride": 0, "strategy": "LongestFirst"}},
        {"normalizer": charsmaps.normalizer(charsmaps.table("q", b"A"))},
    ],
)
def test_what_the_library_writes_is_accepted(changes: dict[str, Any]) -> None:
    contents = with_tokenizer(**changes)
    assert contents.keys() == good().keys()
    check(contents)
