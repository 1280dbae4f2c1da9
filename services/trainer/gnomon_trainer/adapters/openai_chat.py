"""Chat completions over HTTP, as OpenAI's API writes them."""

import json
from email.utils import parsedate_to_datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from gnomon.errors import (
    EndpointNotAllowedError,
    GnomonError,
    InvalidRequestError,
    ProviderAnswerInvalidError,
    ProviderRefusedError,
    ProviderUnavailableError,
    Violation,
)
from gnomon_outbound.client import Answer, OutboundClient
from gnomon_outbound.errors import OutboundError, RefusedError, TooLargeError
from gnomon_trainer.domain.chat import ChatAnswer, ChatRequest, Endpoint, Form, TokenChoice
from gnomon_trainer.domain.providers import completions_url

_MOST_BYTES = 4 * 1024 * 1024
_LONGEST_WAIT_S = 3600.0
_LONGEST_WORDS = 300
_LONGEST_MODEL = 200
_TELLING = 8  # so many characters of a key in a row are too many
_LATER = frozenset({408, 409, 425, 429})  # and all from 500
_SPENT = "insufficient_quota"  # said with 429, and not over by waiting

_HINTS = {
    400: "It does not understand the request.",
    401: "It does not take the key. Write a valid one: `gnomon providers update … --ask-key`.",
    402: "It wants to be paid first.",
    403: "It does not let this key use the model.",
    404: "It has no such model, or base_url is wrong.",
    413: "The request is too large for it.",
    422: "It does not understand the request.",
}


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Likely(_Lenient):
    token: str
    logprob: FiniteFloat


class _Token(_Lenient):
    token: str
    top_logprobs: list[_Likely] | None = None


class _LogProbs(_Lenient):
    content: list[_Token] | None = None


class _Message(_Lenient):
    content: str | None = None
    refusal: str | None = None


class _Choice(_Lenient):
    message: _Message
    finish_reason: str | None = None
    logprobs: _LogProbs | None = None


class _Usage(_Lenient):
    prompt_tokens: int = Field(default=0, ge=0)
    completion_tokens: int = Field(default=0, ge=0)


class _Completion(_Lenient):
    model: str | None = None
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


class OpenAiChat:
    """A `Chat` over the guarded client."""

    def __init__(self, client: OutboundClient) -> None:
        self._client = client

    def check_url(self, url: str) -> None:
        """Raise InvalidRequestError for a URL that would be refused whatever its name resolves to."""
        try:
            self._client.check(url)
        except RefusedError as error:
            raise InvalidRequestError(
                f"provider.base_url: {error} {_HOW_TO_ALLOW}",
                violations=[Violation("provider.base_url", str(error))],
            ) from error

    async def complete(self, endpoint: Endpoint, request: ChatRequest, *, deadline_s: float) -> ChatAnswer:
        headers = {"content-type": "application/json", "accept": "application/json"}
        if endpoint.key:
            headers["authorization"] = f"Bearer {endpoint.key}"
        body = json.dumps(_body(endpoint, request), ensure_ascii=False).encode("utf-8", "replace")
        try:
            answer = await self._client.post(
                completions_url(endpoint.base_url),
                body,
                headers,
                deadline_s=deadline_s,
                max_bytes=_MOST_BYTES,
            )
        except OutboundError as error:
            raise _not_reached(endpoint, error) from error
        if answer.status != 200:
            raise _refusal(endpoint, answer)
        return _completion(endpoint, answer.body)


_HOW_TO_ALLOW = "The operator's setting is GNOMON_TRAINER_ALLOWED_HOSTS."


def _body(endpoint: Endpoint, request: ChatRequest) -> dict[str, Any]:
    # No limit of tokens, no temperature: endpoints disagree on the names, and refuse them for some models.
    body: dict[str, Any] = {
        "model": endpoint.model,
        "messages": [{"role": each.role.value, "content": each.content} for each in request.messages],
    }
    if request.form is Form.SCHEMA:
        schema = {"name": "answer", "strict": True, "schema": dict(request.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif request.form is Form.JSON:
        body["response_format"] = {"type": "json_object"}
    if request.top_log_probabilities:
        body |= {"logprobs": True, "top_logprobs": request.top_log_probabilities}
    return body


def _not_reached(endpoint: Endpoint, error: OutboundError) -> GnomonError:
    if isinstance(error, RefusedError):
        return EndpointNotAllowedError(f"{error} {_HOW_TO_ALLOW}", resource=endpoint.provider)
    if isinstance(error, TooLargeError):
        return ProviderAnswerInvalidError(f"{endpoint.provider}: {error}", resource=endpoint.provider)
    return ProviderUnavailableError(f"{endpoint.provider}: {error}", resource=endpoint.provider)


def _refusal(endpoint: Endpoint, answer: Answer) -> GnomonError:
    """Return the error of a status that is not 200, with the endpoint's words where they are harmless."""
    status = answer.status
    code, words = _said(answer.body, endpoint.key)
    said = f" It says: {words}" if words else ""
    if (status in _LATER or status >= 500) and code != _SPENT:
        return ProviderUnavailableError(
            f"{endpoint.provider} answers with HTTP {status} for now.{said}",
            retry_after_s=_retry_after_s(answer),
            resource=endpoint.provider,
            http_status=str(status),
        )
    if 300 <= status < 400:
        said = " Redirects are not followed: write the URL that it leads to into base_url."
    hint = "Its quota is spent." if code == _SPENT else _HINTS.get(status, "")
    message = f"{endpoint.provider} answers with HTTP {status}. {hint}{said}"
    return ProviderRefusedError(
        " ".join(message.split()), resource=endpoint.provider, http_status=str(status)
    )


def _said(body: bytes, key: str) -> tuple[str, str]:
    """Return the code and the words of an error, without words that may hold the key."""
    try:
        error = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "", ""
    fields = error if isinstance(error, dict) else {"message": error}
    code, words = fields.get("code"), fields.get("message")
    if not isinstance(words, str) or _tells(words, key):
        words = ""
    words = " ".join("".join(c if c.isprintable() else " " for c in words).split())
    return code if isinstance(code, str) else "", words[:_LONGEST_WORDS]


def _tells(words: str, key: str) -> bool:
    parts = (key[start : start + _TELLING] for start in range(max(1, len(key) - _TELLING + 1)))
    return bool(key) and any(part in words for part in parts)


def _retry_after_s(answer: Answer) -> float | None:
    """Read `Retry-After`: seconds, or a date, which is counted from the answer's own `Date`."""
    text = answer.headers.get("retry-after", "").strip()
    try:
        seconds = float(text) if text[:1].isdigit() else _until(text, answer.headers.get("date", ""))
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), _LONGEST_WAIT_S)


def _until(text: str, date: str) -> float:
    return (parsedate_to_datetime(text) - parsedate_to_datetime(date)).total_seconds()


def _completion(endpoint: Endpoint, body: bytes) -> ChatAnswer:
    try:
        completion = _Completion.model_validate_json(body)
    except ValidationError as error:
        raise _invalid(endpoint, "is no chat completion; check base_url") from error
    choice, usage = completion.choices[0], completion.usage or _Usage()
    text = choice.message.content
    if not text or not text.strip():
        raise _invalid(endpoint, "refuses to answer" if choice.message.refusal else "is empty")
    if choice.finish_reason == "length":
        raise _invalid(endpoint, "was cut at the model's limit of tokens")
    return ChatAnswer(
        text=text,
        model=(completion.model or endpoint.model)[:_LONGEST_MODEL],
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        choices=_choices(choice),
    )


def _choices(choice: _Choice) -> tuple[TokenChoice, ...]:
    tokens = (choice.logprobs and choice.logprobs.content) or []
    return tuple(
        TokenChoice(token.token, {likely.token: likely.logprob for likely in token.top_logprobs or []})
        for token in tokens
    )


def _invalid(endpoint: Endpoint, what: str) -> ProviderAnswerInvalidError:
    return ProviderAnswerInvalidError(
        f"What {endpoint.provider} answered {what}.", resource=endpoint.provider
    )
