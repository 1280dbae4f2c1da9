"""Calls that may be sent twice: the same request ID gets the same answer."""

from typing import Protocol

from gnomon.errors import RequestIdReusedError
from gnomon_registry.domain.entities import Answered
from gnomon_registry.domain.ports import CatalogReader, CatalogWriter


class RequestKey(Protocol):
    """A call's request ID, and a digest of its body and its caller."""

    @property
    def request_id(self) -> str: ...

    @property
    def body(self) -> str: ...


def answer_of(catalog: CatalogReader, key: RequestKey | None) -> str | None:
    """Return the name of what an earlier call with the same request ID made.

    Raises:
        RequestIdReusedError: that call had another body, or another caller, to whom nothing of it is told.
    """
    earlier = catalog.answered(key.request_id) if key else None
    if key is None or earlier is None:
        return None
    if earlier.body != key.body:
        raise RequestIdReusedError(
            f"The request_id {key.request_id} was used for another request, or by another API key, or for "
            "another project. Take a new UUID for a new request.",
            request_id=key.request_id,
        )
    return earlier.resource


def remember(catalog: CatalogWriter, key: RequestKey | None, resource: object) -> None:
    """Record the answer in the transaction that has the effect, so that there is never one alone."""
    if key is not None:
        catalog.remember(Answered(key.request_id, key.body, str(resource)))
