"""Tokenizers that would cost time or memory."""

from tests.imports import charsmaps
from tests.imports import good as sound
from tests.imports.cases import Case, file_case, tokenizer_case
from tests.imports.good import Contents


def _vocabulary(rule: str, tokens: int) -> Case:
    def make() -> Contents:
        model = {"type": "WordLevel", "vocab": dict.fromkeys(map(str, range(tokens)), 1)}
        return sound.with_tokenizer(model=model)

    return Case(rule, "tokenizer.json", make)


def _split(pattern: str) -> Case:
    part = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    return tokenizer_case("tokenizer-pattern", pre_tokenizer=part)


TOKENIZERS = {
    "a tokenizer that goes back for ever": _split(r"(a+)+$"),
    "a tokenizer of overlapping choices": _split(r"(a|aa)*b"),
    "a tokenizer of nested repetitions": _split(r"(?:x*y?)*z"),
    "a tokenizer of many repetitions": _split(r"\s*\s*\s*\s*\s*x"),
    "a tokenizer whose last choice is harmless": _split(r"(?:q*|b)(?:q*|b)(?:q*|b)(?:q*|b)c"),
    "a tokenizer that repeats such a choice": _split(r"(?:q*|b){64}c"),
    "a tokenizer of comments": _split("(?x:#[\n q*q*q*q*q*c #]\n)"),
    "a tokenizer of bounded choices": _split(r"(?:q|q){64}c"),
    "a tokenizer of many options": _split("q?" * 30 + "c"),
    "a tokenizer of several ways to write in any case": _split("(?i:[ßs]{1,40})c"),
    "a tokenizer that calls itself": _split(r"(?<a>a\g<a>?b)"),
    "a replacement that goes back for ever": tokenizer_case(
        "tokenizer-pattern",
        normalizer={"type": "Replace", "pattern": {"Regex": "(a*)*b"}, "content": ""},
    ),
    "replacements that multiply": tokenizer_case(
        "tokenizer-growth",
        normalizer={
            "type": "Sequence",
            "normalizers": [{"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 10}] * 9,
        },
    ),
    "a table that makes a page of a letter": tokenizer_case(
        "tokenizer-growth", normalizer=charsmaps.normalizer(charsmaps.table("q", b"A" * 10_000))
    ),
    "a table that multiplies what another replacement made": tokenizer_case(
        "tokenizer-growth",
        normalizer={
            "type": "Sequence",
            "normalizers": [
                {"type": "Replace", "pattern": {"String": "a"}, "content": "q" * 10},
                charsmaps.normalizer(charsmaps.table("q", b"A" * 10)),
            ],
        },
    ),
    "a table that is cut off": tokenizer_case(
        "tokenizer-table", normalizer=charsmaps.normalizer(charsmaps.table("q", b"A")[:-1])
    ),
    "a table whose trie is larger than it": tokenizer_case(
        "tokenizer-table", normalizer=charsmaps.normalizer(b"\xff\xff\xff\x7f" + bytes(2_048))
    ),
    "a table with a replacement beyond it": tokenizer_case(
        "tokenizer-table", normalizer=charsmaps.normalizer(charsmaps.table("q", b"A", leaf=1 << 20))
    ),
    "a table whose trie leads out of it": tokenizer_case(
        "tokenizer-table", normalizer=charsmaps.normalizer(charsmaps.table("q", b"A", child=1 << 20))
    ),
    "a table of half a character": tokenizer_case(
        "tokenizer-table", normalizer=charsmaps.normalizer(charsmaps.table("q", b"\xe2\x82"))
    ),
    "a table that is no base64": tokenizer_case(
        "tokenizer-table", normalizer={"type": "Precompiled", "precompiled_charsmap": "~" * 3_000}
    ),
    "two tables": tokenizer_case(
        "tokenizer-parts",
        normalizer={
            "type": "Sequence",
            "normalizers": [charsmaps.normalizer(charsmaps.table("q", b"A"))] * 2,
        },
    ),
    "a vocabulary of a million tokens": _vocabulary("json-size", 1_000_000),
    "a vocabulary of 265,000 tokens": _vocabulary("tokenizer-vocabulary", 265_000),
    "a token beyond all numbers": tokenizer_case(
        "tokenizer-vocabulary", model={"type": "BPE", "vocab": {"a": 1 << 70}}
    ),
    "twenty thousand added tokens": tokenizer_case(
        "tokenizer-added", added_tokens=[{"id": n, "content": f"<{n}>"} for n in range(20_000)]
    ),
    "padding to a billion tokens": tokenizer_case(
        "tokenizer-length", padding={"strategy": {"Fixed": 1 << 30}}
    ),
    "truncation at a trillion": tokenizer_case(
        "tokenizer-length", truncation={"max_length": 1 << 40, "stride": 0}
    ),
    "merges at random": tokenizer_case(
        "tokenizer-random", model={"type": "BPE", "vocab": {}, "dropout": 0.5}
    ),
    "words of a billion characters": tokenizer_case(
        "tokenizer-time", model={"type": "WordPiece", "vocab": {}, "max_input_chars_per_word": 1 << 30}
    ),
    **{
        f"an unknown token that is {what}": tokenizer_case("tokenizer-unknown", model=model)
        for what, model in {
            "no word": {"type": "WordLevel", "vocab": {"good": 0}, "unk_token": "[UNK]"},
            "no piece of a word": {"type": "WordPiece", "vocab": {"good": 0}, "unk_token": "[UNK]"},
            "never merged": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "unk_token": "[UNK]"},
            "no text": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "unk_token": ["a"]},
            "not given": {"type": "Unigram", "vocab": [["a", 0.0]]},
            "none": {"type": "Unigram", "vocab": [["a", 0.0]], "unk_id": None},
            "beyond the vocabulary": {"type": "Unigram", "vocab": [["a", 0.0]], "unk_id": 1},
            "before the vocabulary": {"type": "Unigram", "vocab": [["a", 0.0]], "unk_id": -1},
        }.items()
    },
    "a tokenizer that is a list": file_case("tokenizer-form", "tokenizer.json", lambda: b"[]"),
}
