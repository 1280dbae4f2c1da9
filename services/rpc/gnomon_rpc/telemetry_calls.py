"""Counts and times the calls of a server for Prometheus."""

import time
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gnomon.quotas import NAMES

# In seconds. From what a cached answer takes to what only bulk work takes.
DURATIONS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 10.0)


class CallNumbers:
    """A `Watch`. Only methods that the server has are counted, so labels are bounded."""

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._ended = Counter(
            "gnomon_rpc_calls", "Calls that ended, by status code.", ["method", "code"], registry=registry
        )
        self._durations = Histogram(
            "gnomon_rpc_call_duration_seconds",
            "How long calls took in the server; a stream from its first message to its last.",
            ["method"],
            buckets=DURATIONS,
            registry=registry,
        )
        self._in_flight = Gauge(
            "gnomon_rpc_calls_in_flight", "Calls that have not ended.", ["method"], registry=registry
        )
        self._by_method: dict[str, tuple[Gauge, Histogram]] = {}
        self._by_code: dict[tuple[str, str], Counter] = {}

    def begin(self, method: str, context: Any) -> Callable[[str], None]:  # noqa: ARG002  a `Watch`
        started = self._clock()
        if method not in self._by_method:
            self._by_method[method] = self._in_flight.labels(method), self._durations.labels(method)
        in_flight, durations = self._by_method[method]
        in_flight.inc()

        def end(code: str) -> None:
            in_flight.dec()
            durations.observe(self._clock() - started)
            if (method, code) not in self._by_code:
                self._by_code[method, code] = self._ended.labels(method, code)
            self._by_code[method, code].inc()

        return end


def quota_numbers(registry: CollectorRegistry) -> Callable[[str], None]:
    """Return what counts a refusal by the quota that it was beyond; never by the key."""
    refused = Counter(
        "gnomon_rpc_quota_refusals",
        "Calls that an API key made beyond a quota.",
        ["quota"],
        registry=registry,
    )
    by_name = {name: refused.labels(name) for name in NAMES}

    def count(quota: str) -> None:
        if quota in by_name:
            by_name[quota].inc()

    return count
