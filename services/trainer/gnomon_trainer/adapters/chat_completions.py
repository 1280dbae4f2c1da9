"""What comes back from an OpenAI-compatible endpoint: a completion, or words about why there is none.

Servers differ. What an answer is worth hangs on its text alone: token counts and log-probabilities that make
no sense are left out, and cost no answer that is paid for.
"""

import json
import math
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import from_json

from gnomon_trainer.domain.chat import ChatAnswer, TokenChoice

_LONGEST_MODEL = 200
_LONGEST_WORDS = 300
_MOST_TOKENS = 10_000_000  # no model reads or writes so many at once: a count above is none
_MOST_CHOICES = 16  # one is asked for; reading many takes the time of others
_LONGEST_COMPLAINT = 64 * 1024  # bytes: what is longer is a page or an attack
_READ_OF_WORDS = 2_000  # characters, of which _LONGEST_WORDS are shown
_NUMBERS = {int, float}
_TELLING = 8  # so many characters of a key in a row are too many
_SECRET = 12  # a shorter key is a placeholder, `ollama` or `none`, that a text may hold by chance


class UnusableError(Exception):
    """An answer that is of no use. The message goes on from "What … answered".

    `is_completion` tells whether a model answered; the counts are what that took, 0 if it is not told.
    """

    is_completion = False
    input_tokens = 0
    output_tokens = 0


@dataclass(frozen=True, slots=True)
class Complaint:
    """What an endpoint says about a failure; `status` is an HTTP status that its body names, 0 if none."""

    code: str = ""
    words: str = ""
    status: int = 0


def _or_nothing(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value)
    except ValidationError:
        return None


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Part(_Lenient):
    type: str = ""
    text: str = ""


class _Message(_Lenient):
    content: str | list[_Part] | None = None
    refusal: Annotated[str | None, WrapValidator(_or_nothing)] = None
    tool_calls: Any = None


class _Choice(_Lenient):
    message: _Message
    finish_reason: Annotated[str | None, WrapValidator(_or_nothing)] = None
    logprobs: Any = None


_Count = Annotated[int | None, Field(ge=0, le=_MOST_TOKENS), WrapValidator(_or_nothing)]


class _Usage(_Lenient):
    prompt_tokens: _Count = None
    completion_tokens: _Count = None


class _Completion(_Lenient):
    model: Annotated[str | None, WrapValidator(_or_nothing)] = None
    choices: list[_Choice] = Field(min_length=1, max_length=_MOST_CHOICES, fail_fast=True)
    usage: Annotated[_Usage | None, WrapValidator(_or_nothing)] = None


def completion(body: bytes, model: str, key: str, likely_from: str = "") -> ChatAnswer:
    """Read an answer; `model` is the one that was asked for, `likely_from` is that of `ChatRequest`.

    Raises:
        UnusableError: it has no text, or not all of it, or the key stands in it.
    """
    try:
        found = _Completion.model_validate(from_json(body))
    except ValueError as error:
        raise UnusableError("is no chat completion; check base_url") from error
    usage = found.usage or _Usage()
    input_tokens, output_tokens = usage.prompt_tokens or 0, usage.completion_tokens or 0
    choice, said_model = found.choices[0], found.model or model
    try:
        text = _text(choice)
        if len(key) >= _SECRET and (key in text or key in said_model):
            raise UnusableError("repeats the provider's key")
    except UnusableError as error:
        error.is_completion = True
        error.input_tokens, error.output_tokens = input_tokens, output_tokens
        raise
    return ChatAnswer(
        text=text,
        model=said_model[:_LONGEST_MODEL],
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        choices=_choices(choice.logprobs, likely_from),
    )


def _text(choice: _Choice) -> str:
    content = choice.message.content
    if isinstance(content, list):  # parts: a model's thoughts are of another type
        content = "".join(part.text for part in content if part.type == "text")
    if choice.finish_reason == "content_filter":
        raise UnusableError("was cut by its content filter")
    if not content or not content.strip():
        if choice.message.refusal:
            raise UnusableError("refuses to answer")
        raise UnusableError("calls a tool instead of answering" if choice.message.tool_calls else "is empty")
    if choice.finish_reason == "length":
        raise UnusableError("was cut at the model's limit of tokens")
    return content


def _choices(logprobs: Any, likely_from: str) -> tuple[TokenChoice, ...]:
    """Read what was likely at each place; nothing where it is written in no way that is known.

    Chat completions have one form, plain ones another, which llama.cpp's Python server gave for chats as
    well. Read by hand: an answer has some hundred numbers, of which those of one place are looked at.
    """
    try:
        if (places := logprobs.get("content")) is not None:
            tokens = [place["token"] for place in places]
            tops: list[Any] = [place.get("top_logprobs") or () for place in places]
        else:
            tokens, tops = logprobs["tokens"], logprobs["top_logprobs"]
        start, at, choices = "".join(tokens).rfind(likely_from) if likely_from else 0, 0, []
        for token, top in zip(tokens, tops, strict=True):
            at += len(token)
            choices.append(_choice(token, _pairs(top) if at > start else {}))
        return tuple(choices)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return ()


def _pairs(top: Any) -> dict[Any, Any]:
    return (
        dict(top or {}) if isinstance(top, dict | None) else {each["token"]: each["logprob"] for each in top}
    )


def _choice(token: Any, found: dict[Any, Any]) -> TokenChoice:
    """Return what can be believed: a place where one is no number tells nothing, minus infinity is never.

    Raises:
        TypeError: a token is no text, or a log-probability is none.
    """
    if (
        type(token) is not str
        or not {*map(type, found)} <= {str}
        or not {*map(type, found.values())} <= _NUMBERS
    ):
        raise TypeError("no log-probabilities of tokens")
    if not all(map(math.isfinite, found.values())):
        is_wrong = any(math.isnan(value) or value == math.inf for value in found.values())
        found = {} if is_wrong else {name: value for name, value in found.items() if value != -math.inf}
    return TokenChoice(token, found)


def complaint(body: bytes, key: str) -> Complaint | None:
    """Return what a body says about a failure, without words that may hold the key; None if it says none.

    It stands below `error`, in an object of its own or as it is, or in a list of such.
    """
    if len(body) > _LONGEST_COMPLAINT:
        return None
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, list):
        found = found[0] if found else None
    if not isinstance(found, dict):
        return None
    if (error := found.get("error")) and not isinstance(error, dict):
        error = {"message": error}
    fields = error or found
    words = fields.get("message") or fields.get("detail")
    if not error and not words:
        return None
    code = fields.get("code")
    return Complaint(code if isinstance(code, str) else "", _harmless(words, key), _status(code))


def _status(code: Any) -> int:
    is_number = isinstance(code, int) and not isinstance(code, bool)
    return code if is_number and 400 <= code <= 599 else 0


def _harmless(words: Any, key: str) -> str:
    """Return what may be shown of words: nothing if it tells of the key."""
    if not isinstance(words, str):
        return ""
    read = "".join(c if c.isprintable() else " " for c in words[:_READ_OF_WORDS])
    shown = " ".join(read.split())[:_LONGEST_WORDS]
    return "" if _tells(shown, key) else shown


def _tells(words: str, key: str) -> bool:
    parts = (key[start : start + _TELLING] for start in range(max(1, len(key) - _TELLING + 1)))
    return bool(key) and any(part in words for part in parts)
