"""A file of OTLP JSON as the collector writes it: batches of spans a line; what is broken is counted."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

_SPANS_A_LINE = 64
_TRACES_A_SESSION = 3
_BROKEN_SPAN, _BROKEN_LINE = 1_000, 500  # one of so many
_BEGAN_NS = 1_780_000_000 * 10**9
_SYSTEM = (
    "You are the assistant of a shop for garden tools. Answer in the language of the customer, politely and "
    "in at most three sentences. Look orders up before you speak about them, never promise a refund that the "
    "policy does not give, and hand over to a person when a customer asks for one or when you are not sure."
)
_SAID = (
    "my order has not arrived yet and I would like to know where it is because the neighbour saw the van on "
    "Tuesday could you please check whether the blue hose was sent with the other parts or comes later thank "
    "you for the quick answer we are sorry for the delay the parcel left our store and should be with you"
)
_WORDS = _SAID.split()
_CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.system_instructions": [{"type": "text", "content": _SYSTEM}],
}
_PERSONAL = ("Write to {}@example.org.", "Call me at +49 30 5550{:04d}.", "The card is 4111 1111 1111 1111.")


@dataclass(slots=True)
class Made:
    """What is in the file."""

    spans: int = 0
    traces: int = 0
    size_bytes: int = 0
    broken: Counter[str] = field(default_factory=Counter)


def write(file: Path, spans: int, seed: int = 0) -> Made:
    """Write about so many spans, in whole traces of five."""
    chooser, made = random.Random(seed), Made()
    with file.open("wb") as target:
        all_spans, lines = _spans(spans, chooser, made), 0
        while batch := list(islice(all_spans, _SPANS_A_LINE)):
            lines += 1
            target.write(_line(batch, made, is_cut=lines % _BROKEN_LINE == 0))
    made.size_bytes = file.stat().st_size
    return made


def _line(batch: list[tuple[dict[str, Any], bool]], made: Made, *, is_cut: bool) -> bytes:
    resource = {"attributes": [_attribute("service.name", "shop"), _attribute("service.version", "1.14.2")]}
    scope = {"name": "opentelemetry.instrumentation.openai_v2"}
    of_scope = {"scope": scope, "spans": [span for span, _ in batch]}
    line = orjson.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [of_scope]}]})
    if is_cut:
        made.broken["line"] += 1
        return line[: len(line) // 2] + b"\n"
    broken = sum(is_broken for _, is_broken in batch)
    made.broken["span"] += broken
    made.spans += len(batch) - broken
    return line + b"\n"


def _spans(count: int, chooser: random.Random, made: Made) -> Iterator[tuple[dict[str, Any], bool]]:
    while made.traces * 5 < count:
        made.traces += 1
        for span in _trace(made.traces, chooser):
            is_broken = chooser.randrange(_BROKEN_SPAN) == 0
            if is_broken:
                _break(span, chooser)
            yield span, is_broken


def _break(span: dict[str, Any], chooser: random.Random) -> None:
    match chooser.randrange(3):
        case 0:
            del span["spanId"]
        case 1:
            span["startTimeUnixNano"] = "yesterday"
        case 2:
            span["attributes"].append(
                {"key": "gen_ai.input.messages", "value": {"stringValue": '[{"role": "us'}}
            )


def _trace(number: int, chooser: random.Random) -> list[dict[str, Any]]:
    """An agent that asks a model, calls a tool, searches documents and asks the model again."""
    question = _text(chooser, 25)
    if chooser.randrange(20) == 0:
        question += " " + chooser.choice(_PERSONAL).format(number % 10_000)
    given = [_message("user", {"type": "text", "content": question})]
    order = {"order": number % 99_999}
    call_id, found = f"call_{number}", _text(chooser, 40)
    call = _message(
        "assistant", {"type": "tool_call", "id": call_id, "name": "find_order", "arguments": order}
    )
    result = _message("tool", {"type": "tool_call_response", "id": call_id, "response": found})
    answer = _message("assistant", {"type": "text", "content": _text(chooser, 60)}) | {
        "finish_reason": "stop"
    }
    documents = [{"id": f"policy-{n}", "score": 0.9, "content": _text(chooser, 50)} for n in range(3)]
    parts = [
        ("invoke_agent support", _said(given, [answer]) | {"gen_ai.operation.name": "invoke_agent"}),
        ("chat gpt-4o-mini", _CHAT | _said(given, [call]) | {"gen_ai.usage.input_tokens": 211}),
        ("execute_tool find_order", _tool(call_id, order, found)),
        ("retrieval policies", _retrieval(question, documents)),
        (
            "chat gpt-4o-mini",
            _CHAT | _said([*given, call, result], [answer]) | {"gen_ai.usage.input_tokens": 388},
        ),
    ]
    conversation = {"gen_ai.conversation.id": f"conversation-{number // _TRACES_A_SESSION}"}
    return [_span(number, place, name, conversation | more) for place, (name, more) in enumerate(parts)]


def _said(given: list[Any], answered: list[Any]) -> dict[str, Any]:
    return {"gen_ai.input.messages": given, "gen_ai.output.messages": answered}


def _tool(call_id: str, arguments: dict[str, Any], result: str) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "find_order",
        "gen_ai.tool.call.id": call_id,
        "gen_ai.tool.call.arguments": arguments,
        "gen_ai.tool.call.result": result,
    }


def _retrieval(query: str, documents: list[Any]) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "retrieval",
        "gen_ai.retrieval.query.text": query,
        "gen_ai.retrieval.documents": documents,
    }


def _span(trace: int, place: int, name: str, attributes: dict[str, Any]) -> dict[str, Any]:
    began = _BEGAN_NS + (trace * 10 + place) * 10**8
    return {
        "traceId": f"{trace * 0x9E3779B97F4A7C15 % 2**128:032x}",
        "spanId": f"{(trace * 8 + place) * 0x9E3779B97F4A7C15 % 2**64:016x}",
        "parentSpanId": f"{trace * 8 * 0x9E3779B97F4A7C15 % 2**64:016x}" if place else "",
        "name": name,
        "kind": 3,
        "startTimeUnixNano": str(began),
        "endTimeUnixNano": str(began + 9 * 10**7),
        "attributes": [_attribute(key, value) for key, value in attributes.items()],
        "status": {},
    }


def _attribute(key: str, value: Any) -> dict[str, Any]:
    if isinstance(value, int):
        return {"key": key, "value": {"intValue": str(value)}}
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return {"key": key, "value": {"stringValue": text}}


def _message(role: str, part: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "parts": [part]}


def _text(chooser: random.Random, words: int) -> str:
    return " ".join(chooser.choices(_WORDS, k=words))
