"""Whose labels rows have, those of people or of a judge, and which rows a model wrote. Pure.

A row itself says so, in the columns that a labelling, a generation and a
review write. So it is known also of a part of a dataset, and of rows that were
downloaded, put together with others and uploaded again. A frame and a CSV file
give every row all columns, so that blank cells stand where there was nothing:
they tell nothing by themselves.
"""

from collections.abc import Callable, Mapping
from typing import Any

from gnomon.cells import is_empty
from gnomon_trainer.domain.columns import LABEL
from gnomon_trainer.domain.datasets import Dataset, RowStore
from gnomon_trainer.domain.generation_origin import FROM
from gnomon_trainer.domain.review_corrections import reviewed_at
from gnomon_trainer.domain.training import JUDGE_EXPLANATION, JUDGE_LABEL


def has_judges_label(cells: Mapping[str, Any]) -> bool:
    """Return whether a judge gave a row its label, and no person has settled it since."""
    return _is_judged(cells) and not reviewed_at(cells)


def _is_judged(cells: Mapping[str, Any]) -> bool:
    explanation = cells.get(JUDGE_EXPLANATION)
    if not is_empty(explanation):
        return True
    # A judge may explain nothing, and then says "": never null.
    return explanation is not None and (is_generated(cells) or _is_as_judged(cells))


def _is_as_judged(cells: Mapping[str, Any]) -> bool:
    """Return whether a row has the label that its judge gave; feedback that changes one leaves the other."""
    said = cells.get(JUDGE_LABEL)
    return not is_empty(said) and _name(said) == _name(cells.get(LABEL, said))


def _name(label: Any) -> str:
    return str(label).strip().casefold()  # a spreadsheet makes TRUE of true


def is_generated(cells: Mapping[str, Any]) -> bool:
    """Return whether a model wrote a row, whoever labelled it."""
    return not is_empty(cells.get(FROM))


def judged_rows(dataset: Dataset, rows: RowStore) -> list[int]:
    """Return the numbers of the rows with a judge's label; reads nothing where there can be none."""
    return _numbers(dataset, rows, JUDGE_EXPLANATION, has_judges_label)


def generated_rows(dataset: Dataset, rows: RowStore) -> list[int]:
    """Return the numbers of the rows that a model wrote; reads nothing where there can be none."""
    return _numbers(dataset, rows, FROM, is_generated)


def _numbers(
    dataset: Dataset, rows: RowStore, column: str, belongs: Callable[[Mapping[str, Any]], bool]
) -> list[int]:
    if column not in dataset.extra_columns:
        return []
    return [number for number, record in enumerate(rows.read(dataset.digest), 1) if belongs(record)]
