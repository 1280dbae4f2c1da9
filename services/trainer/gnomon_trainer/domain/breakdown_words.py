"""Comparisons and slices of a report, as they stand in a model card. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from gnomon_trainer.domain.slicing import CLASS, COLUMN, FEW_ROWS

Table = tuple[Sequence[str], list[Sequence[str]]]


def leads(report: Mapping[str, Any]) -> Table:
    """Return the evaluator's lead over the cheap methods, and over a judge, as head and rows."""
    pairs = [(f"`{entry['key']}`", entry.get("comparison")) for entry in report["baselines"]]
    if judge := report.get("judge"):
        pairs.append((f"the judge of {_code(judge['column'])}", judge.get("comparison")))
    head = ("Lead over", "Rows", "Accuracy", "Macro-F1", "Right alone: evaluator, other", "p (McNemar)")
    return head, [(name, *_lead(pair)) for name, pair in pairs if pair]


def _lead(pair: Mapping[str, Any]) -> Sequence[str]:
    found = {entry["key"]: entry for entry in pair["differences"]}
    shown = [_difference(found[key]) if key in found else "–" for key in ("accuracy", "macro_f1")]
    alone = f"{pair['only_first_right']}, {pair['only_second_right']}"
    return (str(pair["rows"]), *shown, alone, f"{pair['mcnemar_p']:.3f}")


def slices(report: Mapping[str, Any]) -> Table:
    """Return accuracy by length and column, as head and rows; classes have a table of their own."""
    rows: list[Sequence[str]] = []
    for entry in report.get("slices", ()):
        if entry["key"] == CLASS:
            continue
        values = {m["key"]: m for m in entry["measures"]}
        accuracy, difference = values.get("accuracy"), values.get("accuracy_difference")
        few = f" (fewer than {FEW_ROWS})" if entry["few_rows"] else ""
        by = entry["key"].removeprefix(COLUMN)
        rows.append(
            (
                f"{_code(by)}: {_code(entry['value'])}",
                f"{entry['rows']}{few}",
                f"{accuracy['value']:.3f} [{accuracy['low']:.3f}, {accuracy['high']:.3f}]"
                if accuracy
                else "–",
                _difference(difference) if difference else "–",
            )
        )
    return ("Part", "Rows", "Accuracy", "Less that of all other rows"), rows


def _difference(found: Mapping[str, Any]) -> str:
    return f"{found['value']:+.3f} [{found['low']:+.3f}, {found['high']:+.3f}]"


def _code(text: str) -> str:
    """Return what users wrote as code that ends neither itself nor the cell that it stands in."""
    return f"`{' '.join(text.replace('`', ' ').replace('|', '/').split())}`"
