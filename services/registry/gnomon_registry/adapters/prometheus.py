"""What the registry does, in Prometheus metrics. Every one of them is explained in docs/telemetry.md.

Labels are bounded: no name of a metric, project or caller is one.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gnomon_registry.domain.ports import CatalogSizes

# In seconds: a write takes some milliseconds, and waits for others up to the busy timeout.
_WRITES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_OUTCOMES = ("done", "busy", "full", "refused")
_RECEIVERS = ("taken", "refused", "unanswered")
_ANSWERS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class PrometheusObserver:
    """An `Observer`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, labels: list[str]) -> Counter:
            return Counter(f"gnomon_registry_{name}", text, labels, registry=registry)

        self._writes = counter("writes", "Transactions that may write, by how they ended.", ["outcome"])
        self._seconds = Histogram(
            "gnomon_registry_write_seconds",
            "How long they took, waiting for their turn included.",
            buckets=_WRITES,
            registry=registry,
        )
        self._received = counter("blob_received_bytes", "Bytes of blobs that came in.", [])
        self._sent = counter("blob_sent_bytes", "Bytes of blobs that went out.", [])
        self._stored = counter("blobs_stored", "Blobs that came in whole.", [])
        self._told = counter("webhook_requests", "Requests to receivers, by how they ended.", ["outcome"])
        self._answered = Histogram(
            "gnomon_registry_webhook_request_seconds",
            "How long receivers took.",
            buckets=_ANSWERS,
            registry=registry,
        )
        for outcome in _OUTCOMES:
            self._writes.labels(outcome)  # there from the start, so that a rate sees the first one
        for outcome in _RECEIVERS:
            self._told.labels(outcome)

    def wrote(self, outcome: str, seconds: float) -> None:
        self._writes.labels(outcome).inc()
        self._seconds.observe(seconds)

    def received(self, size_bytes: int) -> None:
        self._received.inc(size_bytes)

    def sent(self, size_bytes: int) -> None:
        self._sent.inc(size_bytes)

    def stored(self) -> None:
        self._stored.inc()

    def told(self, outcome: str, seconds: float) -> None:
        self._told.labels(outcome).inc()
        self._answered.observe(seconds)


class CatalogNumbers(Collector):
    """What stands in the catalog, counted by the thread that writes the page.

    A database that cannot be read costs the page no more than its own numbers.
    """

    def __init__(
        self,
        sizes: Callable[[], CatalogSizes],
        looked_at: Callable[[], float],
        folders: dict[str, Path],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`looked_at` tells when the log of changes was last read, on the clock; `folders` lie on disks."""
        self._sizes = sizes
        self._looked_at = looked_at
        self._folders = folders
        self._clock = clock

    def describe(self) -> list[Metric]:
        return []  # nothing is read before somebody looks

    def collect(self) -> Iterator[Metric]:
        try:
            sizes = self._sizes()
        except Exception:
            yield _gauge("database_up", "Whether the database could be read.", 0)
        else:
            yield _gauge("database_up", "Whether the database could be read.", 1)
            yield from _sizes(sizes)
        age = max(0.0, self._clock() - self._looked_at())
        yield _gauge("feed_age_seconds", "Since the log of changes was last read for the watchers.", age)
        free = GaugeMetricFamily(
            "gnomon_registry_free_bytes", "What is free on the disk of a folder.", labels=["folder"]
        )
        for name, folder in self._folders.items():
            if folder.is_dir():
                free.add_metric([name], shutil.disk_usage(folder).free)
        yield free


def _sizes(sizes: CatalogSizes) -> Iterator[Metric]:
    yield _gauge("projects", "Projects.", sizes.projects)
    yield _gauge("metrics", "Metrics.", sizes.metrics)
    yield _gauge("versions", "Versions that are not deleted.", sizes.versions)
    yield _gauge("aliases", "Aliases.", sizes.aliases)
    yield _gauge("webhooks_paused", "Webhooks that are paused.", sizes.paused_webhooks)
    yield _gauge(
        "webhook_deliveries_waiting", "Changes that receivers have not taken.", sizes.waiting_deliveries
    )
    yield _counter("versions_published", "Versions that were ever registered.", sizes.versions_published)
    yield _counter("changes", "Entries of the log that watchers follow.", sizes.last_change)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"gnomon_registry_{name}", text, value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"gnomon_registry_{name}", text, value)
