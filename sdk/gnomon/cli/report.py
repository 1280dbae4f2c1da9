"""An evaluation report for people, and two of them beside each other."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gnomon.cli import rule_lines, view
from gnomon.cli.output import grid, table
from gnomon.comparison import Comparison
from gnomon.v1 import resources_pb2 as pb

_LARGEST_MATRIX = 12  # classes; a larger confusion matrix does not fit a terminal


def find(measures: Iterable[pb.Measure], key: str) -> pb.Measure | None:
    """Return the measure of a key, or None."""
    return next((measure for measure in measures if measure.key == key), None)


def baseline(report: pb.EvaluationReport, key: str) -> pb.Baseline | None:
    """Return the baseline of a key, or None."""
    return next((entry for entry in report.baselines if entry.key == key), None)


def rendered(report: pb.EvaluationReport) -> RenderableType:
    """Return the whole report: result beside baselines, classes, calibration, gate, warnings."""
    parts: list[RenderableType] = [results(report), "", _classes(report)]
    if matrix := _confusion(report):
        parts += ["", matrix]
    parts += ["", facts(report)]
    for more in (_pairs(report), _slices(report), _worst(report)):
        if more:
            parts += ["", more]
    if speed := _speed(report):
        parts += ["", speed]
    parts += [Text(f"Note: {warning}") for warning in report.warnings]
    return Group(*parts)


def results(report: pb.EvaluationReport) -> Table:
    """Return the measures of the evaluator beside those of the baselines."""
    columns: dict[str, Any] = {
        "measure": lambda m: m.key,
        "evaluator": view.measure,
    }
    for entry in report.baselines:
        columns[entry.key.replace("_", " ")] = lambda m, entry=entry: view.measure(
            find(entry.measures, m.key)
        )
    return table(report.measures, columns, f"On {report.test_rows} test rows, with 95 % intervals")


def _classes(report: pb.EvaluationReport) -> Table:
    keys = list(dict.fromkeys(m.key for entry in report.classes for m in entry.measures))
    columns: dict[str, Any] = {"class": lambda c: c.label, "rows": lambda c: c.rows}
    for key in keys:
        columns[key.replace("_", " ")] = lambda c, key=key: view.measure(find(c.measures, key))
    return table(report.classes, columns, "By class")


def _confusion(report: pb.EvaluationReport) -> Table | None:
    count = len(report.classes)
    if not 0 < count <= _LARGEST_MATRIX or len(report.confusion_matrix) != count * count:
        return None
    cells = report.confusion_matrix
    columns: dict[str, Any] = {"true ↓  predicted →": lambda row: report.classes[row].label}
    for index, entry in enumerate(report.classes):
        columns[entry.label] = lambda row, index=index: cells[row * count + index]
    return table(range(count), columns, "Confusion")


def facts(report: pb.EvaluationReport) -> Table:
    """Return how it was calibrated, where the threshold is, and what the gate measured."""
    lines: list[tuple[str, object]] = [
        (
            "rows",
            f"{report.training_rows} trained on, {report.validation_rows} calibrated on, "
            f"{report.test_rows} test",
        ),
        *rule_lines.lines(report),
    ]
    return grid([*lines, *((f"gate {entry.format}", _gate(entry)) for entry in report.formats)])


def _gate(entry: pb.FormatReport) -> str:
    if not entry.passed and entry.reason:
        return f"NOT PASSED: {entry.reason}"
    figures = ", ".join(f"{m.key.replace('_', ' ')} {m.value:.2g}" for m in entry.measures)
    return f"{'passed' if entry.passed else 'NOT PASSED'} on {entry.rows} rows: {figures}"


def _pairs(report: pb.EvaluationReport) -> Table | None:
    """Return the evaluator's lead over the cheap methods and over a judge."""
    rows = [(entry.key.replace("_", " "), entry.comparison) for entry in report.baselines]
    judge = report.judge
    if judge.rows:
        rows.append((f'judge, "{judge.column}"', judge.comparison))
    rows = [(name, pair) for name, pair in rows if pair.rows]
    columns: dict[str, Any] = {
        "against": lambda row: row[0],
        "rows": lambda row: row[1].rows,
        "accuracy": lambda row: view.lead(find(row[1].differences, "accuracy")),
        "macro-F1": lambda row: view.lead(find(row[1].differences, "macro_f1")),
        "only evaluator right": lambda row: row[1].only_first_right,
        "only other right": lambda row: row[1].only_second_right,
        "p": lambda row: f"{row[1].mcnemar_p:.3f}",
    }
    return table(rows, columns, "The evaluator's lead, row by row (p of McNemar's test)") if rows else None


def _slices(report: pb.EvaluationReport) -> Table | None:
    columns: dict[str, Any] = {
        "part": lambda part: f"{part.key.removeprefix('column:')}: {part.value}",
        "rows": lambda part: part.rows,
        "accuracy": lambda part: view.measure(find(part.measures, "accuracy")),
        "macro-F1": lambda part: view.measure(find(part.measures, "macro_f1")),
        "against the rest": lambda part: view.lead(find(part.measures, "accuracy_difference")),
        "": lambda part: "few rows" if part.few_rows else "",
    }
    return table(report.slices, columns, "Parts of the test set") if report.slices else None


def _worst(report: pb.EvaluationReport) -> Table | None:
    columns: dict[str, Any] = {
        "row": lambda row: row.row,
        "people": lambda row: f"{row.true_label} ({row.true_probability:.3f})",
        "evaluator": lambda row: f"{row.label} ({row.probability:.3f})",
    }
    title = "Worst rows (their texts: gnomon runs predictions)"
    return table(report.worst_rows, columns, title) if report.worst_rows else None


def _speed(report: pb.EvaluationReport) -> Table | None:
    """Return how fast each published format was where it was exported."""
    points = [(entry.format, point) for entry in report.formats for point in entry.latency_profile]
    if not points:
        return None
    columns: dict[str, Any] = {
        "format": lambda row: row[0],
        "tokens": lambda row: row[1].tokens,
        "alone p50 ms": lambda row: f"{row[1].alone_p50_ms:.1f}",
        "p99 ms": lambda row: f"{row[1].alone_p99_ms:.1f}",
        "all cores, instances/s": lambda row: f"{row[1].capacity_per_second:.0f}",
    }
    machines = sorted({entry.machine for entry in report.formats if entry.machine})
    return table(points, columns, f"Speed on {'; '.join(machines)}")


def comparison(a: str, b: str, measures: Comparison) -> dict[str, Any]:
    """Return two names with their measures side by side, as one JSON object."""
    return {"a": a, "b": b, "measures": [asdict(measure) for measure in measures]}


def compared(a: str, b: str, measures: Comparison) -> RenderableType:
    """Return the measures of two evaluators as a table."""
    columns: dict[str, Any] = {
        "measure": lambda m: m.measure,
        a: lambda m: _interval(m.a_value, m.a_low, m.a_high),
        b: lambda m: _interval(m.b_value, m.b_low, m.b_high),
        "difference": lambda m: (
            "" if m.a_value is None or m.b_value is None else f"{m.b_value - m.a_value:+.3f}"
        ),
    }
    return table(measures, columns)


def _interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return ""
    return view.measure(pb.Measure(value=value, low=low, high=high))
