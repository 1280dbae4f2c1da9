# Made from gnomon/_async/connection.py by tools/unasync.py. Do not edit.

"""How a call is made: its time limit, its repetition, its errors.

Every call of the client goes through here.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from gnomon._failures import failure_of
from gnomon._retry import Attempts, HedgeBudget
from gnomon._security import Security
from gnomon._sync import concurrency
from gnomon._sync.channels import Channels
from gnomon._targets import Halves
from gnomon._trace_context import outgoing
from gnomon.errors import CancelledError, GnomonError, OverloadedError, ServiceUnavailableError

M = TypeVar("M", bound=Message)

MAX_RECEIVE_BYTES = 64 * 1024 * 1024

_PING_EVERY_MS = 10_000
_PING_ANSWER_MS = 20_000  # it may stand behind data on a slow line

OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_receive_message_length", MAX_RECEIVE_BYTES),
    ("grpc.enable_retries", 0),  # `Attempts` is the one mechanism; two would multiply
    # A service that was restarted is found again quickly.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.min_reconnect_backoff_ms", 5_000),  # how long one attempt may take, whatever its name says
    # A peer that vanished without a word is noticed while a call waits for it. The limit of an answer is
    # there twice: gRPC documents the first, and heeds the second, else a minute.
    ("grpc.keepalive_time_ms", _PING_EVERY_MS),
    ("grpc.keepalive_timeout_ms", _PING_ANSWER_MS),
    ("grpc.http2.ping_timeout_ms", _PING_ANSWER_MS),
    ("grpc.http2.max_pings_without_data", 0),
    # Channels of the process share nothing, so that one client cannot disturb another.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.lb_policy_name", "round_robin"),  # over the addresses of a name or a list
]


class Connection:
    """One service at one address, or several. A channel is opened by the first call that needs it.

    There are two: one for each half of a list of addresses (`ipv4:A,B`), which
    the calls share; else the second is for calls that are sent a second time.

    `timeout_s` is the limit of a call with all its repetitions, where the call
    gives none. `metadata` goes with every call, beside the trace that it
    belongs to and what `security` shows. Where the service is not reached, and
    the files of certificates were replaced, the next attempt goes by the new ones.

    Raises:
        ApiKeyNeedsTlsError: the key would cross a network that others may read.
    """

    def __init__(
        self,
        service: str,
        address: str,
        timeout_s: float,
        metadata: Sequence[tuple[str, str]] = (),
        security: Security | None = None,
    ) -> None:
        self._security = security or Security()
        self._target = self._security.target(address)
        self.service = service
        self.address = self._target.address
        self.timeout_s = timeout_s
        self._metadata = (*self._security.metadata, *metadata)
        self._hedges = HedgeBudget()
        self._halves = Halves(self.address)
        self._channels = Channels(self._halves.targets, OPTIONS, self._security if self._target.tls else None)

    def close(self) -> None:
        self._channels.close()

    def unary(
        self,
        method: str,
        request: Message,
        response: type[M],
        *,
        timeout_s: float | None = None,
        repeats: bool = True,
        repeated_is: type[GnomonError] | None = None,
        hedge_after_s: float | None = None,
    ) -> M:
        """Call a method until it succeeds, fails for good, or the time is over.

        Without `repeats` it is called again only where it was turned away on
        arrival: for a method that spends money, and would spend it again.

        `repeated_is` is what the method answers to a call that was carried out
        already, as a delete does with NotFoundError: after a failed attempt
        whose fate nobody knows, that is success and gives an empty response.
        After one that was turned away, by a quota or so, it is the error it is.

        `hedge_after_s` is for methods without side effects: a call that has no
        answer by then is sent a second time, and the first answer counts. At
        most one call in ten is, and none that was turned away. The second goes
        over another connection: of a list of addresses to another one, of a name
        with several to whichever is next, and behind one address to whoever
        takes the connection, such as another process on the same port.
        """
        attempts = Attempts(self.timeout_s if timeout_s is None else timeout_s)
        half, metadata = self._halves.first(), self._metadata + outgoing()

        def callable_at(half: int) -> Any:
            return channels.callable("unary_unary", method, response, half)

        def again() -> Any:
            return callable_at(1 - half) if self._hedges.spend() else None

        while True:
            try:
                with self._channels.use() as channels:
                    call, left_s = callable_at(half), attempts.remaining_s()
                    if hedge_after_s is None or attempts.failures:
                        result: M = call(request, timeout=left_s, metadata=metadata)
                    else:
                        self._hedges.call()
                        result = concurrency.hedged(
                            call, again, request, hedge_after_s, timeout_s=left_s, metadata=metadata
                        )
                    return result
            except grpc.RpcError as error:
                failure = self._failure_of(error)
            except concurrency.CALL_CANCELLED:
                if concurrency.is_cancelled_from_outside():
                    raise
                failure = self._cancelled()
            if attempts.may_be_done and repeated_is and isinstance(failure, repeated_is):
                return response()
            if not (repeats or isinstance(failure, OverloadedError)):
                raise failure
            concurrency.sleep(attempts.delay_after(failure))
            half = self._halves.after(half)

    def send(
        self,
        method: str,
        requests: Callable[[], Iterator[Message]],
        response: type[M],
        *,
        timeout_s: float | None = None,
    ) -> M:
        """Call a method with a stream of requests, opened anew for every attempt.

        An error of the requests' source ends the call and is raised as it is.
        """
        attempts = Attempts(self.timeout_s if timeout_s is None else timeout_s)
        half, metadata = self._halves.first(), self._metadata + outgoing()
        while True:
            source = _Source(requests())
            try:
                with self._channels.use() as channels:
                    call = channels.callable("stream_unary", method, response, half)
                    result: M = call(source.items(), timeout=attempts.remaining_s(), metadata=metadata)
                    return result
            except grpc.RpcError as error:
                failure = self._failure_of(error)
            except concurrency.CALL_CANCELLED:
                if concurrency.is_cancelled_from_outside():
                    raise
                failure = self._cancelled()
            if source.error is not None:
                raise source.error
            concurrency.sleep(attempts.delay_after(failure))
            half = self._halves.after(half)

    def stream(
        self, method: str, request: Message, response: type[M], *, timeout_s: float | None = None
    ) -> Generator[M, None, None]:
        """Call a method that answers with a stream, once: only the caller knows where to go on.

        Without `timeout_s` the stream may last for ever.
        """
        with self._channels.use() as channels:
            start = channels.callable("unary_stream", method, response, self._halves.first())
            call = start(request, timeout=timeout_s, metadata=self._metadata + outgoing())
            with closing(self._answers(call)) as answers:
                yield from answers

    def duplex(self, method: str, requests: Iterator[Message], response: type[M]) -> Generator[M, None, None]:
        """Call a method with a stream of requests that answers with a stream, once.

        The requests are read beside the caller, in the other client by a thread
        of gRPC; their source must not raise.
        """
        with self._channels.use() as channels:
            start = channels.callable("stream_stream", method, response, self._halves.first())
            call = start(requests, metadata=self._metadata + outgoing())
            with closing(self._answers(call)) as answers:
                yield from answers

    def _answers(self, call: Any) -> Generator[Any, None, None]:
        try:
            yield from call
            return
        except grpc.RpcError as error:
            failure = self._failure_of(error)
        except concurrency.CALL_CANCELLED:
            if concurrency.is_cancelled_from_outside():
                raise
            failure = self._cancelled()
        finally:
            call.cancel()  # for a caller who leaves early; nothing happens to a stream that ended
        raise failure

    def pages(self, method: str, request: Any, response: type[M]) -> Generator[M, None, None]:
        """Call a List method until its last page. The request is changed on the way."""
        while True:
            page: Any = self.unary(method, request, response)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def _failure_of(self, error: grpc.RpcError) -> GnomonError:
        failure = failure_of(error, self.service, self.address)
        if isinstance(failure, ServiceUnavailableError):
            self._channels.renew()  # a service that has new certificates is not reached by the old
        return failure

    def _cancelled(self) -> GnomonError:
        return CancelledError(f"The call to the {self.service} was cancelled: the client was closed.")


class _Source:
    """Requests to send, and the error that cut them short: gRPC swallows it."""

    def __init__(self, requests: Iterator[Message]) -> None:
        self._requests = requests
        self.error: BaseException | None = None

    def items(self) -> Iterator[Message]:
        try:
            yield from self._requests
        except Exception as error:
            self.error = error
            raise
