"""Providers: the endpoints at which judges are reached, and their keys. Pure."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from gnomon.errors import (
    AlreadyExistsError,
    EtagMismatchError,
    InvalidRequestError,
    NotFoundError,
    ProviderKeyUnreadableError,
    Violation,
)
from gnomon.names import ProviderName
from gnomon_trainer.domain.datasets import Request

_LONGEST_URL = 500
_LONGEST_MODEL = 200
_LONGEST_KEY = 4_096
_PATH = "/chat/completions"


class KeyState(StrEnum):
    """What became of a key; the names are those of `gnomon.v1.Provider.KeyState`."""

    NO_KEY = "no_key"
    STORED = "stored"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Provider:
    """An endpoint as it is stored. Times are seconds since the epoch."""

    provider: str
    display_name: str
    base_url: str
    model: str
    sealed_key: bytes = field(repr=False)  # empty if there is none
    key_state: KeyState
    etag: str
    create_time: float
    update_time: float

    @property
    def name(self) -> ProviderName:
        return ProviderName(self.provider)


Change = Callable[[Provider], Provider]


class ProviderStore(Protocol):
    """Keeps providers. Every write is all or nothing."""

    def create(self, provider: Provider, request: Request | None) -> Provider:
        """Store a provider, or return what the same request stored before.

        Raises:
            AlreadyExistsError: the ID is taken.
            RequestIdReusedError: the request's ID came with another body.
            NotFoundError: what the same request stored was deleted.
        """
        ...

    def get(self, name: ProviderName) -> Provider:
        """Return a provider, or raise NotFoundError."""
        ...

    def page(self, after: str, size: int) -> Sequence[Provider]:
        """Return up to `size` providers ordered by ID, after an ID."""
        ...

    def change(self, name: ProviderName, change: Change) -> Provider:
        """Store what `change` makes of a provider, with no write in between; raise NotFoundError."""
        ...

    def delete(self, name: ProviderName) -> None:
        """Forget a provider and its key, or raise NotFoundError."""
        ...


class Vault(Protocol):
    """Seals keys, so that they are worth nothing without the master key.

    Every method raises MasterKeyMissingError where the operator gave none.
    """

    def seal(self, key: str, bound_to: str) -> bytes:
        """Return the sealed key; it opens for the same `bound_to` alone."""
        ...

    def open(self, sealed: bytes, bound_to: str) -> str:
        """Return the key.

        Raises:
            ProviderKeyUnreadableError: another master key sealed it, it is bound to
                something else, or it was altered.
        """
        ...

    def fingerprint(self, key: str) -> str:
        """Return the same text for the same key, from which nobody without the master key can guess it."""
        ...


def bound_to(name: ProviderName, base_url: str) -> str:
    """Return what a key is bound to: a stored row that is changed by hand sends it nowhere else."""
    return f"{name}\n{base_url}"


def without_trace(request: Request | None, fingerprint: str) -> Request | None:
    """Return the request with a body from which its key cannot be guessed, as from a plain digest of it."""
    if request is None or not fingerprint:
        return request
    return replace(request, body=hashlib.sha256(f"{request.body} {fingerprint}".encode()).hexdigest())


def checked_url(base_url: str) -> str:
    """Return the URL without slashes at its end.

    Raises:
        InvalidRequestError: it is no URL to put `/chat/completions` after.
    """
    base_url = base_url.rstrip("/")
    if len(base_url) > _LONGEST_URL:
        raise _wrong("base_url", f"must have at most {_LONGEST_URL} characters")
    if "?" in base_url or "#" in base_url:
        raise _wrong("base_url", "must have neither a query nor a fragment; the key goes into api_key")
    if base_url.endswith(_PATH):
        raise _wrong("base_url", f"must end before {_PATH}, which is added")
    return base_url


def completions_url(base_url: str) -> str:
    return base_url + _PATH


def check_model(model: str) -> str:
    """Return the model, or raise InvalidRequestError."""
    if not (0 < len(model) <= _LONGEST_MODEL and model.isprintable()):
        raise _wrong("model", f"must be 1 to {_LONGEST_MODEL} printable characters")
    return model


def check_key(key: str) -> str:
    """Return the key, or raise InvalidRequestError, which does not repeat it."""
    if len(key) > _LONGEST_KEY or not all("!" <= character <= "~" for character in key):
        raise _wrong("api_key", f"must be at most {_LONGEST_KEY} printable ASCII characters without spaces")
    return key


def check_etag(provider: Provider, etag: str) -> None:
    """Raise EtagMismatchError if the caller read something else than what is there now."""
    if etag and etag != provider.etag:
        raise EtagMismatchError(
            f"{provider.name} was changed since you read it. Read it again and decide anew.",
            resource=str(provider.name),
        )


def no_provider(name: ProviderName) -> NotFoundError:
    return NotFoundError(
        f"There is no {name}. `gnomon providers list` shows what there is.", resource=str(name)
    )


def taken(name: ProviderName) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"There is {name} already. `gnomon providers update` changes it.", resource=str(name)
    )


def key_unreadable(name: str) -> ProviderKeyUnreadableError:
    return ProviderKeyUnreadableError(
        f"The key of {name} does not open: the master key is another one than when it was stored, or "
        f"the database was changed. Write it again: `gnomon providers update {name} --ask-key`.",
        resource=name,
    )


def _wrong(name: str, rule: str) -> InvalidRequestError:
    return InvalidRequestError(f"provider.{name} {rule}.", violations=[Violation(f"provider.{name}", rule)])
