"""Many short runs by several workers, some of them stopped amid a run past its lease, while clocks jump."""

import random
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.faults import store
from benchmarks.faults.sites import Site, inside, site, until

import gnomon
from gnomon.v1 import resources_pb2 as pb

METRIC = "toxicity"
_WORKER = "benchmarks.faults.short_worker"
_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Plan:
    """`stops` times a worker that trains is stopped for two leases; a clock jumps `jumps` times."""

    workers: int = 8
    runs: int = 2_000
    stops: int = 6
    jumps: int = 20
    lease_s: float = 8.0
    seed: int = 1


def measure(home: Path, plan: Plan, databases: dict[str, str] | None = None) -> dict[str, Any]:
    """Return what came of the runs; `problems` is empty where every promise was kept."""
    random_ = random.Random(plan.seed)
    log, clocks = home / "leases.log", [home / f"clock-{n}" for n in range(plan.workers + 1)]
    log.touch()
    short = {
        "GNOMON_TRAINER_LEASE_S": str(plan.lease_s),
        "SHORT_TRAINING_LOG": str(log),
        "SHORT_TRAINING_S": "0.2",  # a step; so that who is stopped is amid one of two
    }
    trainer = {"GNOMON_TRAINER_WORKERS": "0", **short, **inside(clock=str(clocks[0]))}
    with site(home, databases=databases, environment={"trainer": trainer}) as made, made.client() as client:
        _prepare(client, home)
        began = time.monotonic()
        for clock in clocks[1:]:
            made.start_worker(_WORKER, **inside(clock=str(clock)))
        _disturb_while_creating(made, client, plan, random_, clocks, log)
        until(lambda: _ended(client) >= plan.runs, timeout_s=60 + plan.runs, every_s=0.5)
        seconds = time.monotonic() - began
        time.sleep(1.0)  # a worker that woke has had its turn
        found = _found(client, made, plan, log)
    return found | {"seconds": seconds, "runs_a_minute": 60 * plan.runs / seconds}


def _prepare(client: gnomon.Client, home: Path) -> None:
    client.projects.create("many")
    client.metrics.create(METRIC, output_type="boolean", input_shape="input_output")
    for name, start, count in (("train", 0, 300), ("test", 100_000, 160)):
        rows = home / f"{name}.csv"
        lines = [
            f"question {n},answer {n},{'true' if n % 2 else 'false'}\n" for n in range(start, start + count)
        ]
        rows.write_text("input,output,label\n" + "".join(lines))
        client.datasets.upload(name, rows, metric=METRIC)


def _disturb_while_creating(
    made: Site, client: gnomon.Client, plan: Plan, random_: random.Random, clocks: list[Path], log: Path
) -> None:
    stops = sorted(random_.sample(range(plan.runs), plan.stops))
    jumps = sorted(random_.choices(range(plan.runs), k=plan.jumps))
    asleep: list[tuple[float, subprocess.Popen[bytes]]] = []
    for number in range(plan.runs):
        begun = len(_begun(log))
        client.runs.create(
            "many", metric=METRIC, training_set="train", test_set="test", run_id=f"run-{number}"
        )
        while stops and stops[0] <= number:
            stops.pop(0)
            victim = _who_begins(log, begun, made.workers)
            victim.send_signal(signal.SIGSTOP)
            asleep.append((time.monotonic() + 2 * plan.lease_s, victim))
        while jumps and jumps[0] <= number:
            jumps.pop(0)
            random_.choice(clocks).write_text(str(random_.choice((-_HOUR_S, 0.0, _HOUR_S))))
        asleep = _woken(asleep)
    while asleep:
        time.sleep(0.1)
        asleep = _woken(asleep)


def _who_begins(log: Path, begun: int, workers: list[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Return the worker that begins a run after so many were begun."""
    until(lambda: len(_begun(log)) > begun, timeout_s=60, every_s=0.01)
    pid = int(_begun(log)[-1].split()[0])
    return next(worker for worker in workers if worker.pid == pid)


def _begun(log: Path) -> list[str]:
    return log.read_text().splitlines()


def _woken(asleep: list[tuple[float, Any]]) -> list[tuple[float, Any]]:
    for until_s, victim in asleep:
        if until_s <= time.monotonic():
            victim.send_signal(signal.SIGCONT)
    return [entry for entry in asleep if entry[0] > time.monotonic()]


def _ended(client: gnomon.Client) -> int:
    return sum(run.state in _ENDS for run in client.runs.list("many"))


_ENDS = {pb.Run.REGISTERED, pb.Run.FAILED, pb.Run.CANCELLED}


def _found(client: gnomon.Client, made: Site, plan: Plan, log: Path) -> dict[str, Any]:
    runs = list(client.runs.list("many"))
    versions = [run.metric_version for run in runs]
    leases = Counter(tuple(line.split()[1:]) for line in _begun(log))
    again = sum(run.attempts - 1 for run in runs)
    problems = store.problems_of(client, made.artifacts, (METRIC,))
    problems += [f"{run.name} is {run.state}" for run in runs if run.state != pb.Run.REGISTERED]
    problems += [
        f"{run} was trained {times} times under fence {f}" for (run, f), times in leases.items() if times > 1
    ]
    if len(set(versions)) != plan.runs or len(list(client.versions.list(METRIC))) != plan.runs:
        problems.append(f"{plan.runs} runs, {len(set(versions))} versions of theirs")
    if again == 0 and plan.stops:
        problems.append("no lease expired, though workers were stopped amid a run")
    if again > plan.stops:
        problems.append(f"{again} leases expired, of {plan.stops} workers that were stopped")
    return {
        "problems": problems,
        "runs": len(runs),
        "versions": len(set(versions)),
        "leases": sum(leases.values()),
        "leases_expired": again,
        "workers_stopped": plan.stops,
        "clock_jumps": plan.jumps,
    }
