"""What the probes and baselines of words hold in memory does not grow with what was uploaded."""

import random
import tracemalloc
from collections.abc import Callable

import pytest

from gnomon_trainer.adapters import label_probing

Texts = list[tuple[str, str | None]]


def texts_of_many_words(rows: int, words: int, seed: int = 0) -> list[str]:
    """Return texts of which nearly each word, and each pair of words, occurs once."""
    said = random.Random(seed)
    return [" ".join(f"{said.randrange(10**6):x}" for _ in range(words)) for _ in range(rows)]


def peak_bytes(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# ------------------------------------------------------------- the probe of labels


def test_the_probe_of_labels_holds_no_more_for_more_words_than_it_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(label_probing, "_MOST_PIECES", 500)
    texts: Texts = [(text, None) for text in texts_of_many_words(60, 200)]

    def peak_of(most: int) -> int:
        monkeypatch.setattr(label_probing, "_MOST_WORDS", most)
        return peak_bytes(lambda: label_probing.words_of(texts))

    assert peak_of(100) < peak_of(50_000) / 2


def test_the_probe_of_labels_is_the_same_where_all_words_are_within_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts: Texts = [(text, "and a pair") for text in texts_of_many_words(20, 10)]
    usual = label_probing.words_of(texts)
    for bound in ("_MOST_WORDS", "_MOST_PIECES", "_MOST_CHARACTERS"):
        monkeypatch.setattr(label_probing, bound, 10**9)
    assert (label_probing.words_of(texts) == usual).all()


@pytest.mark.parametrize("pair", [None, "pair " * 50])
def test_the_probe_of_labels_reads_the_beginnings_of_texts_that_are_long_together(
    monkeypatch: pytest.MonkeyPatch, pair: str | None
) -> None:
    texts: Texts = [(text, pair) for text in texts_of_many_words(20, 30)]
    parts = 40 if pair else 20
    monkeypatch.setattr(label_probing, "_MOST_CHARACTERS", parts * 25)
    cut: Texts = [(text[:25], pair and pair[:25]) for text, pair in texts]
    assert (label_probing.words_of(texts) == label_probing.words_of(cut)).all()
