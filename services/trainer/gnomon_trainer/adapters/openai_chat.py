"""Chat completions over HTTP, as OpenAI's API writes them."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

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
from gnomon_outbound.retry_after import retry_after_s
from gnomon_trainer.adapters.chat_completions import Complaint, UnusableError, complaint, completion
from gnomon_trainer.domain.chat import (
    ChatAnswer,
    ChatRequest,
    Endpoint,
    Form,
    NotAskedError,
    UnusableAnswerError,
)
from gnomon_trainer.domain.providers import completions_url

_MOST_BYTES = 4 * 1024 * 1024
_LONGEST_WAIT_S = 3600.0
_LATER = frozenset({408, 409, 425, 429})  # and all from 500
_SPENT = "insufficient_quota"  # said with 429, and not over by waiting

_LENGTHS = {"maxLength", "maxItems"}

_HINTS = {
    400: "It does not understand the request.",
    401: "It does not take the key. Write a valid one: `gnomon providers update … --ask-key`.",
    402: "It wants to be paid first.",
    403: "It does not let this key use the model.",
    404: "It has no such model, or base_url is wrong.",
    413: "The request is too large for it.",
    422: "It does not understand the request.",
}


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
            raise _refusal(endpoint, answer, answer.status)
        try:
            return completion(answer.body, endpoint.model, endpoint.key, request.likely_from)
        except UnusableError as error:
            raise _of_no_use(endpoint, answer, error) from error


_HOW_TO_ALLOW = "The operator's setting is GNOMON_TRAINER_ALLOWED_HOSTS."


def _body(endpoint: Endpoint, request: ChatRequest) -> dict[str, Any]:
    # No limit of tokens, no temperature: endpoints disagree on the names, and refuse them for some models.
    body: dict[str, Any] = {
        "model": endpoint.model,
        "messages": [{"role": each.role.value, "content": each.content} for each in request.messages],
    }
    if request.form is Form.SCHEMA:
        schema = {"name": "answer", "strict": True, "schema": _strict(request.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif request.form is Form.OBJECT:
        body["response_format"] = {"type": "json_object", "schema": dict(request.schema)}
    elif request.form is Form.JSON:
        body["response_format"] = {"type": "json_object"}
    if request.top_log_probabilities:
        body |= {"logprobs": True, "top_logprobs": request.top_log_probabilities}
    return body


def _strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema without lengths, at any depth: those who bind strictly refuse one that has them."""
    kept = {name: value for name, value in schema.items() if name not in _LENGTHS}
    if "properties" in kept:
        kept["properties"] = {name: _strict(rule) for name, rule in kept["properties"].items()}
    if "items" in kept:
        kept["items"] = _strict(kept["items"])
    return kept


def _not_reached(endpoint: Endpoint, error: OutboundError) -> GnomonError:
    if isinstance(error, RefusedError):
        return EndpointNotAllowedError(f"{error} {_HOW_TO_ALLOW}", resource=endpoint.provider)
    if isinstance(error, TooLargeError):
        return ProviderAnswerInvalidError(f"{endpoint.provider}: {error}", resource=endpoint.provider)
    kind = ProviderUnavailableError if error.was_sent else NotAskedError
    return kind(f"{endpoint.provider}: {error}", resource=endpoint.provider)


def _of_no_use(endpoint: Endpoint, answer: Answer, error: UnusableError) -> GnomonError:
    said = complaint(answer.body, endpoint.key) or Complaint()
    if said.status:  # a router's failure behind a status of success
        return _refusal(endpoint, answer, said.status)
    words = f" It says: {said.words}" if said.words else ""
    message = f"What {endpoint.provider} answered {error}.{words}"
    if not error.is_completion:
        return ProviderAnswerInvalidError(message, resource=endpoint.provider)
    unusable = UnusableAnswerError(message, resource=endpoint.provider)
    unusable.input_tokens, unusable.output_tokens = error.input_tokens, error.output_tokens
    return unusable


def _refusal(endpoint: Endpoint, answer: Answer, status: int) -> GnomonError:
    """Return the error of a status that is not 200, with the endpoint's words where they are harmless."""
    about = complaint(answer.body, endpoint.key) or Complaint()
    said = f" It says: {about.words}" if about.words else ""
    if (status in _LATER or status >= 500) and about.code != _SPENT:
        return ProviderUnavailableError(
            f"{endpoint.provider} answers with HTTP {status} for now.{said}",
            retry_after_s=_retry_after_s(answer),
            resource=endpoint.provider,
            http_status=str(status),
        )
    if 300 <= status < 400:
        said = " Redirects are not followed: write the URL that it leads to into base_url."
    hint = "Its quota is spent." if about.code == _SPENT else _HINTS.get(status, "")
    message = f"{endpoint.provider} answers with HTTP {status}. {hint}{said}"
    return ProviderRefusedError(
        " ".join(message.split()), resource=endpoint.provider, http_status=str(status)
    )


def _retry_after_s(answer: Answer) -> float | None:
    seconds = retry_after_s(answer.headers, datetime.now(UTC))
    return None if seconds is None else min(seconds, _LONGEST_WAIT_S)
