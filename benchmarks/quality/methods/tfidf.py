"""TF-IDF of words and word pairs + logistic regression, as a competent user would set it up."""

from collections.abc import Sequence

from benchmarks.quality import clocks
from benchmarks.quality.methods.regression import chosen
from benchmarks.quality.task import Answer, Task
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer

from gnomon.rendering import Rendered

_STRENGTHS = (1.0, 10.0)


def answer(task: Task) -> Answer:
    """The two texts of a pair have a vocabulary each. Texts are read whole."""
    began = clocks.now()
    vectorizers = [TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True) for _ in _parts(task.training)]
    for vectorizer, texts in zip(vectorizers, _parts(task.training), strict=True):
        vectorizer.fit(texts)
    model = chosen(_features(vectorizers, task.training), task, _STRENGTHS)
    fitted = clocks.now()
    found = model.predict_proba(_features(vectorizers, task.test))
    return Answer(found, fitted - began, notes={"C": model.C, "class_weight": model.class_weight})


def _features(vectorizers: Sequence[TfidfVectorizer], rows: Sequence[Rendered]) -> csr_matrix:
    parts = zip(vectorizers, _parts(rows), strict=True)
    return hstack([vectorizer.transform(texts) for vectorizer, texts in parts]).tocsr()


def _parts(rows: Sequence[Rendered]) -> list[list[str]]:
    pairs = [[row.pair or "" for row in rows]] if rows[0].pair is not None else []
    return [[row.text for row in rows], *pairs]
