"""What all steps share: the texts, the evaluator, the processes, and how long things take."""

import os
import statistics
import subprocess
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from benchmarks.scorer import evaluators
from benchmarks.scorer.children import Child
from benchmarks.scorer.peering import PEERS, Peer, install, running
from benchmarks.scorer.site import Site
from benchmarks.scorer.watching import Cpu

from gnomon.bundle import Evaluator
from loadtests.open_loop import quantile

METRIC = "bench"


@dataclass
class Outcome:
    """What a step found: figures by the names of the results file, and all that explains them."""

    figures: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)


@dataclass
class Bench:
    """One sitting. `source` is the bundle as it was trained, `folder` the copy that is served."""

    work: Path
    quick: bool
    soak_minutes: float
    texts: list[str]
    texts_file: Path
    source: Path
    folder: Path
    site: Site
    version: str
    format: str
    threads: int
    stack: ExitStack
    texts_from: str = ""
    peer_failures: dict[str, str] = field(default_factory=dict)
    _callers: dict[str, Child] = field(default_factory=dict)
    _raws: dict[tuple[str, int], Child] = field(default_factory=dict)
    _raw_threads: dict[str, int] = field(default_factory=dict)
    _peers: dict[str, Peer] = field(default_factory=dict)
    _lengths: list[int] = field(default_factory=list)

    @property
    def cores(self) -> int:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    @property
    def evaluator(self) -> Evaluator:
        return evaluators.read(self.folder)

    @property
    def formats(self) -> list[str]:
        return [entry.format for entry in self.evaluator.formats]

    def long_or_quick(self, long: float, quick: float) -> float:
        return quick if self.quick else long

    def caller(self, name: str = "first") -> Child:
        """Return a process that calls; a second one can be told to go on beside the first."""
        if name not in self._callers:
            self._callers[name] = self._kept(Child("caller", str(self.texts_file)))
        return self._callers[name]

    def raw(self, format_name: str, threads: int = 0) -> Child:
        """Return a process with one format and no server, each call with so many threads.

        Without `threads`: the way that `use` chose, else a thread a call.
        """
        threads = threads or self._raw_threads.get(format_name, 1)
        if (format_name, threads) not in self._raws:
            lanes = max(1, self.cores // threads)
            arguments = (str(self.folder), format_name, str(self.texts_file), str(lanes), str(threads))
            self._raws[format_name, threads] = self._kept(Child("raw", *arguments))
        return self._raws[format_name, threads]

    def use(self, format_name: str, threads: int) -> None:
        """Let `raw` be of this way from now on."""
        self._raw_threads[format_name] = threads

    def _kept(self, child: Child) -> Child:
        self.stack.callback(child.close)
        return child

    def lengths(self) -> list[int]:
        """Return the tokens of each text."""
        if not self._lengths:
            self._lengths = self.raw(self.format).ask("lengths")
        return self._lengths

    def peers(self) -> dict[str, Peer]:
        """Return the running peers, held still; why another is not among them is in `peer_failures`."""
        if self._peers or self.peer_failures:
            return self._peers
        try:
            model = self._exported()
        except Exception as error:  # whatever the weights lack: it is the peers that cannot be measured
            self.peer_failures |= dict.fromkeys(PEERS, f"no weights: {type(error).__name__}: {error}")
            return self._peers
        for name in PEERS:
            try:
                venv = install(name, self.work)
                log = self.work / f"{name}.log"
                peer = self.stack.enter_context(running(name, venv, model, log))
                peer.pause()
                self._peers[name] = peer
            except (RuntimeError, OSError, subprocess.CalledProcessError, psutil.Error) as error:
                self.peer_failures[name] = f"{type(error).__name__}: {error}"
        return self._peers

    def lose(self, peer: str, why: str) -> None:
        """Measure a peer no more."""
        self.peer_failures[peer] = why
        self._peers.pop(peer, None)

    def recover(self) -> None:
        """Leave nothing of a failed step to later ones: no load, no settings, no dead process."""
        for caller in self._callers.values():
            caller.close()
        self._callers.clear()
        self._raws = {key: raw for key, raw in self._raws.items() if raw.process.poll() is None}
        self.site.restart()
        self.site.wait_until_scored(self.version)

    def _exported(self) -> Path:
        from benchmarks.scorer.exported import export

        config = evaluators.base_model_config()
        return export(self.folder, self.evaluator, config, self.work / "exported")

    def target(self, *, lane: str = "", version: str = "", channels: int = 1) -> dict[str, Any]:
        return {
            "grpc": self.site.scorer.address,
            "version": version or self.version,
            "lane": lane,
            "channels": channels,
        }

    def capacity(self) -> float:
        """Return the single texts a second that 64 callers get now; machines drift."""
        answer = self.caller().ask("closed", target=self.target(), callers=64, limit_s=20)
        return float(answer["rate"])

    def cpu(self) -> Cpu:
        return Cpu(self.site.pid, self.cores).start()


def median(values: Iterable[float]) -> float:
    return float(statistics.median(list(values)))


def percentiles(latencies_ms: Iterable[float]) -> dict[str, float | None]:
    known = list(latencies_ms)
    return {
        "p50_ms": quantile(known, 0.5),
        "p99_ms": quantile(known, 0.99),
        "max_ms": max(known, default=None),
    }


def latencies(samples: Iterable[list[Any]], code: str = "OK") -> list[float]:
    """Return the ms from the intended time to the answer, of the samples that ended so."""
    return [(done - intended) * 1e3 for intended, _, done, ended in samples if ended == code]
