"""Logistic regressions: the head that the fine-tuning starts from, and the cheap method it must beat."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import hstack
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from gnomon.rendering import Rendered
from gnomon_trainer.domain.calibration import Floats, Ints, negative_log_likelihood
from gnomon_trainer.domain.measures import macro_f1_of

_STRENGTHS = (0.001, 0.003, 0.03, 0.3, 3.0)  # inverse regularisation, tried on the held-out rows
_FOLDS = 4
_TFIDF_STRENGTHS = (1.0, 10.0)
# Features × classes. The solver keeps about 30 numbers for each, 1.2 GB for all of these.
_MOST_COEFFICIENTS = 5_000_000
_WORD = r"\w+|[^\w\s]+"  # punctuation counts; no readable text is without a word
_NEVER_SEEN = -10.0  # the logit, less than the others, of a class without training rows


def class_weights(
    labels: Ints, classes: int, power: float = 0.5, targets: NDArray[np.float32] | None = None
) -> Floats:
    """Return one weight a class, proportional to rows^-power, with a mean of 1 over the rows.

    0.5 is half-way between no weights, which forget rare classes, and 1/rows,
    which overrates their few examples. A class without rows has 0. With
    `targets`, the shares of the classes in the rows, rows are counted by them;
    a class with less than one row in all is weighted like one with one.
    """
    rows = np.bincount(labels, minlength=classes) if targets is None else targets.sum(axis=0, dtype=float)
    # √ is rounded correctly and the power is not: earlier checkpoints go on with the weights that they had.
    least = np.maximum(rows, 1)
    scale = np.sqrt(least) if power == 0.5 else least.astype(np.float64) ** power
    weights = np.divide(1.0, scale, out=np.zeros(classes), where=rows > 0)
    result: Floats = weights * (rows.sum() / (weights * rows).sum())
    return result


def head_on_frozen(
    *,
    training: NDArray[np.float32],
    training_labels: Ints,
    validation: NDArray[np.float32],
    validation_labels: Ints,
    classes: int,
    power: float = 0.5,
    targets: NDArray[np.float32] | None = None,
    pause: Callable[[], None],
) -> tuple[Floats, Floats]:
    """Fit a head on the vectors of a base model, as strong as is best for the held-out rows.

    Returns its weight, shape (classes, hidden size), and its bias; `power` is
    that of the class weights. `targets`, the shares of the classes in the rows
    to learn from, take the place of their labels. `pause` is called before
    every fit; what it raises ends the work.
    """
    best: tuple[float, Floats, Floats] | None = None
    for strength in _STRENGTHS:
        pause()
        weight, bias = _linear(training, training_labels, classes, strength, power, targets=targets)
        loss = negative_log_likelihood(validation @ weight.T + bias, validation_labels)
        if best is None or loss < best[0]:
            best = loss, weight, bias
    assert best is not None
    return best[1], best[2]


def head_by_folds(
    *,
    training: NDArray[np.float32],
    training_labels: Ints,
    classes: int,
    power: float = 0.5,
    targets: NDArray[np.float32] | None = None,
    pause: Callable[[], None],
) -> tuple[Floats, Floats]:
    """Fit a head as `head_on_frozen` does, as strong as is best in cross-validation; for few rows."""
    losses = losses_by_folds(
        training,
        training_labels,
        _folds(training_labels),
        classes=classes,
        power=power,
        targets=targets,
        pause=pause,
    )
    pause()
    strength = _STRENGTHS[int(np.argmin(losses))]
    return _linear(training, training_labels, classes, strength, power, targets=targets)


def losses_by_folds(
    vectors: NDArray[np.float32],
    labels: Ints,
    fold: Ints,
    *,
    classes: int,
    power: float = 0.5,
    targets: NDArray[np.float32] | None = None,
    pause: Callable[[], None],
) -> list[float]:
    """Return the loss of heads that were fitted without the fold they are asked about, of each strength.

    The mean negative log-likelihood, in nats a row. `fold` counts from 0; one
    that leaves a single class to learn is not asked about.
    """
    losses = []
    for strength in _STRENGTHS:
        loss, rows = 0.0, 0
        for number in range(int(fold.max()) + 1):
            pause()
            asked = fold == number
            if not asked.any() or len(np.unique(labels[~asked])) < 2:
                continue
            shares = None if targets is None else targets[~asked]
            weight, bias = _linear(vectors[~asked], labels[~asked], classes, strength, power, targets=shares)
            logits = vectors[asked] @ weight.T + bias
            loss += negative_log_likelihood(logits, labels[asked]) * int(asked.sum())
            rows += int(asked.sum())
        losses.append(loss / max(1, rows))
    return losses


def _folds(labels: Ints) -> Ints:
    """Return each row's fold, 0 to 3. The rows of a class go round, so that every fold leaves some of it."""
    by_class = np.argsort(labels, kind="stable")
    fold = np.empty(len(labels), dtype=np.int64)
    fold[by_class] = np.arange(len(labels)) % _FOLDS
    return fold


def _linear(
    vectors: NDArray[np.float32],
    labels: Ints,
    classes: int,
    strength: float,
    power: float,
    *,
    targets: NDArray[np.float32] | None,
) -> tuple[Floats, Floats]:
    """Return weight and bias, for vectors as they are; the fit is of standardised ones."""
    mean, scale = vectors.mean(axis=0), vectors.std(axis=0) + 1e-6
    weights, shares, like = class_weights(labels, classes, power, targets), None, (vectors - mean) / scale
    if targets is not None:  # a row counts for each of its classes, as much as it has of it
        places, labels = np.nonzero(targets)
        like, shares = like[places], targets[places, labels]
    model = _fit(like, labels, strength, weights, shares)
    weight, bias = _full(model, classes, vectors.shape[1])
    weight = weight / scale
    return weight, bias - weight @ mean


def tfidf_predictions(
    *,
    training: Sequence[Rendered],
    training_labels: Ints,
    validation: Sequence[Rendered],
    validation_labels: Ints,
    test: Sequence[Rendered],
    classes: int,
    of_all: bool = False,
    pause: Callable[[], None],
) -> Ints:
    """Return the classes that TF-IDF of words and word pairs + logistic regression gives the test rows.

    The held-out rows say how strong it is; `of_all`: then it learns anew, from them as well.
    `pause` is called before every part of the work; what it raises ends the work.
    """
    tfidf = _Tfidf(training, classes, pause)
    known, held_out = map(tfidf.features, (training, validation))
    weights = class_weights(training_labels, classes)
    models = []
    for strength in _TFIDF_STRENGTHS:
        pause()
        models.append(_fit(known, training_labels, strength, weights))
    best = max(models, key=lambda m: macro_f1_of(validation_labels, m.predict(held_out), classes))
    if of_all:
        tfidf = _Tfidf([*training, *validation], classes, pause)
        labels = np.concatenate([training_labels, validation_labels])
        every = tfidf.features([*training, *validation])
        best = _fit(every, labels, best.C, class_weights(labels, classes))
    predicted: Ints = best.predict(tfidf.features(test)).astype(np.int64)
    return predicted


class _Tfidf:
    """TF-IDF of words and word pairs; the two texts of a pair have a vocabulary each.

    A vocabulary has the most frequent ones, as many as a fit of that many classes has memory for.
    """

    def __init__(self, training: Sequence[Rendered], classes: int, pause: Callable[[], None]) -> None:
        self._vectorizers: list[Any] = []
        self._pause = pause
        parts = self._parts(training)
        most = max(1, _MOST_COEFFICIENTS // classes // len(parts))
        for texts in parts:
            pause()
            vectorizer: Any = TfidfVectorizer(
                ngram_range=(1, 2), sublinear_tf=True, token_pattern=_WORD, max_features=most
            )
            self._vectorizers.append(vectorizer.fit(texts))

    def features(self, rows: Sequence[Rendered]) -> object:
        self._pause()
        parts = zip(self._vectorizers, self._parts(rows), strict=True)
        return hstack([vectorizer.transform(texts) for vectorizer, texts in parts]).tocsr()

    def _parts(self, rows: Sequence[Rendered]) -> list[list[str]]:
        parts = [[row.text for row in rows]]
        if rows and rows[0].pair is not None:
            parts.append([row.pair or "" for row in rows])
        return parts


def _fit(
    features: object,
    labels: Ints,
    strength: float,
    weights: Floats,
    shares: NDArray[np.float32] | None = None,
) -> LogisticRegression:
    model = LogisticRegression(C=strength, max_iter=300, class_weight=dict(enumerate(weights)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # near enough for a start and a comparison
        return model.fit(features, labels, sample_weight=shares)


def _full(model: LogisticRegression, classes: int, size: int) -> tuple[Floats, Floats]:
    """Return weight and bias with one row a class of the metric, whether it had training rows or not."""
    coefficients, intercepts = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # scikit-learn keeps one row for both
        coefficients = np.vstack([-coefficients / 2, coefficients / 2])
        intercepts = np.concatenate([-intercepts / 2, intercepts / 2])
    weight, bias = np.zeros((classes, size)), np.full(classes, intercepts.min() + _NEVER_SEEN)
    weight[model.classes_], bias[model.classes_] = coefficients, intercepts
    return weight, bias
