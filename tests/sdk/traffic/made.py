"""Traces for tests: files that are there, and small ones that are made."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gnomon import traffic
from gnomon.traffic import Tally

GOLDEN = Path(__file__).parent / "golden"
SECOND = 10**9
BEGAN_S = 1_783_938_600  # 2026-07-13T10:30:00Z


def rows_of(*files: Path, **options: Any) -> tuple[list[dict[str, Any]], Tally]:
    found = traffic.read(files, **options)
    return list(found), found.tally


def otlp_span(
    trace: str = "t1", span: str = "s1", parent: str = "", *, second: float = 0, **attributes: Any
) -> dict[str, Any]:
    """One span of OTLP JSON; `__` in names stands for a dot."""
    return {
        "traceId": trace,
        "spanId": span,
        "parentSpanId": parent,
        "name": attributes.pop("name", "chat"),
        "startTimeUnixNano": str(BEGAN_S * SECOND + int(second * SECOND)),
        "attributes": [
            {"key": key.replace("__", "."), "value": {"stringValue": value}}
            for key, value in attributes.items()
        ],
    }


def chat(
    trace: str = "t1",
    span: str = "s1",
    parent: str = "",
    *,
    said: str = "Hello",
    answer: str = "Hi",
    **more: Any,
) -> dict[str, Any]:
    """One chat with a model."""
    return otlp_span(
        trace,
        span,
        parent,
        gen_ai__operation__name=more.pop("operation", "chat"),
        gen_ai__input__messages=json.dumps([{"role": "user", "parts": [{"type": "text", "content": said}]}]),
        gen_ai__output__messages=json.dumps(
            [{"role": "assistant", "parts": [{"type": "text", "content": answer}]}]
        ),
        **more,
    )


def request(*spans: Mapping[str, Any], service: str = "shop") -> dict[str, Any]:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": list(spans)}]}]}


def lines(file: Path, records: Iterable[Any]) -> Path:
    """Write a record a line; text as it is."""
    file.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records))
    return file


def kept(rows: Iterable[Mapping[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row.get(name) for name in names) for row in rows]
