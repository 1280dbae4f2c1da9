"""From spans to rows, with the columns that a dataset's upload reads. Pure."""

from collections.abc import Container, Mapping, Sequence
from typing import Any

from gnomon.traffic.grouping import Stored
from gnomon.traffic.traced import Cells, TracedSpan, time_text

Row = dict[str, Any]


def span_row(span: TracedSpan) -> Row:
    """Return the row of a span: the parts that a metric reads, then what tells where it comes from."""
    row: Row = {}
    if span.input:
        row["input"] = _plain(span.input, "user")
    if span.output:
        row["output"] = _plain(span.output, "assistant")
    if span.documents:
        row["documents"] = span.documents
    if span.tools:
        row["tools"] = span.tools
    row["id"] = f"{span.trace_id}:{span.span_id}"
    row["kind"] = span.kind
    row["name"] = span.name
    row["trace_id"] = span.trace_id
    _with_origin(row, span.session_id, span.started_ns, span.tags)
    row["attributes"] = span.attributes
    return row


def _plain(messages: Cells, role: str) -> Any:
    """Return one message of the usual role as its text; several as messages."""
    (first, *others) = messages
    if not others and first["role"] == role and len(first) == 2:
        return first["content"]
    return messages


def _with_origin(row: Row, session_id: str, started_ns: int, tags: Sequence[str]) -> Row:
    if session_id:
        row["session_id"] = session_id
    if started_ns:
        row["time"] = time_text(started_ns)
    if tags:
        row["tags"] = list(tags)
    return row


def trace_cell(trace_id: str, spans: Sequence[TracedSpan]) -> Row | None:
    """Return what the column `trace` holds: the spans with content, as a tree; None if none has any.

    Spans without content are taken out of the tree: what hung below one hangs
    below the next above that is left. A span that comes twice is kept once.
    """
    known: dict[str, TracedSpan] = {}
    for span in spans:
        held = known.get(span.span_id)
        if held is None or (span.has_content and not held.has_content):
            known[span.span_id] = span
    nearest = _nearest(known)
    parents = {span.span_id: nearest[span.span_id] for span in known.values() if span.has_content}
    cells = [span_cell(known[span_id], parents[span_id]) for span_id in _in_order(known, parents)]
    return {"trace_id": trace_id, "spans": cells} if cells else None


def _nearest(known: Mapping[str, TracedSpan]) -> dict[str, str]:
    """Return for each span the nearest above it that has content; none for a span that hangs below itself."""
    nearest = dict.fromkeys(_in_circles(known), "")
    for span_id in known:
        below: list[str] = []
        above = span_id
        while above in known and above not in nearest:
            below.append(above)
            above = _above(known[above], known)
        for span_id_below in reversed(below):
            has_content = above in known and known[above].has_content
            nearest[span_id_below] = above if has_content else nearest.get(above, "")
            above = span_id_below
    return nearest


def _above(span: TracedSpan, known: Container[str]) -> str:
    """Return the span that holds this one; if it is not known, the one that stands for the whole trace.

    Langfuse's traces and LangSmith's first runs are spans with the ID of the trace.
    """
    if span.parent_span_id in known:
        return span.parent_span_id
    return span.trace_id if span.trace_id in known and span.trace_id != span.span_id else ""


def _in_circles(known: Mapping[str, TracedSpan]) -> set[str]:
    """Return the spans that hang below themselves."""
    found: set[str] = set()
    seen: set[str] = set()
    for first in known:
        path: list[str] = []
        above = first
        while above in known and above not in seen:
            seen.add(above)
            path.append(above)
            above = _above(known[above], known)
        if above in path:
            found.update(path[path.index(above) :])
    return found


def _in_order(known: Mapping[str, TracedSpan], parents: Mapping[str, str]) -> list[str]:
    """Return IDs in the order in which the spans started; one before those it holds, whatever clocks say."""
    below: dict[str, list[str]] = {}
    for span_id, parent in parents.items():
        below.setdefault(parent, []).append(span_id)
    began: dict[str, int] = {"": 0}
    waiting = [""]
    while waiting:
        parent = waiting.pop()
        for span_id in below.get(parent, ()):
            began[span_id] = max(known[span_id].started_ns, began[parent])
            waiting.append(span_id)
    del began[""]
    return sorted(began, key=began.__getitem__)


def span_cell(span: TracedSpan, parent: str) -> Row:
    """Return what the column `trace` holds of one span."""
    cell: Row = {"span_id": span.span_id, "kind": span.kind}
    if parent:
        cell["parent_span_id"] = parent
    for part in ("input", "output", "documents", "tools"):
        if held := getattr(span, part):
            cell[part] = held
    return cell | {"attributes": {"name": span.name, **span.attributes}}


def trace_row(stored: Stored, spans: Sequence[TracedSpan], cell: Row) -> Row:
    """Return the row of a trace, named as the span that began it."""
    row: Row = {"trace": cell, "id": stored.trace_id, "name": _name(spans)}
    return _with_origin(row, stored.session_id, stored.started_ns, tags_of(spans))


def session_row(session_id: str, started_ns: int, traces: Sequence[Row], tags: Sequence[str]) -> Row:
    """Return the row of a session."""
    row: Row = {"session": {"session_id": session_id, "traces": list(traces)}, "id": session_id}
    return _with_origin(row, "", started_ns, tags)


def _name(spans: Sequence[TracedSpan]) -> str:
    known = {span.span_id for span in spans}
    roots = (span.name for span in spans if span.name and not _above(span, known))
    return next(roots, spans[0].name if spans else "")


def tags_of(spans: Sequence[TracedSpan]) -> list[str]:
    return list(dict.fromkeys(tag for span in spans for tag in span.tags))
