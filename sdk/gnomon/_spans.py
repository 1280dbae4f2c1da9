"""From what a row or a dict holds to a span. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from gnomon._requests import refused
from gnomon.instances import Document, Message, Span

PARTS = ("input", "output", "documents")


def span_of(cells: Mapping[str, Any]) -> Span:
    """Return the span of texts, such as `{"input": "…", "documents": ["…", "…"]}`.

    Raises:
        InvalidRequestError: there is something else in it.
    """
    for part in cells:
        if part not in PARTS:
            raise refused("instance", f"has {part!r}; there may be: {', '.join(PARTS)}")
    return Span(
        input=_messages(cells.get("input"), "user"),
        output=_messages(cells.get("output"), "assistant"),
        documents=tuple(_documents(cells.get("documents"))),
    )


def _messages(cell: Any, role: str) -> tuple[Message, ...]:
    """Read a text, or a list of texts and of `{"role": …, "content": …}`."""
    if cell is None:
        return ()
    if not isinstance(cell, list):
        return (Message(str(cell), role),)
    return tuple(
        Message(str(item.get("content") or ""), str(item.get("role") or role))
        if isinstance(item, Mapping)
        else Message(str(item), role)
        for item in cell
    )


def _documents(cell: Any) -> Iterable[Document]:
    """Read a text, or a list of texts and of `{"content": …, "id": …}`."""
    if cell is None:
        return
    for item in cell if isinstance(cell, list) else [cell]:
        if isinstance(item, Mapping):
            yield Document(str(item.get("content") or ""), str(item.get("id") or ""))
        else:
            yield Document(str(item))
