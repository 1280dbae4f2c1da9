"""`gnomon demo`: the whole way on example data, from labelled rows to scores, and nothing left behind."""

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from gnomon import examples, local
from gnomon.cli import demo_summary, rows, watching
from gnomon.cli.interrupts import Interrupts
from gnomon.cli.metrics import create_from, definition_of
from gnomon.cli.session import Session, local_command
from gnomon.errors import NotFoundError, TrainingFailedError
from gnomon.instances import Step
from gnomon.local import ServiceProcess
from gnomon.v1 import resources_pb2 as pb

_EXAMPLE = "commitment"
_WARM_UP_CALLS = 20
_MEASURED_CALLS = 200
_SHOWN_SPANS = 6
_START_TIMEOUT_S = 120.0
_SCORABLE_TIMEOUT_S = 60.0
_LOG_LINES = 20


@local_command
def demo(
    session: Session,
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the data folder and say where it is.")] = False,
) -> None:
    """Train, register and serve an evaluator on example data, and say how good it is.

    Starts the three services on free ports in a temporary folder; stops and removes all at the end.
    """
    home = Path(tempfile.mkdtemp(prefix="gnomon-demo-"))
    services = _deployment(home)
    with Interrupts(services, raising=True):
        try:
            result = _run(session, services, home)
        except Exception:
            _show_logs(session, services)
            raise
        finally:
            local.stop(services)
            if not keep:
                shutil.rmtree(home, ignore_errors=True)
    if session.output.as_json:
        session.output.json(result.as_dict(), indent=None)
    else:
        session.output.answer.print(demo_summary.rendered(result))
    if keep:
        session.output.note(f"All data is kept. Go on with it: gnomon up --home {home / 'gnomon'}")


def _deployment(home: Path) -> dict[str, ServiceProcess]:
    services = local.deployment(home / "gnomon")
    scratch = home / "tmp"  # torch keeps caches in the temporary folder; they shall go with all else
    scratch.mkdir()
    for service in services.values():
        service.environment = dict(service.environment) | {"TMPDIR": str(scratch)}
    return services


def _show_logs(session: Session, services: Mapping[str, ServiceProcess]) -> None:
    for service in services.values():
        if tail := service.log_tail(_LOG_LINES):
            session.output.note(f"--- the last lines of the {service.service}'s log\n{tail}")


def _run(session: Session, services: Mapping[str, ServiceProcess], home: Path) -> demo_summary.Result:
    say, began = session.output.note, time.monotonic()
    say("Starting registry, trainer and scorer on free ports …")
    local.start(services, _START_TIMEOUT_S)
    session.addresses |= {name: service.address for name, service in services.items()}
    demonstration = _Demonstration(session, say)
    files = examples.load(_EXAMPLE).write(home / "examples")
    demonstration.upload(files)
    run = demonstration.train()
    demonstration.publish(run)
    spans = demonstration.score_some(files["test_set"])
    latencies_ms = demonstration.measure(files["test_set"])
    return demo_summary.Result(run, spans, latencies_ms, time.monotonic() - began)


@dataclass
class _Demonstration:
    """The steps, each a few calls that a user would make as well."""

    session: Session
    say: Callable[[str], None]

    def upload(self, files: Mapping[str, Path]) -> None:
        client, definition = self.session.client, definition_of(examples.load(_EXAMPLE).metric)
        client.projects.create("demo", display_name="Demo")
        create_from(self.session, _EXAMPLE, definition)
        for key, dataset_id in (("training_set", f"{_EXAMPLE}-train"), ("test_set", f"{_EXAMPLE}-test")):
            answer = client.datasets.upload(dataset_id, files[key], metric=_EXAMPLE)
            self.say(f"Uploaded {answer.dataset.row_count} rows as {answer.dataset.name}.")

    def train(self) -> pb.Run:
        operation = self.session.client.runs.create(
            "demo", metric=_EXAMPLE, training_set=f"{_EXAMPLE}-train", test_set=f"{_EXAMPLE}-test"
        )
        self.say("Training …")
        run = watching.watch(self.session.output, self.session.client, operation.run_name)
        if run.state == pb.Run.REGISTERED:
            return run
        state = pb.Run.State.Name(run.state)
        raise TrainingFailedError(f"The run is {state}: {run.error.message}", resource=run.name)

    def publish(self, run: pb.Run) -> None:
        self.session.client.aliases.set(_EXAMPLE, "production", run.metric_version)
        self.say(f"{_EXAMPLE}@production is {run.metric_version} now.")
        deadline = time.monotonic() + _SCORABLE_TIMEOUT_S
        while True:
            try:
                self.session.client.score(_EXAMPLE, input="Hello", output="Hello, how can I help?")
                return
            except NotFoundError:  # the scorer hears of the alias within a second
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def score_some(self, test_set: Path) -> list[tuple[dict[str, Any], pb.Score]]:
        """Score a few rows of the test set, as many of each label."""
        chosen: list[dict[str, Any]] = []
        for label in (True, False):
            chosen += [row.cells for row in rows.read(test_set) if row.cells["label"] is label][
                : _SHOWN_SPANS // 2
            ]
        return [
            (cells, self.session.client.score(_EXAMPLE, rows.instance_of(cells, {}, Step.LLM_SPAN)))
            for cells in chosen
        ]

    def measure(self, test_set: Path) -> list[float]:
        """Return the milliseconds of single calls one after the other, as a caller sees them."""
        self.say(f"Measuring {_MEASURED_CALLS} single calls …")
        instances = [rows.instance_of(row.cells, {}, Step.LLM_SPAN) for row in rows.read(test_set)]
        latencies_ms = []
        for index in range(_WARM_UP_CALLS + _MEASURED_CALLS):
            began = time.perf_counter()
            self.session.client.score(_EXAMPLE, instances[index % len(instances)])
            latencies_ms.append((time.perf_counter() - began) * 1e3)
        return latencies_ms[_WARM_UP_CALLS:]
