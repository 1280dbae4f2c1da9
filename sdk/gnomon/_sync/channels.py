# Made from gnomon/_async/channels.py by tools/unasync.py. Do not edit.

"""The channels of one connection, and others in their place where the files of TLS are replaced."""

from collections.abc import Sequence
from threading import RLock
from typing import Any

from google.protobuf.message import Message

from gnomon._security import Credentials, Security
from gnomon._sync import concurrency

Options = Sequence[tuple[str, Any]]


class Channels:
    """One channel to each target, opened by the first call that needs it. Threads may share them.

    gRPC keeps the certificates that a channel was opened with. `renew` opens
    others, for calls that come later; what is under way ends where it is, and
    the last of it closes the channel that it was on. `security` is None where
    plain text is spoken.
    """

    def __init__(self, targets: Sequence[str], options: Options, security: Security | None) -> None:
        self._targets = targets
        self._options = options
        self._security = security
        self._current: _Opened | None = None
        self._replaced: list[_Opened] = []
        self._closed = False
        # Entered again where the collector of garbage ends a stream that was left, amid another call.
        self._turn = RLock()

    def use(self) -> "_Opened":
        """Return the channels for what is done within `with`.

        Raises:
            InvalidRequestError: a file cannot be read.
            RuntimeError: they were closed.
        """
        with self._turn:
            if self._closed:
                raise RuntimeError("The client is closed.")
            if self._current is None:
                self._current = self._open(self._security.credentials() if self._security else None)
            self._current.calls += 1
            return self._current

    def renew(self) -> None:
        """Look whether files were replaced, and go on with those; for when a service is not reached.

        Files that do not fit together yet, or are gone, leave everything as it is.
        """
        with self._turn:
            before = self._current
            if self._closed or self._security is None or before is None or before.credentials is None:
                return
            credentials = self._security.renewed(before.credentials)
            if credentials is None:
                return
            before.is_replaced = True
            self._current = self._open(credentials)
            self._replaced = [one for one in (*self._replaced, before) if one.calls]
            is_over = not before.calls
        if is_over:
            before.close()

    def close(self) -> None:
        with self._turn:
            self._closed = True
            opened = [*self._replaced, *([self._current] if self._current else [])]
        for one in opened:
            one.close()

    def _open(self, credentials: Credentials | None) -> "_Opened":
        return _Opened(self._targets, self._options, credentials, self._turn)


class _Opened:
    """Channels that show and trust the same certificates."""

    def __init__(
        self, targets: Sequence[str], options: Options, credentials: Credentials | None, turn: RLock
    ) -> None:
        self.credentials = credentials
        self.calls = 0  # under way
        self.is_replaced = False
        self._targets = targets
        self._options = options
        self._channels: dict[int, Any] = {}
        self._callables: dict[tuple[int, str], Any] = {}
        self._closed = False
        self._turn = turn

    def __enter__(self) -> "_Opened":
        return self

    def __exit__(self, *_: object) -> None:
        with self._turn:
            self.calls -= 1
            is_over = self.is_replaced and not self.calls
        if is_over:
            self.close()

    def callable(self, kind: str, method: str, response: type[Message], target: int) -> Any:
        """Return what calls a method at a target, by its place among them."""
        with self._turn:
            if self._closed:
                raise RuntimeError("The client is closed.")
            if target not in self._channels:
                self._channels[target] = concurrency.open_channel(
                    self._targets[target], self._options, self.credentials and self.credentials.of_grpc
                )
            if (target, method) not in self._callables:
                self._callables[target, method] = getattr(self._channels[target], kind)(
                    f"/{method}",
                    request_serializer=lambda request: request.SerializeToString(),
                    response_deserializer=response.FromString,
                )
            return self._callables[target, method]

    def close(self) -> None:
        self._closed = True
        self._callables.clear()
        while self._channels:
            self._channels.popitem()[1].close()
