"""What other callers notice while somebody attacks a service's HTTP/2, and what is left of it afterwards."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import grpc
import psutil
from benchmarks.faults.attacks import KINDS
from benchmarks.faults.sites import Site, site

from gnomon.v1 import registry_service_pb2, registry_service_pb2_grpc

_CALL_S = 10.0
_PAUSE_S = 0.01
_MOST_MB = 500.0  # what it grows to and not beyond, see RESULTS.md


@dataclass(frozen=True, slots=True)
class Plan:
    """Every attack lasts `seconds`, once from each number of `connections`.

    Before each, callers are timed for as long with nobody attacking.
    """

    seconds: float = 6.0
    connections: tuple[int, ...] = (1, 4)
    kinds: tuple[str, ...] = KINDS


def measure(
    home: Path, plan: Plan, services: tuple[str, ...] = ("registry", "trainer", "scorer")
) -> dict[str, Any]:
    """Return latencies and memory by service, attack and number of connections.

    `problems` names who died or grew without bound.
    """
    problems: list[str] = []
    figures: dict[str, dict[str, dict[str, Any]]] = {}
    started = tuple(dict.fromkeys(("registry", *services)))
    environment = {"trainer": {"GNOMON_TRAINER_WORKERS": "0"}} if "trainer" in services else {}
    with site(home, started, environment=environment) as made:
        for name in services:
            figures[name] = {}
            for kind, connections in product(plan.kinds, plan.connections):
                found = _attacked(made, name, kind, connections, plan.seconds)
                figures[name].setdefault(kind, {})[str(connections)] = found
                what = f"{kind} from {connections} connections"
                print(name, what, found, flush=True)
                if not made.services[name].is_running:
                    problems.append(f"the {name} died of {what}")
                    return {"problems": problems, "figures": figures}
                if found["failed"]:
                    problems.append(f"{found['failed']} calls to the {name} failed amid {what}")
                if found["grown_mb"] > _MOST_MB:
                    problems.append(f"the {name} grew by {found['grown_mb']:.0f} MB amid {what}")
    return {"problems": problems, "figures": figures}


def _attacked(made: Site, name: str, kind: str, connections: int, seconds: float) -> dict[str, Any]:
    address, process = made.addresses[name], made.services[name].process
    assert process is not None
    watched = psutil.Process(process.pid)
    before = _timed(address, name, seconds)
    memory = watched.memory_info().rss
    attack = (kind, address, str(seconds + 0.5), str(connections))
    command = [sys.executable, "-m", "benchmarks.faults.attacks", *attack]
    with subprocess.Popen(command) as attacker:
        time.sleep(0.5)
        during = _timed(address, name, seconds)
        attacked = watched.memory_info().rss if watched.is_running() else 0
        attacker.wait()
    after = _timed(address, name, 0.5)
    return {
        "before_p50_ms": _share(before.times, 0.5),
        "before_p99_ms": _share(before.times, 0.99),
        "during_p50_ms": _share(during.times, 0.5),
        "during_p99_ms": _share(during.times, 0.99),
        "failed": before.failed + during.failed + after.failed,
        "grown_mb": max(0, attacked - memory) / 2**20,
    }


@dataclass
class _Timed:
    times: list[float]
    failed: int = 0


def _timed(address: str, name: str, seconds: float) -> _Timed:
    """Call from two threads for some seconds; return how long each call took."""
    found = _Timed([])
    end = time.monotonic() + seconds
    with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        call = _call(channel, name)

        def keep_calling() -> None:
            while time.monotonic() < end:
                began = time.perf_counter()
                try:
                    call()
                except grpc.RpcError:
                    found.failed += 1
                found.times.append(time.perf_counter() - began)
                time.sleep(_PAUSE_S)

        threads = [threading.Thread(target=keep_calling) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return found


def _call(channel: grpc.Channel, name: str) -> Callable[[], Any]:
    if name == "registry":
        stub: Any = registry_service_pb2_grpc.RegistryServiceStub(channel)
        return lambda: stub.ListProjects(registry_service_pb2.ListProjectsRequest(), timeout=_CALL_S)
    check = channel.unary_unary("/grpc.health.v1.Health/Check")
    return lambda: check(b"", timeout=_CALL_S)


def _share(times: list[float], share: float) -> float:
    return 1e3 * sorted(times)[min(len(times) - 1, int(share * len(times)))]
