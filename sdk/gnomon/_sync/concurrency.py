"""What differs between the two clients: how to open a channel, wait, and do things side by side."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

import grpc

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")

CALL_CANCELLED: tuple[type[BaseException], ...] = ()  # a cancelled call raises a grpc.RpcError here


def is_cancelled_from_outside() -> bool:
    return False


def open_channel(address: str, options: Sequence[tuple[str, Any]]) -> Any:
    return grpc.insecure_channel(address, options=options)


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run what blocks: here the caller's thread may."""
    return function(*args, **kwargs)


def side_by_side(function: Callable[[T], R], items: Iterable[T], limit: int) -> list[R]:
    """Return the results in the items' order; at most `limit` are computed at a time.

    The first error ends the others that have not begun and is raised.
    """
    with ThreadPoolExecutor(limit, thread_name_prefix="gnomon") as threads:
        try:
            return list(threads.map(function, items))
        finally:
            threads.shutdown(wait=True, cancel_futures=True)
