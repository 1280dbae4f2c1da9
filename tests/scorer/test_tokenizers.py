"""Our cutting and joining gives what the library's own would, without its cost."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from gnomon.bundle import Windows
from gnomon.errors import VersionUnloadableError
from gnomon.fitting import Part, Rank
from gnomon.rendering import Rendered
from gnomon.tokenizing import JsonTokenizer
from gnomon_scorer.adapters.tokenizers import TokenizerFiles
from tests.scorer.evaluators import WORDS, tokenizer_json


def reference(text, max_tokens):
    """What `tokenizers` itself gives."""
    tokenizer = Tokenizer.from_str(tokenizer_json().decode())
    tokenizer.enable_truncation(max_tokens, strategy="longest_first")
    encoding = tokenizer.encode(text.text) if text.pair is None else tokenizer.encode(text.text, text.pair)
    return encoding.ids, encoding.type_ids, bool(encoding.overflowing)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    file = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    file.write_bytes(tokenizer_json())
    return TokenizerFiles().load(file)


texts = st.lists(st.sampled_from([*WORDS, "x,y", "naïve", "日本", "\x07", "🙂", " "]), max_size=30).map(
    " ".join
)


@given(texts, st.one_of(st.none(), texts), st.integers(5, 40))
@settings(max_examples=300, deadline=None)
def test_tokens_are_those_of_the_library(text, pair, max_tokens):
    tokenizer = JsonTokenizer(Tokenizer.from_str(tokenizer_json().decode()), is_local=True)
    rendered = Rendered(text, pair)

    (got,) = tokenizer.encode([rendered], max_tokens)

    assert (got.ids, got.type_ids, got.truncated) == reference(rendered, max_tokens)
    assert len(got) <= max_tokens


@pytest.mark.parametrize("white", [" ", "\n", " \n  "])
@pytest.mark.parametrize("max_tokens", [32, 33, 20_000])
def test_long_texts_read_in_pieces_give_the_tokens_of_the_whole(tokenizer, white, max_tokens):
    draw = random.Random(5)
    long = white.join(draw.choices(WORDS, k=15_000))
    longer = white.join(draw.choices(WORDS, k=15_001))
    rendered = [Rendered(long), Rendered(long, longer), Rendered(longer, long), Rendered("good", long)]

    whole = JsonTokenizer(Tokenizer.from_str(tokenizer_json().decode()), is_local=False)

    assert tokenizer.encode(rendered, max_tokens) == whole.encode(rendered, max_tokens)


@pytest.mark.timeout(60)
def test_a_pair_of_megabytes_takes_time_in_line_with_its_length(tokenizer):
    text = "the movie is very good " * 45_000  # the library itself would build a million pairs of rests

    (tokens,) = tokenizer.encode([Rendered(text, text)], 512)

    assert len(tokens) == 512
    assert tokens.truncated


def transcript(*lines):
    """Return a text of parts, of lines and their ranks."""
    texts = [f"{line}\n" for line, _ in lines]
    parts = tuple(Part(len(text), rank) for text, (_, rank) in zip(texts, lines, strict=True))
    return Rendered("".join(texts), parts=parts)


ranked = st.lists(
    st.tuples(st.lists(st.sampled_from(WORDS), min_size=1, max_size=60).map(" ".join), st.sampled_from(Rank)),
    min_size=1,
    max_size=12,
)


@given(ranked, st.integers(2, 80), st.one_of(st.none(), st.builds(Windows, st.integers(1, 40))))
@settings(deadline=None)
def test_a_transcript_is_shortened_to_one_window_and_nothing_of_what_fits_is_lost(lines, max_tokens, windows):
    tokenizer = JsonTokenizer.read(tokenizer_json().decode())
    rendered = transcript(*lines)
    (whole,) = tokenizer.encode([Rendered(rendered.text)], 10_000)

    (reading,) = tokenizer.encode_windows([rendered], max_tokens, windows)

    (tokens,) = reading.windows
    assert len(tokens) == reading.token_count <= max_tokens
    assert tokens.truncated == reading.truncated == (len(whole) > max_tokens)
    if not reading.truncated:
        assert tokens.ids == whole.ids


def test_of_a_long_transcript_the_first_request_the_last_turns_and_the_ends_of_results_are_read(tokenizer):
    lines = [
        ("very " * 500, Rank.SYSTEM),
        ("good movie", Rank.LAST),
        ("the " + "very " * 500 + "bad", Rank.RESULT),
        ("bad", Rank.LAST),
    ]

    (tokens,) = tokenizer.encode([transcript(*lines)], 64)

    def ids(text):
        return tokenizer.encode([Rendered(text)], 600)[0].ids[1:-1]

    unknown = ids("…")
    very = ids("very")
    result = 64 - 2 - 16 - 3
    head = (result - 1) - (result - 1) // 2
    assert tokens.ids[1:-1] == [
        *very * 8, *unknown, *very * 7,
        *ids("good movie"),
        *ids("the"), *very * (head - 1), *unknown, *very * ((result - 1) // 2 - 1), *ids("bad"),
        *ids("bad"),
    ]  # fmt: skip


def test_no_more_of_a_huge_transcript_is_tokenized_than_can_be_read(tokenizer, monkeypatch):
    characters = 0
    encode = JsonTokenizer._ids

    def counted(self, texts):
        nonlocal characters
        characters += sum(map(len, texts))
        return encode(self, texts)

    monkeypatch.setattr(JsonTokenizer, "_ids", counted)
    turns = [("good movie " * 3, Rank.TURN)] * 20_000
    huge = transcript(("very " * 500_000, Rank.RESULT), *turns, ("bad " * 500_000, Rank.LAST))

    (tokens,) = tokenizer.encode([huge], 64)

    assert len(tokens) == 64
    assert characters <= 64 * 16


@pytest.mark.parametrize("text", ["x" * 1_000_000, " " * 1_000_000 + "good", "\x00" * 1000, "🙂" * 20_000])
def test_odd_long_texts_are_read(tokenizer, text):
    (tokens,) = tokenizer.encode([Rendered(text)], 32)

    assert 2 <= len(tokens) <= 32


def test_a_tokenizer_whose_tokens_cross_white_space_reads_texts_whole(tmp_path):
    content = json.loads(tokenizer_json())
    content["pre_tokenizer"] = None
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps(content))

    (tokens,) = TokenizerFiles().load(file).encode([Rendered("good " * 10_000)], 32)

    assert tokens.ids == [2, 1, 3]  # all of it is one unknown word


@pytest.mark.parametrize("content", ["", "{}", "not json", json.dumps({"model": {"type": "none"}})])
def test_what_is_no_tokenizer_is_refused(tmp_path, content):
    file = tmp_path / "tokenizer.json"
    file.write_text(content)

    with pytest.raises(VersionUnloadableError):
        TokenizerFiles().load(file)
