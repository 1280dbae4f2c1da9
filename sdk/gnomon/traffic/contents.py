"""What a span holds beside messages: documents, tools, and the call that a tool answers. Pure."""

from typing import Any

from gnomon.traffic.json_text import dumped, parsed
from gnomon.traffic.messages import messages
from gnomon.traffic.traced import Cells, TracedSpan, text_of


def definitions(value: Any) -> Cells:
    """Return tools that were on offer, as their definitions in JSON or as OpenAI's API writes them."""
    found: Cells = []
    for entry in map(parsed, value if isinstance(value, list) else [value]):
        if not isinstance(entry, dict):
            continue
        function = entry["function"] if isinstance(entry.get("function"), dict) else entry
        if isinstance(function.get("name"), str) and function["name"]:
            schema = function.get("parameters", function.get("input_schema"))
            schema = schema if isinstance(schema, str) or not schema else dumped(schema)
            about = {"description": text_of(function.get("description")), "parameters": schema}
            found.append({"name": function["name"], **{key: item for key, item in about.items() if item}})
    return found


def call_of_tool(span: TracedSpan, tool: str, arguments: Any, result: Any, call_id: str = "") -> None:
    """Make a call of a tool what the assistant asked for, and what came back."""
    call = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": call_id, "name": tool, "arguments": arguments}],
    }
    span.input = messages(call, "assistant")
    if result not in (None, ""):
        text = result if isinstance(result, str) else dumped(result)
        span.output = messages({"role": "tool", "tool_call_id": call_id, "content": text}, "tool")


_DOCUMENT_TEXTS = ("content", "page_content", "text", "document")


def documents(value: Any) -> Cells:
    """Return the documents that have a text, as the column of that name holds them."""
    found: Cells = []
    for entry in value if isinstance(value, list | tuple) else ():
        if isinstance(entry, str):
            found.append({"content": entry})
        elif isinstance(entry, dict):
            inner = entry["document"] if isinstance(entry.get("document"), dict) else entry
            text = next((inner[key] for key in _DOCUMENT_TEXTS if isinstance(inner.get(key), str)), "")
            if text:
                document_id = inner.get("id")
                found.append(
                    {"content": text} | ({"id": str(document_id)} if document_id not in (None, "") else {})
                )
    return found
