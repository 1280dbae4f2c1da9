"""What the trainer does, in Prometheus metrics. Every one of them is explained in docs/telemetry.md.

Labels are bounded: no name of a run, dataset, provider or caller is one. What
happens in this process is counted as it happens; what stands in rows, which
workers and other trainers write as well, is in `work_numbers`.
"""

import shutil
from pathlib import Path
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gnomon_trainer.domain.observing import Asked

# In seconds. An answer takes what a model takes; a turn, up to what a provider wants to be left alone.
_CALLS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0)
_WAITS = (0.001, 0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0)
_KINDS = ("runs", "paid_work")


class Heavy(Protocol):
    """What takes turns."""

    waiting: int
    running: int


class PrometheusObserver:
    """An `Observer`. `refresh` brings what is measured on demand up to date."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._make_of_providers(registry)
        self._make_of_workers(registry)
        self._free = Gauge(
            "gnomon_trainer_free_bytes",
            "What is free on the disk of a folder.",
            ["folder"],
            registry=registry,
        )

    def _make_of_providers(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            "gnomon_trainer_provider_calls", "Calls of providers, by how they ended.", ["outcome"],
            registry=registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "gnomon_trainer_provider_call_seconds", "How long they took.", buckets=_CALLS, registry=registry
        )
        self._waits = Histogram(
            "gnomon_trainer_provider_wait_seconds", "What a call waited for its turn.", buckets=_WAITS,
            registry=registry,
        )  # fmt: skip
        self._tokens = Counter(
            "gnomon_trainer_provider_tokens", "Tokens that providers billed.", ["direction"],
            registry=registry,
        )  # fmt: skip
        for outcome in Asked:
            self._calls.labels(outcome.value)  # there from the start, so that a rate sees the first one
        self._input, self._output = self._tokens.labels("input"), self._tokens.labels("output")

    def _make_of_workers(self, registry: CollectorRegistry) -> None:
        self._ended = Counter(
            "gnomon_trainer_workers_ended", "Worker processes that ended: `asked` to, or they `died`.",
            ["reason"], registry=registry,
        )  # fmt: skip
        self._expired = Counter(
            "gnomon_trainer_leases_expired", "Work taken from a process that is gone.", ["kind"],
            registry=registry,
        )  # fmt: skip
        self._workers = Gauge("gnomon_trainer_workers", "Worker processes that run here.", registry=registry)
        self._heavy = Gauge(
            "gnomon_trainer_heavy_work", "Checks of large sets and the like, by state.", ["state"],
            registry=registry,
        )  # fmt: skip
        self._received = Counter(
            "gnomon_trainer_upload_received_bytes", "Bytes of files that came in.", registry=registry
        )
        for reason in ("asked", "died"):
            self._ended.labels(reason)
        for kind in _KINDS:
            self._expired.labels(kind)

    def asked(self, outcome: Asked, seconds: float) -> None:
        self._calls.labels(outcome.value).inc()
        self._seconds.observe(seconds)

    def billed(self, input_tokens: int, output_tokens: int) -> None:
        self._input.inc(input_tokens)
        self._output.inc(output_tokens)

    def waited(self, seconds: float) -> None:
        self._waits.observe(seconds)

    def received(self, size_bytes: int) -> None:
        self._received.inc(size_bytes)

    def worker_ended(self, stopped: bool) -> None:
        self._ended.labels("asked" if stopped else "died").inc()

    def lease_expired(self, kind: str, count: int) -> None:
        self._expired.labels(kind).inc(count)

    def refresh(self, workers: int, heavy: Heavy, data_dir: Path) -> None:
        """Take in what runs and waits in this process, and what is free."""
        self._workers.set(workers)
        self._heavy.labels("waiting").set(heavy.waiting)
        self._heavy.labels("running").set(heavy.running)
        there = next(folder for folder in (data_dir, *data_dir.absolute().parents) if folder.is_dir())
        self._free.labels("data").set(shutil.disk_usage(there).free)
