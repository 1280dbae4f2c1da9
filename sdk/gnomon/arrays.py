"""The arrays that an evaluator's model reads. Needs NumPy, imported when it is called."""

from collections.abc import Sequence
from typing import Any

from gnomon.tokens import Tokens


def filled(name: str, rows: Sequence[Tokens], width: int, dtype: str) -> Any:
    """Return one input of a model, `input_ids`, `attention_mask` or `token_type_ids`.

    Its shape is (rows, width), with zeros on the right.
    """
    import numpy

    array = numpy.zeros((len(rows), width), dtype=dtype)
    for index, row in enumerate(rows):
        array[index, : len(row)] = {"input_ids": row.ids, "token_type_ids": row.type_ids}.get(name, 1)
    return array
