"""Asking a model at a provider for one chat completion. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from gnomon.errors import ProviderAnswerInvalidError, ProviderUnavailableError


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model is reached. The key is in no `repr`, so that it gets into no message."""

    provider: str  # providers/{provider}
    base_url: str  # `/chat/completions` is below it
    model: str
    key: str = field(default="", repr=False)  # none if empty


class Role(StrEnum):
    SYSTEM = "system"
    USER = "user"


@dataclass(frozen=True, slots=True)
class ChatMessage:
    role: Role
    content: str


class Form(StrEnum):
    """What an answer is bound to by the endpoint."""

    TEXT = "text"
    JSON = "json"  # some JSON object
    OBJECT = "object"  # an object of a JSON schema, as some servers want it asked for that do not know SCHEMA
    SCHEMA = "schema"  # an object of a JSON schema


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What is asked. `schema` is a JSON schema of an object, for the forms SCHEMA and OBJECT.

    `top_log_probabilities` asks for so many likely tokens at every place of the answer, at most 20.
    They are wanted from the last place on where the answer says `likely_from`; where it does not, everywhere.
    A `trial` asks for what the endpoint may not understand: its failure may be an answer to that.
    """

    messages: Sequence[ChatMessage]
    form: Form = Form.TEXT
    schema: Mapping[str, Any] = field(default_factory=dict)
    top_log_probabilities: int = 0
    likely_from: str = ""
    trial: bool = False


@dataclass(frozen=True, slots=True)
class TokenChoice:
    """A token of an answer, and the natural logarithms of the probabilities of likely ones at its place."""

    token: str
    log_probabilities: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """What a model answered. Token counts are those that the endpoint bills, 0 if it does not say."""

    text: str
    model: str
    input_tokens: int = 0
    output_tokens: int = 0
    choices: tuple[TokenChoice, ...] = ()  # empty if they were not asked for, or are not given


class NotAskedError(ProviderUnavailableError):
    """The endpoint was not asked, so that it bills nothing: nothing was sent."""


class UnusableAnswerError(ProviderAnswerInvalidError):
    """A model answered, and its answer is of no use: empty, cut, refused. Another one may be.

    Token counts are those that the endpoint bills for it, 0 if it does not say.
    """

    input_tokens: int = 0
    output_tokens: int = 0


class Chat(Protocol):
    """Reaches endpoints."""

    async def complete(self, endpoint: Endpoint, request: ChatRequest, *, deadline_s: float) -> ChatAnswer:
        """Ask once; nothing is tried again.

        Raises:
            EndpointNotAllowedError: the address may not be called.
            ProviderRefusedError: the endpoint refuses, and will again.
            ProviderUnavailableError: it is away, overloaded, or took longer than `deadline_s`.
            NotAskedError: nothing was sent: it could not be connected to.
            ProviderAnswerInvalidError: what it answered is no chat completion.
            UnusableAnswerError: it is one, without a text that could be used.
        """
        ...
