"""Two scorers on one port, restarted one after the other under the load of users of the SDK."""

import time
from pathlib import Path
from typing import Any

from benchmarks.scorer.bench import Bench, Outcome
from benchmarks.scorer.site import free_port

from gnomon.local import ServiceProcess

_LOAD_AT_MOST_S = 300.0


def run(bench: Bench) -> Outcome:
    port = free_port()
    processes = [
        ServiceProcess(
            "scorer",
            bench.work / f"rolling-{name}",
            bench.site.settings({"GNOMON_SCORER_REUSE_PORT": "true"}),
            f"127.0.0.1:{port}",
        )
        for name in "ab"
    ]
    try:
        for process in processes:
            process.start(120)
            process.wait_until_ready(120)
            bench.site.wait_until_scored(bench.version, process.address)
        return Outcome({}, _under_load(bench, processes, f"127.0.0.1:{port}"))
    finally:
        _done(bench).touch()  # no load goes on without its servers
        for process in processes:
            process.stop()


def _done(bench: Bench) -> Path:
    """Return the file that ends the load."""
    return bench.work / "rolling-done"


def _under_load(bench: Bench, processes: list[ServiceProcess], address: str) -> dict[str, Any]:
    load = bench.caller("rolling")
    done = _done(bench)
    done.unlink(missing_ok=True)
    fields = {"address": address, "version": bench.version, "clients": 8}
    load.begin("users", **fields, seconds=_LOAD_AT_MOST_S, until_file=str(done))
    began = time.monotonic()
    time.sleep(2)
    stops_s = []
    for process in processes * (1 if bench.quick else 2):
        at = time.monotonic()
        process.stop()
        stops_s.append(time.monotonic() - at)
        process.start(120)
        process.wait_until_ready(120)
        time.sleep(1)
    took = time.monotonic() - began
    done.touch()
    answer: dict[str, Any] = load.end()
    if took > _LOAD_AT_MOST_S:
        raise RuntimeError(f"the restarts took {took:.0f} s, the load ended before")
    return answer | {"restarts": len(stops_s), "longest_stop_s": max(stops_s), "restarting_took_s": took}
