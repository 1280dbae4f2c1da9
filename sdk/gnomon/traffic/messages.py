"""Messages in the shapes that tracers write them, as OpenAI's API writes them. Pure.

Read are plain text; OpenAI's messages; the parts of OpenTelemetry's GenAI
conventions; OpenInference's messages once they are nested; LangChain's, as
objects or as its serialized constructors; and objects that hold any of these
under a usual key, such as `{"messages": [...]}` or `{"question": "..."}`.
"""

import re
from collections.abc import Mapping
from typing import Any

from gnomon.traffic.json_text import dumped, parsed
from gnomon.traffic.traced import Cells, MalformedError

_ROLES = {
    "human": "user",
    "ai": "assistant",
    "model": "assistant",
    "chatbot": "assistant",
    "function": "tool",
}
# Where objects hold what matters, by what is looked for; the first that is there is read.
_HOLDERS = ("messages", "chat_history", "generations", "choices", "message")
_TEXTS = (
    "input", "output", "question", "answer", "query", "prompt", "response", "completion", "text", "result",
    "content",
)  # fmt: skip
_TEXT = {"type", "content"}
_DEEPEST = 12
CUT_OFF = "has messages or tools that are not whole JSON (cut by a limit on attributes?)"
# What begins as messages do. Half a conversation would pass for one text of a user, but
# half an object of another kind may well be what a model answered.
_MESSAGES_CUT_OFF = re.compile(
    r"""(?:\[\s*)+\{\s*"(?:message\.)?(?:role|content|parts|message|lc)"\s*:
      | (?:\[\s*)+\{\s*"type"\s*:\s*"(?:human|ai|system|tool|function|constructor)"
      | \{\s*"(?:messages|chat_history|generations|choices|role|parts)"\s*:""",
    re.VERBOSE,
)


def messages(value: Any, role: str, depth: int = 0) -> Cells:
    """Return the messages of a value; `role` is of those that name none.

    Raises:
        MalformedError: it is text of messages that are not whole JSON.
    """
    if value is None or value in ("", [], {}) or depth > _DEEPEST:
        return []
    if isinstance(value, str):
        return _of_text(value, role, depth)
    if isinstance(value, list | tuple):
        found: Cells = []
        for entry in value:
            if type(entry) is dict and type(entry.get("parts")) is list:  # what comes most often, first
                found += _of_parts(entry["parts"], _role(entry, role))
            else:
                found += messages(entry, role, depth + 1)
        return found
    if not isinstance(value, dict):
        return [{"role": role, "content": dumped(value)}]
    return _of_object(value, role, depth)


def after_the_last_user(found: Cells) -> Cells:
    """Return what an application answered, of messages that repeat the conversation up to it."""
    users = [place for place, message in enumerate(found, 1) if message["role"] == "user"]
    return found[users[-1] :] if users and users[-1] < len(found) else found


def _of_text(text: str, role: str, depth: int) -> Cells:
    if text[:1] in "[{":
        value = parsed(text)
        if isinstance(value, list | dict) and _holds_messages(value):
            return messages(value, role, depth + 1)
        if isinstance(value, str) and _MESSAGES_CUT_OFF.match(text):
            raise MalformedError(CUT_OFF)
    return [{"role": role, "content": text}]


def _holds_messages(value: Any) -> bool:
    """Tell messages from JSON that is itself what was said."""
    if isinstance(value, list):
        return bool(value) and all(
            isinstance(entry, dict | list) and _holds_messages(entry) for entry in value
        )
    return _is_message(value) or any(isinstance(value.get(key), list | dict) for key in _HOLDERS)


def _is_message(value: Mapping[str, Any]) -> bool:
    return ("role" in value and not value.keys().isdisjoint(_SPOKEN)) or _is_langchain(value)


_SPOKEN = ("content", "parts", "tool_calls", "contents")


def _is_langchain(value: Mapping[str, Any]) -> bool:
    kind = value.get("type")
    if kind == "constructor":
        return isinstance(value.get("kwargs"), dict)
    return kind in {"human", "ai", "system", "tool", "function"} and ("content" in value or "data" in value)


def _of_object(value: Mapping[str, Any], role: str, depth: int) -> Cells:
    if value.keys() == _TEXT and value["type"] == "text":  # as systems are told
        content = value["content"]
        if isinstance(content, str) and content:
            return _of_text(content, role, depth + 1)
    if _is_langchain(value):
        return _of_langchain(value, role)
    if isinstance(value.get("parts"), list):
        return _of_parts(value["parts"], _role(value, role))
    if "role" in value or "tool_calls" in value:
        return _of_openai(value, role)
    holders = [key for key in _HOLDERS if value.get(key) and isinstance(value[key], list | dict)]
    holders += [key for key in _TEXTS if value.get(key) and isinstance(value[key], str | list | dict)]
    if holders:
        return messages(value[holders[0]], role, depth + 1)
    return [{"role": role, "content": dumped(value)}]


def _role(value: Mapping[str, Any], role: str) -> str:
    named = value.get("role")
    return _ROLES.get(named, named) if isinstance(named, str) and named else role


def _of_openai(value: Mapping[str, Any], role: str) -> Cells:
    message: dict[str, Any] = {
        "role": _role(value, role),
        "content": _text(value.get("content", value.get("contents"))),
    }
    calls = [call for entry in _listed(value.get("tool_calls")) if (call := _call(entry))]
    if isinstance(value.get("function_call"), dict):
        calls += filter(None, [_call(value["function_call"])])
    if calls:
        message["tool_calls"] = calls
    call_id = value.get("tool_call_id") or (value.get("id") if message["role"] == "tool" else None)
    if isinstance(call_id, str) and call_id:
        message["tool_call_id"] = call_id
    return [message] if message["content"] or calls else []


def _of_langchain(value: Mapping[str, Any], role: str) -> Cells:
    """Read `{"type": "human", "content": …}`, the same below `data`, and `AIMessage` as a constructor."""
    kind, names = str(value["type"]), value.get("id")
    if kind == "constructor":
        kind = str(names[-1]) if isinstance(names, list) and names else ""
        value = value["kwargs"]
    elif isinstance(value.get("data"), dict):
        value = value["data"]
    name = kind.removesuffix("Chunk").removesuffix("Message").lower()
    fallback = _ROLES.get(name, name if name in {"system", "tool"} else role)
    more = value.get("additional_kwargs")
    calls = value.get("tool_calls") or (more.get("tool_calls") if isinstance(more, dict) else None)
    return _of_openai({**value, "role": value.get("role") or fallback, "tool_calls": calls}, role)


def _of_parts(parts: list[Any], role: str) -> Cells:
    """Return one message of the parts, and one for each result of a tool among them."""
    texts: list[str] = []
    calls: Cells = []
    results: Cells = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        if not isinstance(part, dict):
            continue
        kind = part.get("type", "text")
        if kind == "text":
            texts.append(_text(part.get("content", part.get("text"))))
        elif kind == "tool_call":
            calls += filter(None, [_call(part)])
        elif kind == "tool_call_response":
            response = part.get("response", part.get("result"))
            result = {"role": "tool", "content": response if isinstance(response, str) else dumped(response)}
            results.append(result | ({"tool_call_id": part["id"]} if isinstance(part.get("id"), str) else {}))
    message: dict[str, Any] = {"role": role, "content": "\n".join(filter(None, texts))}
    if calls:
        message["tool_calls"] = calls
    return ([message] if message["content"] or calls else []) + results


def _call(entry: Any) -> dict[str, Any] | None:
    """Return a call as OpenAI writes it; None if it names no tool."""
    if not isinstance(entry, dict):
        return None
    entry = entry["tool_call"] if isinstance(entry.get("tool_call"), dict) else entry
    function = entry["function"] if isinstance(entry.get("function"), dict) else entry
    name = function.get("name")
    if not isinstance(name, str) or not name:
        return None
    arguments = function.get("arguments", function.get("args", function.get("input")))
    text = arguments if isinstance(arguments, str) else "" if arguments is None else dumped(arguments)
    call: dict[str, Any] = {"type": "function", "function": {"name": name, "arguments": text}}
    return {"id": entry["id"], **call} if entry.get("id") and isinstance(entry["id"], str) else call


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(content: Any) -> str:
    """Return the text of a message's content: of parts, those of text."""
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if isinstance(content, list):
        return "\n".join(text for part in content if (text := _part(part)))
    return _part(content) if isinstance(content, dict) else dumped(content)


def _part(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        return ""
    inner = part.get("message_content")  # OpenInference
    part = inner if isinstance(inner, dict) else part
    text = part.get("text", part.get("content") if part.get("type", "text") == "text" else None)
    return text if isinstance(text, str) else ""
