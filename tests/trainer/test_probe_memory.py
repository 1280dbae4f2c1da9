"""What the probes and baselines of words hold in memory does not grow with what was uploaded."""

import random
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD

from gnomon.rendering import Rendered
from gnomon_trainer.adapters import label_probing
from gnomon_trainer.adapters.fine_tuning import probe

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


def test_the_probe_of_labels_reduces_no_more_features_than_it_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reduced = []

    class Watched(TruncatedSVD):  # type: ignore[misc]  # its package has no types
        def fit_transform(self, features: csr_matrix, y: None = None) -> Any:
            reduced.append(features.shape)
            return super().fit_transform(features, y)

    monkeypatch.setattr(label_probing, "TruncatedSVD", Watched)
    monkeypatch.setattr(label_probing, "_MOST_WORDS", 100)
    monkeypatch.setattr(label_probing, "_MOST_PIECES", 50)
    label_probing.words_of([(text, None) for text in texts_of_many_words(20, 40)])
    assert reduced == [(20, 150)]


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


# ------------------------------------------------------------- the baseline of TF-IDF


def predictions(rows: list[Rendered], classes: int) -> list[int]:
    labels = np.arange(len(rows)) % classes
    found = probe.tfidf_predictions(
        training=rows,
        training_labels=labels,
        validation=rows[:20],
        validation_labels=labels[:20],
        test=rows,
        classes=classes,
        pause=lambda: None,
    )
    return [int(label) for label in found]


@pytest.mark.parametrize("pair", [False, True])
@pytest.mark.parametrize("classes", [2, 7, 3_000])
def test_the_baseline_has_no_more_coefficients_than_the_solver_has_memory_for(
    monkeypatch: pytest.MonkeyPatch, classes: int, pair: bool
) -> None:
    texts = texts_of_many_words(20, 40)
    rows = [Rendered(text, text[::-1] if pair else None) for text in texts]
    monkeypatch.setattr(probe, "_MOST_COEFFICIENTS", 2_000)
    features: Any = probe._Tfidf(rows, classes, lambda: None).features(rows)
    assert features.shape == (20, max(2_000 // classes // (1 + pair) * (1 + pair), 1 + pair))


def test_the_memory_of_the_baseline_does_not_grow_with_its_words_beyond_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [Rendered(text) for text in texts_of_many_words(20, 60)]
    usual = peak_bytes(lambda: predictions(rows, 5))
    monkeypatch.setattr(probe, "_MOST_COEFFICIENTS", 500)
    assert peak_bytes(lambda: predictions(rows, 5)) < usual / 4


def test_the_baseline_says_the_same_where_all_words_are_within_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [Rendered(text, "and a pair") for text in texts_of_many_words(30, 5)]
    usual = predictions(rows, 3)
    monkeypatch.setattr(probe, "_MOST_COEFFICIENTS", 10**12)
    assert predictions(rows, 3) == usual
