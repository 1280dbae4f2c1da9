"""Page tokens: where the next page starts, bound to the query that asked.

A token is opaque to clients. It holds the sort key of the last item and a
digest of the request without its paging fields, so that a token of one query
is refused by another.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from google.protobuf.message import Message

from gnomon.errors import InvalidRequestError, Violation

DEFAULT_SIZE = 50
MAX_SIZE = 1000
PAGE_BYTES = 8 * 1024 * 1024

T = TypeVar("T")
M = TypeVar("M", bound=Message)


def page_size(requested: int) -> int:
    """Return the size to use: 50 if 0, at most 1000. Negative sizes are refused."""
    if requested < 0:
        raise InvalidRequestError(
            "page_size must not be negative.", violations=[Violation("page_size", "must be 0 to 1000")]
        )
    return min(requested or DEFAULT_SIZE, MAX_SIZE)


def read_token(request: Message) -> str | None:
    """Return the key after which the page starts; None for the first page.

    Raises:
        InvalidRequestError: the token is malformed, or of another query.
    """
    token: str = request.page_token  # type: ignore[attr-defined]
    if not token:
        return None
    try:
        key, query = json.loads(base64.urlsafe_b64decode(token.encode()))
        if not isinstance(key, str):
            raise TypeError
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        raise _refused("is not one that this service gave") from error
    if query != _query(request):
        raise _refused("belongs to a call with other arguments")
    return key


def make_token(request: Message, last_key: str | None) -> str:
    """Return the token of the page after `last_key`; empty if there is none."""
    if last_key is None:
        return ""
    return base64.urlsafe_b64encode(json.dumps([last_key, _query(request)]).encode()).decode()


def filled(entries: Sequence[T], size: int, message: Callable[[T], M]) -> tuple[list[M], T | None]:
    """Return a page's messages, and the entry it ends with; None in its place if nothing follows.

    `entries` are what follows the last page: where they are more than `size`,
    one more is enough. A page ends early where the next message would make it
    larger than 8 MiB, but has one: clients take only so many bytes at once,
    whatever number of entries they asked for.
    """
    page: list[M] = []
    size_bytes = 0
    for entry in entries[:size]:
        made = message(entry)
        size_bytes += made.ByteSize()
        if page and size_bytes > PAGE_BYTES:
            break
        page.append(made)
    return page, entries[len(page) - 1] if len(page) < len(entries) else None


def _query(request: Message) -> str:
    copy = type(request)()
    copy.CopyFrom(request)
    for field in ("page_token", "page_size"):
        copy.ClearField(field)
    text = request.DESCRIPTOR.full_name.encode() + copy.SerializeToString(deterministic=True)
    return hashlib.sha256(text).hexdigest()[:16]


def _refused(why: str) -> InvalidRequestError:
    return InvalidRequestError(f"The page_token {why}.", violations=[Violation("page_token", why)])
