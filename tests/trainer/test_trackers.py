"""Curves in other people's tools: what they are told, and that they never cost a run anything."""

import logging
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gnomon.bundle import LineageRecord
from gnomon.instances import InputShape, OutputType, Step
from gnomon_trainer.adapters.trackers import TrackerProblemError, asked_for, trackers
from gnomon_trainer.domain import tracking
from gnomon_trainer.domain.tracking import TrackedRun, TrackedTrainer
from gnomon_trainer.domain.training import (
    MetricDefinition,
    Parameters,
    Point,
    Reporter,
    RunCancelledError,
    Stage,
    Trained,
    TrainingPlan,
)
from gnomon_trainer.settings import TrainerSettings
from gnomon_trainer.wiring import build
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.running import State, trainer_at, two_sets

PLAN = TrainingPlan(
    run="projects/support/runs/first",
    metric=MetricDefinition(
        "metrics/tone", OutputType.BOOLEAN, Step.LLM_SPAN, InputShape.OUTPUT, ("false", "true"), ("true",)
    ),
    training_rows=(),
    test_rows=(),
    recipe="recipes/small",
    base_model="tiny",
    parameters=Parameters(
        epochs=3,
        batch_size=8,
        learning_rate=1e-4,
        head_learning_rate=1e-3,
        weight_decay=0.0,
        warmup_share=0.1,
        max_tokens=32,
        validation_share=0.2,
        evaluations_per_epoch=1,
        patience=3,
        seed=0,
    ),
    origins={},
    lineage=LineageRecord(training_set="datasets/train@1", test_set="datasets/test@1"),
)
POINTS = (
    Point(0, validation_loss=0.7, validation_macro_f1=0.4),
    Point(5, loss=0.6, learning_rate=1e-4, gradient_norm=1.5),
    Point(10, loss=0.5, learning_rate=5e-5, gradient_norm=1.2, validation_loss=0.5, validation_macro_f1=0.8),
)


class Trainer:
    """Reports a few points, then raises what it is given, or ends."""

    def __init__(self, error: BaseException | None = None) -> None:
        self._error = error

    def train(self, plan: TrainingPlan, work_folder: Path, reporter: Reporter) -> Trained:
        reporter.stage(Stage.FINE_TUNING)
        for point in POINTS:
            reporter.point(point)
        reporter.progress(10, 10, None)
        reporter.checkpoint_allowed()
        if self._error:
            raise self._error
        return Trained(work_folder, {"measures": [{"key": "macro_f1", "value": 0.9}]}, work_folder)

    def base_model_problem(self, base_model: str) -> str | None:
        return "It is not here."


class Recorder:
    """A reporter that keeps its points."""

    def __init__(self) -> None:
        self.points: list[Point] = []

    def stage(self, stage: Stage) -> None: ...

    def progress(self, step: int, total_steps: int, remaining_s: float | None) -> None: ...

    def point(self, point: Point) -> None:
        self.points.append(point)

    def checkpoint_allowed(self) -> None: ...


class Kept:
    """A tracker that keeps what it is told, and can fail at any of it."""

    def __init__(self, fails_at: str = "") -> None:
        self.fails_at = fails_at
        self.run: TrackedRun | None = None
        self.logged: list[tuple[int, dict[str, float]]] = []
        self.closed: bool | None = None

    def open(self, run: TrackedRun) -> "Kept":
        self._perhaps("open")
        self.run = run
        return self

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._perhaps("log")
        self.logged.append((step, dict(values)))

    def close(self, finished: bool) -> None:
        self._perhaps("close")
        self.closed = finished

    def _perhaps(self, place: str) -> None:
        if place == self.fails_at:
            raise ConnectionError("with a text of a user")


def train(tmp_path: Path, trainer: Trainer, **kept: Kept) -> Recorder:
    reporter = Recorder()
    TrackedTrainer(trainer, {name: tracker.open for name, tracker in kept.items()}).train(
        PLAN, tmp_path, reporter
    )
    return reporter


def test_a_tracker_is_told_the_parameters_every_point_and_the_result(tmp_path: Path) -> None:
    kept = Kept()
    reporter = train(tmp_path, Trainer(), kept=kept)
    assert reporter.points == list(POINTS)
    assert kept.run is not None
    assert (kept.run.project, kept.run.run) == ("support", "first")
    assert kept.run.parameters["epochs"] == 3
    assert kept.run.parameters["test_set"] == "datasets/test@1"
    assert kept.logged == [
        (0, {"validation/loss": 0.7, "validation/macro_f1": 0.4}),
        (5, {"train/loss": 0.6, "train/learning_rate": 1e-4, "train/gradient_norm": 1.5}),
        (
            10,
            {
                "train/loss": 0.5,
                "train/learning_rate": 5e-5,
                "train/gradient_norm": 1.2,
                "validation/loss": 0.5,
                "validation/macro_f1": 0.8,
            },
        ),
        (10, {"test/macro_f1": 0.9}),
    ]
    assert kept.closed is True


@pytest.mark.parametrize("place", ["open", "log", "close"])
def test_a_tracker_that_fails_fails_nothing_else(
    tmp_path: Path, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    broken, kept = Kept(fails_at=place), Kept()
    with caplog.at_level(logging.WARNING):
        reporter = train(tmp_path, Trainer(), broken=broken, kept=kept)
    assert reporter.points == list(POINTS)
    assert (len(kept.logged), kept.closed) == (4, True)
    assert "tracker left out: broken: projects/support/runs/first: ConnectionError" in caplog.text
    assert "text of a user" not in caplog.text


def test_a_tracker_that_hangs_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    free = threading.Event()

    class Hanging(Kept):
        def log(self, step: int, values: Mapping[str, float]) -> None:
            free.wait(30)

    monkeypatch.setattr(tracking, "_CLOSE_S", 0.05)
    try:
        with caplog.at_level(logging.WARNING):
            reporter = train(tmp_path, Trainer(), hanging=Hanging())
    finally:
        free.set()
    assert reporter.points == list(POINTS)
    assert "tracker left behind" in caplog.text


def test_a_run_that_stops_closes_its_trackers_and_stops(tmp_path: Path) -> None:
    kept = Kept()
    with pytest.raises(RunCancelledError):
        train(tmp_path, Trainer(RunCancelledError()), kept=kept)
    assert (len(kept.logged), kept.closed) == (3, False)


def test_what_is_asked_of_the_base_model_is_asked_of_the_trainer() -> None:
    assert TrackedTrainer(Trainer(), {}).base_model_problem("x") == "It is not here."


# ----------------------------------------------------------------- asking for them


def test_trackers_are_asked_for_by_name() -> None:
    assert asked_for(" tensorboard, mlflow ,,tensorboard") == ["tensorboard", "mlflow"]
    assert asked_for("") == []
    assert list(trackers(["wandb", "mlflow"], Path(), lambda module: True)) == ["wandb", "mlflow"]


def test_a_tracker_that_is_unknown_or_not_installed_is_refused_with_what_to_do() -> None:
    with pytest.raises(TrackerProblemError, match="no tracker 'comet'; known are tensorboard, wandb, mlflow"):
        trackers(["comet"], Path())
    with pytest.raises(TrackerProblemError, match="pip install mlflow-skinny"):
        trackers(["mlflow"], Path(), lambda module: None)


def test_a_trainer_does_not_start_with_a_tracker_that_cannot_work(tmp_path: Path) -> None:
    settings = TrainerSettings(
        trackers="comet", database_url=f"sqlite:///{tmp_path / 't.db'}", data_dir=tmp_path
    )
    with pytest.raises(SystemExit, match="GNOMON_TRAINER_TRACKERS: there is no tracker 'comet'"):
        build(settings)


def test_no_tracker_is_on_unless_asked_for() -> None:
    assert TrainerSettings.model_fields["trackers"].default == ""


# ------------------------------------------------------------------- TensorBoard


def scalars(folder: Path, name: str) -> list[tuple[int, float]]:
    read = EventAccumulator(str(folder))
    read.Reload()
    return [(event.step, pytest.approx(event.value)) for event in read.Scalars(name)]


def test_tensorboard_gets_event_files_and_a_resumed_run_takes_back_what_it_repeats(tmp_path: Path) -> None:
    opened = trackers(["tensorboard"], tmp_path)["tensorboard"]
    run = TrackedRun("projects/support/runs/first", {"epochs": 3})
    first = opened(run)
    for step in (0, 5, 10, 15):
        first.log(step, {"train/loss": float(step)})
    first.close(False)
    again = opened(run)
    for step in (10, 20):
        again.log(step, {"train/loss": 100.0 + step})
    again.close(True)
    found = scalars(tmp_path / "tensorboard" / "support" / "first", "train/loss")
    assert found == [(0, 0.0), (5, 5.0), (10, 110.0), (20, 120.0)]


@pytest.mark.slow
async def test_a_worker_writes_event_files_when_the_trainer_is_told_to(
    tmp_path: Path, registry: FakeRegistry
) -> None:
    async with trainer_at(tmp_path, registry, workers=1, trackers="tensorboard") as trainer:
        await two_sets(trainer)
        await trainer.create_run()
        await trainer.until(State.REGISTERED, timeout_s=90)
    folder = tmp_path / "data" / "trackers" / "tensorboard" / "demo" / "first"
    assert [step for step, _ in scalars(folder, "train/loss")] == [1, 2, 3, 4]
    assert scalars(folder, "test/macro_f1") == [(4, 0.5)]
