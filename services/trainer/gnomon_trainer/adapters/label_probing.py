"""The probe of labels, a process: reads a job from its input, writes what it found to its output.

Confident learning (Northcutt et al., 2021, arXiv:1911.00068) on the
probabilities that a logistic regression gives rows which it did not learn from.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from cleanlab.filter import find_label_issues
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.decomposition import TruncatedSVD
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import normalize

from gnomon_trainer.adapters import probe_process

Features = NDArray[np.float32]
Probabilities = NDArray[np.float64]
Ints = NDArray[np.int64]

_FOLDS = 5
_SEED = 0
_DIMENSIONS = 256
# With 10 % of the labels of two public sets flipped, this told them better than other strengths. The mean
# of a model of words and one of frozen vectors was better than either alone on `banking77` only.
_STRENGTH = 10.0
_MOST_TOKENS = 256
_WORD = r"\w+|[^\w\s]+"  # punctuation counts; no readable text is without a word
_LEAST_PROBABILITY = 1e-9
# The SVD keeps a few dense columns of 266 floats for every feature: about 1.5 GB for all of these.
_MOST_WORDS = 50_000  # words and word pairs, the most frequent ones
_MOST_PIECES = 200_000
_MOST_CHARACTERS = 20_000_000  # of all rows; what is counted before the rarest are left out grows with them


def suspects(texts: Sequence[tuple[str, str | None]], labels: Ints, base_model: str) -> list[dict[str, Any]]:
    """Return the labels that are likely wrong, likeliest first, as `domain.label_checks.Suspect` has them.

    Each class that occurs needs a row for each fold. `base_model` is a folder, or empty.
    """
    classes, known, probabilities = _believed(texts, labels, base_model)
    found = find_label_issues(
        known,
        probabilities,
        filter_by="prune_by_noise_rate",
        return_indices_ranked_by="self_confidence",
        n_jobs=1,
    )
    expected = probabilities.argmax(axis=1)
    return [
        {
            "place": int(place),
            "suggested": int(classes[expected[place]]),
            "label_probability": float(probabilities[place, known[place]]),
            "suggested_probability": float(probabilities[place, expected[place]]),
        }
        for place in found
        if expected[place] != known[place]
    ]


def opinions(texts: Sequence[tuple[str, str | None]], labels: Ints, base_model: str) -> list[dict[str, Any]]:
    """Return what is expected of every row, in order, as `domain.label_checks.Opinion` has it.

    Takes what `suspects` takes; at least two classes must occur.
    """
    classes, known, probabilities = _believed(texts, labels, base_model)
    first, second = np.argsort(-probabilities, axis=1, kind="stable")[:, :2].T
    return [
        {
            "expected": int(classes[first[place]]),
            "label_probability": float(row[known[place]]),
            "expected_probability": float(row[first[place]]),
            "margin": float(row[first[place]] - row[second[place]]),
        }
        for place, row in enumerate(probabilities)
    ]


def _believed(
    texts: Sequence[tuple[str, str | None]], labels: Ints, base_model: str
) -> tuple[Ints, Ints, Probabilities]:
    """Return the classes that occur, each row's as an index of them, and the probabilities of all."""
    classes, known = np.unique(labels, return_inverse=True)
    features = [words_of(texts)]
    if base_model:
        features.append(vectors_of(texts, Path(base_model)))
    each = [out_of_fold(of, known, len(classes)) for of in features]
    probabilities: Probabilities = np.mean(each, axis=0)
    return classes, known, probabilities


def out_of_fold(features: Features, labels: Ints, classes: int) -> Probabilities:
    probabilities = np.full((len(labels), classes), _LEAST_PROBABILITY)
    for known, asked in StratifiedKFold(_FOLDS, shuffle=True, random_state=_SEED).split(features, labels):
        model = LogisticRegression(C=_STRENGTH, max_iter=200)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # near enough to tell what is unlikely
            model.fit(features[known], labels[known])
        probabilities[np.ix_(asked, model.classes_)] += model.predict_proba(features[asked])
    result: Probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    return result


def words_of(texts: Sequence[tuple[str, str | None]]) -> Features:
    """Return TF-IDF of words, word pairs and pieces of words in few dimensions, of length 1 a row."""
    joined = [f"{text}\n{pair}" for text, pair in _beginnings(texts)]
    words = TfidfVectorizer(
        ngram_range=(1, 2), sublinear_tf=True, token_pattern=_WORD, max_features=_MOST_WORDS
    )
    pieces = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, max_features=_MOST_PIECES
    )
    every = csr_matrix(hstack([words.fit_transform(joined), pieces.fit_transform(joined)]))
    dimensions = min(_DIMENSIONS, min(every.shape) - 1)
    reduced = TruncatedSVD(dimensions, n_iter=4, random_state=_SEED).fit_transform(every)
    result: Features = normalize(reduced).astype(np.float32)
    return result


def _beginnings(texts: Sequence[tuple[str, str | None]]) -> list[tuple[str, str]]:
    """Return the texts, each cut to an equal part of what is read of all where they are longer together."""
    whole = [(text, pair or "") for text, pair in texts]
    lengths = [len(part) for parts in whole for part in parts if part]
    if sum(lengths) <= _MOST_CHARACTERS:
        return whole
    most = max(1, _MOST_CHARACTERS // len(lengths))
    return [(text[:most], pair[:most]) for text, pair in whole]


def vectors_of(texts: Sequence[tuple[str, str | None]], base_model: Path) -> Features:
    """Return the mean token vectors of the untouched base model, of length 1 a row."""
    import torch

    from gnomon.rendering import Rendered
    from gnomon_trainer.adapters.fine_tuning.batches import of_similar_length, tensors
    from gnomon_trainer.adapters.fine_tuning.encoding import TextEncoder
    from gnomon_trainer.adapters.fine_tuning.network import load_network

    network = load_network(base_model, 2).eval()
    encoder = TextEncoder.of_base_model(base_model, _MOST_TOKENS)
    rows = [encoder.encode(Rendered(text, pair)) for text, pair in texts]
    vectors = np.empty((len(rows), network.head.in_features), dtype=np.float32)
    with torch.inference_mode():
        for places in of_similar_length([len(row) for row in rows]):
            inputs = tensors([rows[place] for place in places], network, "cpu")
            vectors[places] = network.pool(**inputs).numpy()
    result: Features = normalize(vectors)
    return result


def _found(job: Mapping[str, Any]) -> list[dict[str, Any]]:
    ask = opinions if job["of_every_row"] else suspects
    texts = [(text, pair) for text, pair in job["texts"]]
    return ask(texts, np.array(job["labels"]), job["base_model"])


if __name__ == "__main__":
    probe_process.answer(_found)
