"""What a server tells of itself, if it is asked to: numbers to Prometheus, spans to OpenTelemetry.

Never the text of a user, and never the name of a caller. What is off costs
nothing: its libraries are not even imported.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from gnomon_rpc.settings import ServerSettings

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from gnomon_rpc.telemetry_page import MetricsPage
    from gnomon_rpc.telemetry_spans import Spans

End = Callable[[str], None]  # is told the name of the status code, such as `OK`


class Watch(Protocol):
    """Is told of every call of a server, from the event loop."""

    def begin(self, method: str, context: Any) -> End:
        """A call begins, in the task that handles it; return what to call once it ended."""


class Telemetry:
    """The telemetry of one server, which starts and stops it.

    `registry` is None unless the settings give an address to serve metrics at;
    `spans` is None unless the environment names an OpenTelemetry endpoint.

    Raises:
        SettingError: the environment asks for what is not installed, or cannot be done.
    """

    def __init__(self, service: str, settings: ServerSettings, spans: "Spans | None" = None) -> None:
        self.registry: CollectorRegistry | None = None
        self.page: MetricsPage | None = None
        self.spans = spans or _spans_asked_for(service)
        self.watches: list[Watch] = []
        self.over_quota: Callable[[str], None] = lambda _: None  # is told the quota, such as storage_bytes
        if settings.metrics_listen:
            self._collect(settings.metrics_listen)
        if self.spans is not None:
            self.watches.append(self.spans)

    def _collect(self, listen: str) -> None:
        from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics

        from gnomon_rpc.telemetry_calls import CallNumbers, quota_numbers
        from gnomon_rpc.telemetry_page import MetricsPage

        disable_created_metrics()  # type: ignore[no-untyped-call]  # a line a series that nobody asks for
        self.registry = CollectorRegistry()  # its own: several servers may share a process
        ProcessCollector(registry=self.registry)
        self.page = MetricsPage(listen, self.registry)
        self.watches.append(CallNumbers(self.registry))
        self.over_quota = quota_numbers(self.registry)

    async def start(self) -> None:
        """Serve the metrics.

        Raises:
            SettingError: their address is taken or wrong.
        """
        if self.page is not None:
            await self.page.start()

    async def stop(self) -> None:
        """Stop serving metrics; send the spans that wait. Does no harm if nothing was started."""
        if self.page is not None:
            await self.page.stop()
        if self.spans is not None:
            await asyncio.to_thread(self.spans.close)


def _spans_asked_for(service: str) -> "Spans | None":
    from gnomon_rpc import telemetry_environment

    return telemetry_environment.spans(service)
