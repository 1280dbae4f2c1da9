"""What a connection test asks an endpoint, and what it makes of the answers. Pure."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from gnomon.errors import GnomonError
from gnomon_trainer.domain.chat import Chat, ChatMessage, ChatRequest, Endpoint, Form, Role

_DEADLINE_S = 20.0  # for each of three or four calls
_ASK = (ChatMessage(Role.USER, "This is a connection test. Answer with the word: ready"),)
# No model answers this by itself: only one that is bound to the schema does.
_WORD = "bound-17"
_SCHEMA = {
    "type": "object",
    "properties": {"label": {"type": "string", "enum": [_WORD]}},
    "required": ["label"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class ProviderTest:
    """What an endpoint can do. A problem is a sentence, empty where it works."""

    model: str
    latency_s: float
    schema_problem: str
    log_probabilities_problem: str


async def examined(chat: Chat, endpoint: Endpoint, stopwatch: Callable[[], float]) -> ProviderTest:
    """Ask for a completion, for one bound to a schema in one form or the other, and for log-probabilities.

    Raises what `Chat.complete` raises for the first; the others only say what does not work.
    """
    started = stopwatch()
    answer = await chat.complete(endpoint, ChatRequest(_ASK), deadline_s=_DEADLINE_S)
    latency_s = stopwatch() - started
    return ProviderTest(
        model=answer.model,
        latency_s=latency_s,
        schema_problem=await _schema_problem(chat, endpoint),
        log_probabilities_problem=await _log_probabilities_problem(chat, endpoint),
    )


async def _schema_problem(chat: Chat, endpoint: Endpoint) -> str:
    problem = await _form_problem(chat, endpoint, Form.SCHEMA)
    return "" if problem and not await _form_problem(chat, endpoint, Form.OBJECT) else problem


async def _form_problem(chat: Chat, endpoint: Endpoint, form: Form) -> str:
    request = ChatRequest(_ASK, form=form, schema=_SCHEMA)
    try:
        answer = await chat.complete(endpoint, request, deadline_s=_DEADLINE_S)
    except GnomonError as error:
        return error.message
    try:
        kept = json.loads(answer.text) == {"label": _WORD}
    except (ValueError, RecursionError):
        kept = False
    return "" if kept else "The endpoint takes a JSON schema, but its answer does not follow it."


async def _log_probabilities_problem(chat: Chat, endpoint: Endpoint) -> str:
    request = ChatRequest(_ASK, top_log_probabilities=5)
    try:
        answer = await chat.complete(endpoint, request, deadline_s=_DEADLINE_S)
    except GnomonError as error:
        return error.message
    if any(len(choice.log_probabilities) > 1 for choice in answer.choices):
        return ""
    return "The endpoint answers without log-probabilities."
