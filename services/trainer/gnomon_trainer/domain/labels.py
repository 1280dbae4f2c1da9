"""From a cell of the `label` column to a class of the metric. Pure."""

import difflib
from typing import Any

from gnomon.instances import OutputType
from gnomon_trainer.domain.training import MetricDefinition

_TRUE = {"true", "1", "yes"}
_FALSE = {"false", "0", "no"}


class LabelError(ValueError):
    """The cell holds no class; the message says what would be right."""


def parse_label(cell: Any, metric: MetricDefinition) -> str:
    """Return the class that a cell names.

    A boolean metric takes true/false, 1/0 and yes/no in any case, as text,
    JSON booleans or numbers. A categorical one takes its classes exactly.

    Raises:
        LabelError: it names none.
    """
    text = _text(cell)
    if not text:
        raise LabelError(f"the label is empty; {_expected(metric)}")
    if metric.output_type is OutputType.BOOLEAN:
        word = text.casefold()
        if word in _TRUE | _FALSE:
            return "true" if word in _TRUE else "false"
        raise LabelError(f"{_shown(text)} is no label; {_expected(metric)}")
    if text in metric.classes:
        return text
    raise LabelError(f"{_shown(text)} is no class of the metric; {_closest(text, metric)}")


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, int | float | str):
        return str(cell).strip()
    raise LabelError(f"the label is a {type(cell).__name__}, not text")


def _closest(text: str, metric: MetricDefinition) -> str:
    by_folded = {known.casefold(): known for known in metric.classes}
    close = difflib.get_close_matches(text.casefold(), by_folded, n=1)
    return f"did you mean {_shown(by_folded[close[0]])}?" if close else _expected(metric)


def _expected(metric: MetricDefinition) -> str:
    if metric.output_type is OutputType.BOOLEAN:
        return "use true or false"
    shown = ", ".join(metric.classes[:8]) + (", …" if len(metric.classes) > 8 else "")
    return f"use one of {shown}"


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")
