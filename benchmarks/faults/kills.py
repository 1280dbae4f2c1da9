"""kill -9 of registry, trainer and worker, at random moments and inside named functions, while a run trains.

Every round is one training on the same rows with the same seed: however it is disturbed, it must end with the
weights of the one that nobody disturbed. Callers use the registry meanwhile. The workers are real; they train
the embedded base model, or, where much is to be killed in little time, take short steps that learn nothing.
"""

import contextlib
import json
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from benchmarks.faults import history, steps, store
from benchmarks.faults.calling import RegistryCalls, under_calls
from benchmarks.faults.history import Recorder
from benchmarks.faults.sites import Site, inside, site, until

from gnomon import examples
from gnomon.errors import GnomonError
from gnomon.v1 import resources_pb2 as pb

METRIC = "commitment"
LOADED = "loaded"  # the metric that callers use meanwhile
_QUICK = {"epochs": 1, "max_tokens": 32, "seed": 7}
REAL, SHORT = "benchmarks.faults.real_worker", "benchmarks.faults.short_worker"
_VICTIMS = ("registry", "trainer", "worker")
_TIMEOUT_S = 600.0
_FILES = "gnomon_trainer.adapters.fine_tuning.files"
_FOLDERS = "gnomon_trainer.adapters.work_folders:LocalWorkFolders"
_BLOBS = "gnomon_registry.adapters.blobs"

# Who dies, in which function, at which call of it, before or after it.
CHECKPOINTS: tuple[tuple[str, str, int, str], ...] = (
    ("trainer", f"{_FILES}:NewFolder.__exit__", 1, "before"),
    ("trainer", f"{_FILES}:NewFolder.__exit__", 2, "after"),
    ("trainer", f"{_FILES}:remove_folder", 3, "after"),
)
POINTS: tuple[tuple[str, str, int, str], ...] = (
    ("trainer", "gnomon_trainer.domain.held_run:HeldRun.write", 3, "before"),
    ("trainer", "gnomon_trainer.domain.held_run:HeldRun.write", 3, "after"),
    ("trainer", f"{_FOLDERS}.take", 1, "after"),
    ("trainer", f"{_FOLDERS}.seal", 1, "after"),
    ("trainer", "gnomon_trainer.adapters.registry:RegistryRegistrar.register", 1, "before"),
    ("trainer", "gnomon_trainer.adapters.registry:RegistryRegistrar.register", 1, "after"),
    ("trainer", f"{_FOLDERS}.tidy", 1, "before"),
    ("registry", f"{_BLOBS}:_Part.move_into_place", 3, "before"),
    ("registry", f"{_BLOBS}:_Part.move_into_place", 3, "after"),
    ("registry", f"{_BLOBS}:FileBlobStore.put_manifest", 2, "before"),
    ("registry", f"{_BLOBS}:FileBlobStore.put_manifest", 2, "after"),
    ("registry", "gnomon_registry.domain.versions:Versions.create", 2, "after"),
)
MIGRATIONS: tuple[tuple[str, str, int, str], ...] = (
    ("registry", "alembic.command:upgrade", 1, "before"),
    ("registry", "alembic.command:upgrade", 1, "after"),
    ("trainer", "alembic.command:upgrade", 1, "before"),
    ("trainer", "alembic.command:upgrade", 1, "after"),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """`kills` of each victim at random moments, `a_round` of them in a round; then one round a point."""

    kills: int = 25
    a_round: int = 5
    points: tuple[tuple[str, str, int, str], ...] = POINTS
    rows: int = 260  # a run needs 256
    seed: int = 1
    worker: str = SHORT


def measure(home: Path, plan: Plan, databases: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what came of the rounds; `problems` is empty where every promise was kept."""
    recorder, random_ = Recorder(time.monotonic), random.Random(plan.seed)
    problems: list[str] = []
    trace = home / "steps.log"
    environment = {"trainer": _environment(trace, plan.worker), "registry": inside()}
    with site(home, databases=databases, environment=environment) as made:
        _prepare(made, home, plan.rows)
        undisturbed = _round(made, "undisturbed", trace, contextlib.nullcontext())
        rounds = [undisturbed]
        with under_calls(recorder, made.addresses["registry"], LOADED):
            for number, victims in enumerate(_rounds(plan, random_)):
                times = sorted(random_.uniform(0, undisturbed["seconds"]) for _ in victims)
                hurting = _killing(made, list(zip(times, victims, strict=True)))
                rounds.append(_round(made, f"random-{number}", trace, hurting))
                _report(rounds[-1])
            for number, point in enumerate(plan.points):
                rounds.append(_round(made, f"point-{number}", trace, _dying(made, point, number)))
                _report(rounds[-1])
        with contextlib.closing(RegistryCalls(made.addresses["registry"])) as calls:
            recorder.call("list_versions", lambda: calls.versions(LOADED), metric=LOADED)
        with made.client() as client:
            problems += store.problems_of(client, made.artifacts, (METRIC, LOADED))
            if len(list(client.versions.list(METRIC))) != len(rounds):
                problems.append("there are not as many versions as runs")
    problems += history.problems(recorder.calls)
    problems += [problem for each in rounds for problem in each["problems"]]
    weights = {each["weights"] for each in rounds}
    if len(weights) != 1:
        problems.append(f"{len(weights)} different weights")
    return {
        "problems": problems,
        "rounds": len(rounds),
        "kills": dict.fromkeys(_VICTIMS, plan.kills),
        "points": len(plan.points),
        "weights": len(weights),
        "undisturbed_s": undisturbed["seconds"],
        "steps": undisturbed["steps"],
        "most_steps_repeated": max(each["most_steps_repeated"] for each in rounds),
        "calls": len(recorder.calls),
        "calls_without_answer": sum(call.answer is None for call in recorder.calls),
    }


def _report(found: dict[str, Any]) -> None:
    print(json.dumps(found), flush=True)


def _environment(trace: Path, worker: str) -> dict[str, str]:
    at = "benchmarks.faults.short_training:Checkpoints.write"
    if worker == REAL:
        at = "gnomon_trainer.adapters.fine_tuning.checkpoints:Checkpoints.write"
    written = {"at": at, "when": "after"}
    taken = {"at": "gnomon_trainer.domain.held_run:HeldRun.progress", "when": "before"}
    traced = [{**each, "file": str(trace), "arguments": 1} for each in (written, taken)]
    short = {"SHORT_TRAINING_STEPS": "60", "SHORT_TRAINING_S": "0.1"}
    return {"GNOMON_TRAINER_LEASE_S": "6", **short, **inside(trace=traced, worker=worker)}


def _prepare(made: Site, home: Path, rows: int) -> None:
    with made.client() as client:
        client.projects.create("kills")
        for metric in (METRIC, LOADED):
            client.metrics.create(metric, output_type="boolean", input_shape="input_output")
        example = examples.load("commitment")
        lines = Path(str(example.training_set)).read_text().splitlines(keepends=True)
        (home / "train.jsonl").write_text("".join(lines[:rows]))
        client.datasets.upload("train", home / "train.jsonl", metric=METRIC)
        client.datasets.upload("test", Path(str(example.test_set)), metric=METRIC)


def _rounds(plan: Plan, random_: random.Random) -> Iterator[list[str]]:
    """Deal the victims out: no round has more than two of a kind, or a run is given up as deadly."""
    every = [victim for _ in range(plan.kills) for victim in random_.sample(_VICTIMS, len(_VICTIMS))]
    for start in range(0, len(every), plan.a_round):
        yield every[start : start + plan.a_round]


def _round(made: Site, run_id: str, trace: Path, hurting: Any) -> dict[str, Any]:
    """Train once while something hurts; return what came out."""
    trace.write_text("")
    began = time.monotonic()
    with made.client() as client:
        client.runs.create(
            "kills", metric=METRIC, training_set="train", test_set="test", run_id=run_id, **_QUICK
        )
    with hurting:
        run = _end_of(made, f"kills/{run_id}")
    seconds = time.monotonic() - began
    followed = steps.read(trace)
    problems = [f"{run_id}: {problem}" for problem in followed.problems]
    if run.state != pb.Run.REGISTERED:
        problems.append(f"{run_id} is {run.state}: {run.error.message}")
        return {"run": run_id, "problems": problems, "seconds": seconds, "weights": "", "steps": 0} | {
            "most_steps_repeated": followed.most_repeated,
            "attempts": run.attempts,
        }
    with made.client() as client:
        files = client.versions.get(run.metric_version).bundle.files
    return {
        "run": run_id,
        "problems": problems,
        "seconds": seconds,
        "attempts": run.attempts,
        "weights": next(file.sha256 for file in files if file.path == "model.onnx"),
        "steps": followed.last,
        "most_steps_repeated": followed.most_repeated,
    }


def _end_of(made: Site, run: str) -> pb.Run:
    """Wait for the end of a run, through a trainer that may be away."""
    found = pb.Run()

    def ended() -> bool:
        try:
            with made.client(timeout_s=5) as client:
                found.CopyFrom(client.runs.get(run))
        except GnomonError:
            return False
        refused = found.state == pb.Run.FINE_TUNED and found.HasField("error")
        return refused or found.state in {pb.Run.REGISTERED, pb.Run.FAILED, pb.Run.CANCELLED}

    until(ended, _TIMEOUT_S, every_s=0.25)
    return found


@contextlib.contextmanager
def _killing(made: Site, kills: list[tuple[float, str]]) -> Iterator[None]:
    """Kill each victim at its time, and start it again; its time may be after the run's end."""
    began = time.monotonic()
    for seconds, victim in kills:
        time.sleep(max(0.0, began + seconds - time.monotonic()))
        if victim == "worker":
            _kill_worker(made)
            continue
        made.services[victim].kill()
        made.services[victim].start()
    yield


def _kill_worker(made: Site) -> None:
    trainer = made.services["trainer"].process
    assert trainer is not None

    def killed() -> bool:
        for child in psutil.Process(trainer.pid).children():
            with contextlib.suppress(psutil.Error):
                if {REAL, SHORT} & set(child.cmdline()):
                    child.kill()
                    return True
        return False

    until(killed, 60)


@contextlib.contextmanager
def _dying(made: Site, point: tuple[str, str, int, str], number: int) -> Iterator[None]:
    """Have the registry, or a worker, kill itself at a point; a trainer starts a worker again."""
    victim, at, call, when = point
    once = made.home / f"died-{number}"
    service = made.services[victim]
    before = dict(service.environment)
    made.set(victim, FAULTS_KILL=json.dumps({"at": at, "call": call, "when": when, "once": str(once)}))
    service.stop()
    service.start()
    if victim == "registry":
        until(lambda: not service.is_running, _TIMEOUT_S)
    else:
        until(once.exists, _TIMEOUT_S)
    service.environment = before
    if victim == "registry":
        service.start()
    yield


def migrations(home: Path, points: tuple[tuple[str, str, int, str], ...] = MIGRATIONS) -> dict[str, Any]:
    """Kill a service before and after its first migration; it must start as if nothing had been."""
    problems = []
    for number, (victim, at, call, when) in enumerate(points):
        folder = home / f"migration-{number}"
        folder.mkdir(parents=True)
        once = folder / "died"
        kill = {"at": at, "call": call, "when": when, "once": str(once)}
        dying = {"registry": inside(), "trainer": inside()}
        dying[victim] = inside(kill=kill)
        try:
            with site(folder, environment=dying):
                problems.append(f"{victim} did not die")
        except GnomonError:
            pass
        if not once.exists():
            problems.append(f"{victim} did not die {when} {at}")
        with site(folder, environment=dying) as made, made.client() as client:
            client.projects.create("p")
            if list(client.runs.list("p")):
                problems.append("there are runs that nobody made")
    return {"problems": problems, "points": len(points)}
