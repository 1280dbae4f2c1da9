"""From spans to rows, with the columns that a dataset's upload reads. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from gnomon.traffic.grouping import Stored
from gnomon.traffic.redaction import Redactor
from gnomon.traffic.traced import Cells, TracedSpan, time_text

Row = dict[str, Any]


def redact(span: TracedSpan, redactor: Redactor) -> None:
    """Replace what the redactor finds in everything that is kept but the IDs of traces, spans and calls."""
    text, clean = redactor.text, redactor.clean
    for message in (*span.input, *span.output):
        message["content"] = text(message["content"])
        for call in message.get("tool_calls", ()):
            call["function"]["arguments"] = text(call["function"]["arguments"])
    for held in (*span.documents, *span.tools):
        for key, value in held.items():
            held[key] = text(value)
    span.attributes = {
        key: value if value in clean else text(value) for key, value in span.attributes.items()
    }
    span.name = text(span.name)
    span.tags = tuple(map(text, span.tags))
    if (session := text(span.session_id)) != span.session_id:
        # Two persons' sessions are two sessions still.
        digest = hashlib.blake2b(span.session_id.encode(), digest_size=6).hexdigest()
        span.session_id = f"{session}-{digest}"


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
    parents = {span.span_id: _parent(span, known) for span in known.values() if span.has_content}
    cells = [span_cell(known[span_id], parents[span_id]) for span_id in _in_order(known, parents)]
    return {"trace_id": trace_id, "spans": cells} if cells else None


def _parent(span: TracedSpan, known: Mapping[str, TracedSpan]) -> str:
    """Return the nearest span above that has content; none for a span that hangs below itself."""
    nearest, seen = "", {""}
    above = span.parent_span_id
    while above not in seen and above in known:
        if above == span.span_id:
            return ""
        seen.add(above)
        nearest = nearest or (above if known[above].has_content else "")
        above = known[above].parent_span_id
    return nearest


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
    roots = (span.name for span in spans if not span.parent_span_id and span.name)
    return next(roots, spans[0].name if spans else "")


def tags_of(spans: Sequence[TracedSpan]) -> list[str]:
    return list(dict.fromkeys(tag for span in spans for tag in span.tags))
