"""Ctrl-C and SIGTERM while the services are our children: the first stops them, the second kills them."""

import signal
import threading
from collections.abc import Mapping
from types import FrameType, TracebackType
from typing import Any

from gnomon.local import ServiceProcess

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """While entered, the first signal sets `requested`, and any further one kills the services.

    With `raising`, the first one also raises KeyboardInterrupt, for code that
    does not look at `requested`. To be entered in the main thread.
    """

    def __init__(self, services: Mapping[str, ServiceProcess], *, raising: bool = False) -> None:
        self.requested = threading.Event()
        self._services = services
        self._raising = raising
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interrupts":
        self._before = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self.requested.is_set():
            for service in self._services.values():
                service.kill_group()
            return
        self.requested.set()
        if self._raising:
            raise KeyboardInterrupt
