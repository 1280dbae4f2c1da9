"""What the scorer does, in Prometheus metrics. Every one of them is explained in docs/telemetry.md.

Labels are bounded: lanes and reasons are few, versions that left memory take
their series along, and callers are no labels.
"""

import itertools
from collections.abc import Mapping
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gnomon.names import MetricVersionName
from gnomon_scorer.domain.lanes import Lane
from gnomon_scorer.domain.versions import Slot

# In seconds: a batch takes one to some hundred milliseconds; waiting, anything up to bulk's patience.
_RUNS = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0)
_WAITS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0)
_TOKENIZATION = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5)
_INSTANCES = (1, 2, 4, 8, 16, 32, 64)
_TOKENS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)

_DROPS = ("expired", "cancelled", "poisonous", "broken")
_REFUSALS = ("queue_full", "too_late", "unfair_share")
_LANES = {lane: lane.name.lower() for lane in Lane}


class Queue(Protocol):
    """The scheduler, as far as it is measured when somebody looks."""

    def queued_tokens_by_lane(self) -> Mapping[Lane, int]: ...

    @property
    def predicted_drain_s(self) -> float: ...


class VersionNumbers:
    """The series of one version. Kept at hand: looking a label up costs as much as counting."""

    def __init__(self, of: "PrometheusObserver", name: MetricVersionName) -> None:
        version = str(name)
        self.inference = of.inference.labels(version)
        self.batch_instances = of.batch_instances.labels(version)
        self.batch_tokens = of.batch_tokens.labels(version)
        self.padded_tokens = of.padded_tokens.labels(version)
        self.waits = {lane: of.waits.labels(version, word) for lane, word in _LANES.items()}
        self.instances = {lane: of.instances.labels(version, word) for lane, word in _LANES.items()}
        for reason in _DROPS:
            of.drops.labels(version, reason)  # there from the start, so that a rate sees the first one


class PrometheusObserver:
    """An `Observer`. `refresh` brings what is measured on demand up to date."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._versions: dict[MetricVersionName, VersionNumbers] = {}
        self._make_histograms(registry)
        self._make_counters(registry)
        self._make_gauges(registry)

    def _make_histograms(self, registry: CollectorRegistry) -> None:
        def histogram(name: str, text: str, labels: list[str], buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"gnomon_scorer_{name}", text, labels, buckets=buckets, registry=registry)

        version = ["metric_version"]
        self.tokenization = histogram(
            "tokenization_seconds", "Rendering and tokenizing the instances of a request.", [], _TOKENIZATION
        )
        self.waits = histogram(
            "queue_seconds", "What an instance waited for its batch.", [*version, "lane"], _WAITS
        )
        self.inference = histogram("inference_seconds", "What a batch took to run.", version, _RUNS)
        self.batch_instances = histogram("batch_instances", "Instances of a batch.", version, _INSTANCES)
        self.batch_tokens = histogram(
            "batch_tokens", "Tokens of a batch, padding left out.", version, _TOKENS
        )

    def _make_counters(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, labels: list[str]) -> Counter:
            return Counter(f"gnomon_scorer_{name}", text, labels, registry=registry)

        version = ["metric_version"]
        self.padded_tokens = counter("batch_padded_tokens", "Tokens of batches, padding included.", version)
        self.instances = counter("instances", "Instances whose batch began.", [*version, "lane"])
        self.drops = counter("dropped", "Instances that were not scored.", [*version, "reason"])
        self.refusals = counter("refused", "Requests turned away on arrival.", ["reason", "lane"])
        self.lookups = counter("cache_lookups", "Instances looked up in the cache.", ["result"])
        for reason, lane in itertools.product(_REFUSALS, _LANES.values()):
            self.refusals.labels(reason, lane)
        self._hits, self._misses = self.lookups.labels("hit"), self.lookups.labels("miss")

    def _make_gauges(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, labels: list[str]) -> Gauge:
            return Gauge(f"gnomon_scorer_{name}", text, labels, registry=registry)

        self._queued = gauge("queued_tokens", "Tokens that wait for a batch.", ["lane"])
        self._drain = gauge("predicted_drain_seconds", "How long the scorer would take for what waits.", [])
        self._states = gauge(
            "version_state", "1 for what a version is.", ["metric_version", "state", "format"]
        )
        self._memory = gauge("version_memory_bytes", "About what a version takes.", ["metric_version"])

    def tokenized(self, instances: int, seconds: float) -> None:  # noqa: ARG002  an `Observer`
        self.tokenization.observe(seconds)

    def ran(
        self, version: MetricVersionName, instances: int, tokens: int, padded_tokens: int, seconds: float
    ) -> None:
        numbers = self._numbers(version)
        numbers.inference.observe(seconds)
        numbers.batch_instances.observe(instances)
        numbers.batch_tokens.observe(tokens)
        numbers.padded_tokens.inc(padded_tokens)

    def waited(self, version: MetricVersionName, lane: Lane, seconds: float) -> None:
        numbers = self._numbers(version)
        numbers.waits[lane].observe(seconds)
        numbers.instances[lane].inc()

    def dropped(self, version: MetricVersionName, reason: str) -> None:
        self._numbers(version)
        self.drops.labels(str(version), reason).inc()

    def refused(self, reason: str, lane: Lane) -> None:
        self.refusals.labels(reason, _LANES[lane]).inc()

    def looked_up(self, is_hit: bool) -> None:
        (self._hits if is_hit else self._misses).inc()

    def _numbers(self, version: MetricVersionName) -> VersionNumbers:
        numbers = self._versions.get(version)
        if numbers is None:
            numbers = self._versions[version] = VersionNumbers(self, version)
        return numbers

    def refresh(
        self,
        queue: Queue,
        slots: Mapping[MetricVersionName, Slot],
        memory_bytes: Mapping[MetricVersionName, int],
    ) -> None:
        """Take in what waits and what is in memory; forget the series of versions that left it."""
        queued = queue.queued_tokens_by_lane()
        for lane, word in _LANES.items():
            self._queued.labels(word).set(queued.get(lane, 0))
        self._drain.set(queue.predicted_drain_s)
        for gone in self._versions.keys() - slots.keys():
            self._forget(gone)
        self._states.clear()
        self._memory.clear()
        for name, slot in slots.items():
            format_ = slot.loaded.format if slot.loaded else ""
            self._states.labels(str(name), slot.state.value, format_).set(1)
        for name, taken in memory_bytes.items():
            self._memory.labels(str(name)).set(taken)

    def _forget(self, name: MetricVersionName) -> None:
        del self._versions[name]
        families: tuple[Any, ...] = (
            self.inference, self.batch_instances, self.batch_tokens,
            self.padded_tokens, self.waits, self.instances, self.drops,
        )  # fmt: skip
        for family in families:
            family.remove_by_labels({"metric_version": str(name)})
