"""One page of a list: what a request asks for, and what tells where the next one starts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

from gnomon.errors import InvalidRequestError, Violation
from gnomon.threads import in_thread
from gnomon_rpc.pages import filled, make_token, page_size, read_token

T = TypeVar("T")
M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    items: list[M]
    next_page_token: str


async def page(
    request: Message,
    read: Callable[[str, int], list[T]],
    key: Callable[[T], str],
    message: Callable[[T], M],
) -> Page[M]:
    """Return a page of a list, as messages; one of large items ends at 8 MiB.

    `read(after, limit)` returns up to `limit` items after a key ("" for the
    first ones); `key` returns an item's key. One item more than the page is
    read, to know whether there is another page.
    """
    size = page_size(request.page_size)  # type: ignore[attr-defined]
    entries = await in_thread(read, read_token(request) or "", size + 1)
    items, last = await in_thread(filled, entries, size, message)
    return Page(items, make_token(request, None if last is None else key(last)))


def number(key: str) -> int | None:
    """Return a page's key as a number; None for the first page. A token is the client's to forge."""
    if not key:
        return None
    if not key.isdecimal() or len(key) > 18:
        why = "is not one that this service gave"
        raise InvalidRequestError(f"The page_token {why}.", violations=[Violation("page_token", why)])
    return int(key)
