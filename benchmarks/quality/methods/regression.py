"""Logistic regression with its strength chosen by cross-validation on the rows that are learned from."""

import warnings
from collections.abc import Sequence
from typing import Any

from benchmarks.quality.task import Task
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold

_SCORING = {"accuracy": "accuracy", "macro_f1": "f1_macro", "auroc": "roc_auc"}
_FOLDS = 3


def chosen(features: Any, task: Task, strengths: Sequence[float]) -> LogisticRegression:
    """Return the model of the best strength, by the set's own figure; classes weighted if that is better."""
    weights = [None, "balanced"] if task.public.figure == "macro_f1" else [None]
    fewest = int(min((task.training_labels == label).sum() for label in range(len(task.classes))))
    model = LogisticRegression(C=strengths[-1], max_iter=1_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if fewest < _FOLDS:  # a class would be missing from a fold
            return model.fit(features, task.training_labels)
        folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=task.seed)
        grid = {"C": list(strengths), "class_weight": weights}
        search = GridSearchCV(model, grid, scoring=_SCORING[task.public.figure], cv=folds)
        found: LogisticRegression = search.fit(features, task.training_labels).best_estimator_
    return found
