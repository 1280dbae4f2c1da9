"""What differs between the two clients: how to open a channel, wait, and do things side by side."""

import contextlib
import contextvars
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any, ParamSpec, TypeVar

import grpc

from gnomon._reading import ThreadReader
from gnomon.addresses import PASS_NO_PROXY
from gnomon.errors import CancelledError

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")

CALL_CANCELLED: tuple[type[BaseException], ...] = ()  # a cancelled call raises a grpc.RpcError here


def is_cancelled_from_outside() -> bool:
    return False


def open_channel(address: str, options: Sequence[tuple[str, Any]], credentials: Any | None) -> Any:
    if credentials is not None:
        return grpc.secure_channel(address, credentials, options=options)
    return grpc.insecure_channel(address, options=[*options, PASS_NO_PROXY])


# Of what runs side by side in this context: it was left by an error, so that nobody waits for it.
_left: contextvars.ContextVar[threading.Event] = contextvars.ContextVar("_left")


def sleep(seconds: float) -> None:
    """Wait.

    Raises:
        CancelledError: this runs beside something else, and both were left by an error.
    """
    left = _left.get(None)
    if left is None:
        time.sleep(seconds)
    elif left.wait(seconds):
        raise CancelledError("What this ran beside has failed, or was interrupted.")


def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run what blocks: here the caller's thread may."""
    return function(*args, **kwargs)


def side_by_side(function: Callable[[T], R], items: Iterable[T], limit: int) -> list[R]:
    """Return the results in the items' order; at most `limit` are computed at a time.

    The first error ends the others that have not begun, or that sleep, and is raised.
    """
    left = threading.Event()

    def one(item: T) -> R:
        _left.set(left)
        return function(item)

    with ThreadPoolExecutor(limit, thread_name_prefix="gnomon") as threads:
        try:
            # Each in a copy of the caller's context, which the trace of its calls is part of.
            calls = [threads.submit(contextvars.copy_context().run, one, item) for item in items]
            return [call.result() for call in calls]
        except BaseException:
            left.set()
            raise
        finally:
            threads.shutdown(wait=True, cancel_futures=True)


def hedged(
    call: Any,
    again: Callable[[], Any],
    request: Any,
    after_s: float,
    *,
    timeout_s: float | None,
    metadata: Any,
) -> Any:
    """Call, and once more if there is no answer after a while; the first answer counts, the other call ends.

    An error counts as an answer if both calls give one: the first call's.
    `again` gives what the second call is made with, or None if there shall be none.
    """
    answered: SimpleQueue[Any] = SimpleQueue()
    calls: list[Any] = []

    def start(method: Any, limit_s: float | None) -> None:
        calls.append(method.future(request, timeout=limit_s, metadata=metadata))
        calls[-1].add_done_callback(answered.put)

    try:
        start(call, timeout_s)
        try:
            done = answered.get(timeout=after_s)
        except Empty:
            if (second := again()) is not None:
                start(second, None if timeout_s is None else max(0.0, timeout_s - after_s))
            done = answered.get()
        if len(calls) > 1 and done.code() is not grpc.StatusCode.OK:
            other = answered.get()
            done = other if other.code() is grpc.StatusCode.OK else calls[0]
        return done.result()
    finally:
        for one in calls:
            one.cancel()


Condition = threading.Condition
_END_S = 0.2  # for what runs beside to end


@contextlib.contextmanager
def beside(function: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> Iterator[None]:
    """Run a function beside the block, in a thread; it has to end when the block does."""
    run = contextvars.copy_context().run
    thread = threading.Thread(
        target=run, args=(function, *args), kwargs=kwargs, name="gnomon-beside", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        thread.join(_END_S)


class Reader(ThreadReader[T, R]):
    def close(self) -> None:
        super().close()
        self.join()  # so that the caller may close what the source reads
