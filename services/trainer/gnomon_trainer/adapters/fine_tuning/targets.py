"""What the rows are to be taken for, where some say more than one class."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gnomon_trainer.domain.soft_labels import shares_of
from gnomon_trainer.domain.training import MetricDefinition, Row


def targets(rows: Sequence[Row], metric: MetricDefinition) -> NDArray[np.float32] | None:
    """Return the share of each class in each row, shape (rows, classes), a row adding up to 1.

    A row without shares has all of it on its label; None if no row has shares.

    Raises:
        DatasetUnsuitableError: a row's shares cannot be read.
    """
    found = [shares_of(row, metric) for row in rows]
    if not any(found):
        return None
    place = {label: index for index, label in enumerate(metric.classes)}
    result = np.zeros((len(rows), len(metric.classes)))
    for index, (row, shares) in enumerate(zip(rows, found, strict=True)):
        for label, share in (shares or {row.label: 1.0}).items():
            result[index, place[label]] = share
    whole: NDArray[np.float32] = (result / result.sum(axis=1, keepdims=True)).astype(np.float32)
    return whole
