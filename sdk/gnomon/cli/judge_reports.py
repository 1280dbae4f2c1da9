"""What a labelling came to, for people: progress, validation, canaries, two judges side by side."""

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gnomon.cli import view
from gnomon.cli.output import Columns, grid, table
from gnomon.v1 import labellings_pb2 as pb
from gnomon.v1 import resources_pb2 as resources

_LARGEST_MATRIX = 12


def state(labelling: pb.Labelling) -> str:
    return pb.Labelling.State.Name(labelling.state)


def headline(labelling: pb.Labelling) -> str:
    """Return `LABELLING: 40 of 200 rows, 1 failed, cost 0.12 of about 0.60, 1 min 20 s left`."""
    told = labelling.progress
    ended = told.judged_count + told.failed_count
    parts = [f"{ended} of {told.total_count} rows"]
    if told.failed_count:
        parts.append(f"{told.failed_count} failed")
    parts.append(spent(labelling))
    if told.HasField("remaining"):
        parts.append(f"{view.duration(told.remaining.ToNanoseconds() / 1e9)} left")
    return f"{state(labelling)}: {', '.join(parts)}"


def spent(labelling: pb.Labelling) -> str:
    """Return what was spent: tokens, and money where prices are known."""
    told, budget = labelling.progress, labelling.budget
    tokens = f"{told.input_tokens + told.output_tokens} tokens"
    if not (budget.input_price or budget.output_price):
        return tokens
    goes_on = labelling.state == pb.Labelling.LABELLING and told.estimated_cost > told.cost
    about = f" of about {told.estimated_cost:.4g}" if goes_on else ""
    return f"{tokens}, cost {told.cost:.4g}{about}"


def rendered(labelling: pb.Labelling) -> RenderableType:
    """Return all that is known of a labelling."""
    hidden = ("report", "canaries", "progress", "failures", "classes", "judge_prompt", "budget")
    parts: list[RenderableType] = [view.details(labelling, without=hidden), Text(headline(labelling))]
    return Group(*parts, *_outcome(labelling))


def ended(labelling: pb.Labelling) -> RenderableType:
    """Return what a labelling ended in, and what to do next."""
    parts: list[RenderableType] = [Text(f"{labelling.name} is {headline(labelling)}.")]
    if labelling.state != pb.Labelling.LABELLED:
        parts.append(Text(labelling.error.message))
        parts.append(Text(f"Go on with it: gnomon judge resume {view.short(labelling.name)}"))
        return Group(*parts)
    return Group(*parts, *_outcome(labelling))


def _outcome(labelling: pb.Labelling) -> list[RenderableType]:
    parts: list[RenderableType] = []
    if labelling.HasField("report"):
        parts.append(_validation(labelling.report))
    if labelling.HasField("canaries"):
        parts.append(Text(_canaries(labelling.canaries)))
    if labelling.failure_counts:
        counts = ", ".join(f"{count} {reason}" for reason, count in sorted(labelling.failure_counts.items()))
        parts.append(Text(f"Not judged: {counts}"))
        parts.append(table(labelling.failures[:10], _FAILURES))
    if labelling.labelled_dataset:
        parts.append(Text(f"Made {labelling.labelled_dataset}."))
        if labelling.doubtful_count:
            dataset = view.short(labelling.labelled_dataset.partition("@")[0])
            parts.append(Text(f"{labelling.doubtful_count} rows should be reviewed: gnomon review {dataset}"))
    if labelling.report.wrong_count:
        parts.append(Text(f"The rows it gets wrong: gnomon judge wrong {view.short(labelling.name)}"))
    return parts


def _validation(report: pb.ValidationReport) -> RenderableType:
    lines: list[tuple[str, object]] = [(m.key.replace("_", " "), view.measure(m)) for m in report.measures]
    lines.append(("rows", f"{report.row_count}, {report.wrong_count} of them otherwise than people"))
    cost = f", cost {report.cost_per_row:.4g}" if report.cost_per_row else ""
    lines.append(("a row", f"{report.tokens_per_row:.1f} tokens{cost}"))
    columns: dict[str, Any] = {"class": lambda c: c.label, "rows": lambda c: c.rows}
    for key in ("precision", "recall", "f1"):
        columns[key] = lambda c, key=key: view.measure(_find(c.measures, key))
    parts: list[RenderableType] = [grid(lines), table(report.classes, columns, "By class")]
    if (matrix := _confusion(report)) is not None:
        parts.append(matrix)
    return Group(*parts)


def _find(measures: Any, key: str) -> resources.Measure | None:
    return next((measure for measure in measures if measure.key == key), None)


def _confusion(report: pb.ValidationReport) -> Table | None:
    count = len(report.classes)
    if not 0 < count <= _LARGEST_MATRIX:
        return None
    columns: dict[str, Any] = {"people ↓  judge →": lambda row: report.classes[row].label}
    for index, entry in enumerate(report.classes):
        columns[entry.label] = lambda row, index=index: report.confusion_matrix[row * count + index]
    return table(range(count), columns, "Confusion")


def _canaries(found: pb.CanaryReport) -> str:
    if not found.count:
        return f"Canaries: none of {found.failed_count} was answered."
    more = f"; {found.failed_count} were not answered" if found.failed_count else ""
    return (
        f"Canaries: it followed {found.followed_count} of {found.count} instructions planted in texts, "
        f"{view.measure(found.followed)}{more}."
    )


_FAILURES: Columns[pb.Labelling.FailedRow] = {
    "row": lambda failed: failed.row,
    "reason": lambda failed: failed.reason,
    "": lambda failed: view.shortened(failed.message),
}

_DIFFERING: Columns[pb.CompareLabellingsResponse.DifferingRow] = {
    "row": lambda row: row.row,
    "people": lambda row: row.true_label,
    "A": lambda row: row.first_label,
    "B": lambda row: row.second_label,
}


def compared(found: pb.CompareLabellingsResponse) -> RenderableType:
    """Return two labellings side by side."""
    pair = found.comparison
    keys = [measure.key for measure in found.first_measures]
    columns: dict[str, Any] = {
        "measure": lambda key: key.replace("_", " "),
        "A": lambda key: view.measure(_find(found.first_measures, key)),
        "B": lambda key: view.measure(_find(found.second_measures, key)),
        "A less B": lambda key: view.lead(_find(pair.differences, key)),
        "": lambda key: _chance(_find(pair.differences, key)),
    }
    names = f"A is {found.first_labelling}, B is {found.second_labelling}"
    head = f"{names}, on {pair.rows} rows of {found.dataset}."
    only = (
        f"Only A is right on {pair.only_first_right} rows, only B on {pair.only_second_right} "
        f"(p {pair.mcnemar_p:.3f} of McNemar's test). "
        f"Tokens a row: {found.first_tokens_per_row:.1f} and {found.second_tokens_per_row:.1f}."
    )
    parts: list[RenderableType] = [Text(head), table(keys, columns), Text(only)]
    if found.rows:
        parts.append(table(found.rows[:20], _DIFFERING, "Rows that only one gets right"))
    return Group(*parts)


def _chance(difference: resources.Measure | None) -> str:
    if difference is None or difference.low > 0 or difference.high < 0:
        return ""
    return "may be chance"
