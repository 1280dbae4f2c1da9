"""How single values read: times, sizes, enum values, measures."""

from datetime import UTC, datetime
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.status_pb2 import Status
from rich.table import Table

from gnomon.cli.output import grid
from gnomon.v1 import resources_pb2 as pb

_MOST_ROWS = 20  # of a finding
_ALONE = {
    *("apiKeys", "metrics", "projects", "datasets", "recipes", "providers", "labellings", "generations"),
    "webhooks",
}


def short(name: str) -> str:
    """Return a resource name as people may type it: `commitment@3`, `support/first`."""
    match name.split("/"):
        case ["metrics", metric, "versions" | "aliases", version]:
            return f"{metric}@{version}"
        case ["projects", project, "runs", run]:
            return f"{project}/{run}"
        case ["datasets", dataset, "reviews", review]:
            return f"{dataset}/{review}"
        case ["webhooks", webhook, "deliveries", delivery]:
            return f"{webhook}/{delivery}"
        case [collection, resource] if collection in _ALONE:
            return resource
    return name


def time(stamp: Timestamp) -> str:
    """Return a time to the second in the reader's time zone; empty if unset."""
    if not stamp.seconds:
        return ""
    return f"{stamp.ToDatetime(UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def duration(seconds: float) -> str:
    """Return a time span as `42 s`, `3 min 20 s` or `2 h 5 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def elapsed(run: pb.Run) -> str:
    """Return how long a run took, or has been going on."""
    if not run.start_time.seconds:
        return ""
    end = run.end_time.ToDatetime(UTC) if run.end_time.seconds else datetime.now(UTC)
    return duration((end - run.start_time.ToDatetime(UTC)).total_seconds())


def size(count: int) -> str:
    """Return a number of bytes as `512 B`, `3.4 MB`."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def state(run: pb.Run) -> str:
    return pb.Run.State.Name(run.state)


def measure(value: pb.Measure | None) -> str:
    """Return `0.912 (0.871–0.947)`: the value and its 95 % interval, where it has one."""
    if value is None:
        return ""
    if value.low == value.high:
        return f"{value.value:.3f}"
    return f"{value.value:.3f} ({value.low:.3f}–{value.high:.3f})"


def lead(value: pb.Measure | None) -> str:
    """Return a difference as `+0.031 (+0.004 to +0.058)`."""
    return "" if value is None else f"{value.value:+.3f} ({value.low:+.3f} to {value.high:+.3f})"


def shortened(text: str, characters: int = 100) -> str:
    line = " ".join(text.split())
    return line if len(line) <= characters else line[: characters - 1] + "…"


def details(message: Message, *, without: tuple[str, ...] = ()) -> Table:
    """Return every populated field of a resource as `key  value` lines."""
    lines: list[tuple[str, object]] = []
    for field, value in message.ListFields():
        if field.name in without:
            continue
        entries = list(value) if field.is_repeated and not _is_map(field) else [value]
        for index, entry in enumerate(entries):
            lines.append(("" if index else field.name.replace("_", " "), _readable(field, entry)))
    return grid(lines)


def _is_map(field: Any) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _readable(field: Any, value: Any) -> str:  # noqa: PLR0911  one line a kind of value
    if _is_map(field):
        return ", ".join(f"{key}: {entry}" for key, entry in sorted(value.items()))
    if field.enum_type is not None:
        return str(field.enum_type.values_by_number[value].name)
    if isinstance(value, Timestamp):
        return time(value)
    if isinstance(value, Duration):
        return duration(value.ToNanoseconds() / 1e9)
    if isinstance(value, Status):
        return str(value.message)
    if isinstance(value, pb.Metric.LabelClass):
        return (
            value.label
            + (" (flagged)" if value.flagged else "")
            + (f": {value.rubric}" if value.rubric else "")
        )
    if isinstance(value, pb.Dataset.Finding):
        rows = f" (rows {_rows(value)})"
        return f"{value.code}: {value.message}{rows if value.rows else ''}"
    if isinstance(value, Message):
        parts = ((f.name, _readable(f, v)) for f, v in value.ListFields() if not f.is_repeated)
        return ", ".join(f"{key} {text}" for key, text in parts)
    if field.name.endswith("size_bytes") or field.name == "memory_bytes":
        return size(value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _rows(finding: pb.Dataset.Finding) -> str:
    """Return the first rows of a finding, each with the row that it was compared with, as `301 like 4`."""
    matches = [f" like {row}" for row in finding.matches] or [""] * len(finding.rows)
    rows = [f"{row}{like}" for row, like in zip(finding.rows, matches, strict=True)][:_MOST_ROWS]
    return ", ".join(rows) + (", …" if finding.row_count > len(rows) else "")


def probability(score: pb.Score) -> float:
    """Return the probability of the label that was chosen."""
    return next((entry.probability for entry in score.classes if entry.label == score.label), 0.0)


def _spans(value: pb.Instance) -> list[pb.Span]:
    match value.WhichOneof("kind"):
        case "span":
            return [value.span]
        case "trace":
            return list(value.trace.spans)
        case "session":
            return [span for trace in value.session.traces for span in trace.spans]
    return []


def whole_text(value: pb.Instance) -> str:
    """Return what was scored: documents, then messages with their roles."""
    lines = []
    for span in _spans(value):
        lines += [f"document: {document.content}" for document in span.documents]
        lines += [f"{message.role or 'input'}: {message.content}" for message in span.input]
        lines += [f"{message.role or 'output'}: {message.content}" for message in span.output]
    return "\n".join(lines)


def instance(value: pb.Instance) -> str:
    """Return the beginning of what was scored, on one line."""
    spans = _spans(value)
    sides = (" ".join(m.content for span in spans for m in messages(span)) for messages in (_said, _answered))
    return " → ".join(shortened(side, 70) for side in sides if side)


def _said(span: pb.Span) -> list[pb.Message]:
    return list(span.input)


def _answered(span: pb.Span) -> list[pb.Message]:
    return list(span.output)
