"""Curves for other people's tools, such as TensorBoard: on request, and never at a run's expense.

A tracker works in a thread of its own, so that the training never waits for
it; one that fails is left out of the rest of the run, and the log says so.
"""

import logging
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from gnomon_trainer.domain.training import Point, Reporter, Stage, Trained, Trainer, TrainingPlan

log = logging.getLogger(__name__)

_WAITING = 10_000  # points; more are dropped
_CLOSE_S = 30.0

_NAMES = {
    "loss": "train/loss",
    "learning_rate": "train/learning_rate",
    "gradient_norm": "train/gradient_norm",
    "validation_loss": "validation/loss",
    "validation_macro_f1": "validation/macro_f1",
}


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """What a tracker is told of a run: names and numbers, no text of users."""

    name: str  # projects/{project}/runs/{run}
    parameters: Mapping[str, str | int | float]

    @property
    def project(self) -> str:
        return self.name.split("/")[1]

    @property
    def run(self) -> str:
        return self.name.split("/")[-1]


class Tracker(Protocol):
    """One tool's record of one run. Called from one thread, in order; may block, may raise anything."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Add values; steps of an attempt that was resumed may come again."""
        ...

    def close(self, finished: bool) -> None:
        """Write what is not written yet; `finished` if the training came to its end."""
        ...


OpenTracker = Callable[[TrackedRun], Tracker]


@dataclass(frozen=True, slots=True)
class TrackedTrainer:
    """A `Trainer` whose curves and results go to trackers as well, which are opened by their names."""

    trainer: Trainer
    trackers: Mapping[str, OpenTracker]

    def train(self, plan: TrainingPlan, work_folder: Path, reporter: Reporter) -> Trained:
        run = TrackedRun(plan.run, _parameters(plan))
        feeds = [_Feed(name, open_tracker, run) for name, open_tracker in self.trackers.items()]
        tracked = _TrackedReporter(reporter, feeds)
        finished = False
        try:
            trained = self.trainer.train(plan, work_folder, tracked)
            tracked.tell(tracked.last_step, {f"test/{m['key']}": m["value"] for m in _measures(trained)})
            finished = True
            return trained
        finally:
            for feed in feeds:
                feed.close(finished)

    def base_model_problem(self, base_model: str) -> str | None:
        return self.trainer.base_model_problem(base_model)


def _parameters(plan: TrainingPlan) -> dict[str, str | int | float]:
    made = plan.lineage
    return {
        **asdict(plan.parameters),
        "metric": plan.metric.name,
        "recipe": plan.recipe,
        "base_model": plan.base_model,
        "training_set": made.training_set,
        "test_set": made.test_set,
    }


def _measures(trained: Trained) -> Sequence[Mapping[str, float]]:
    found: Sequence[Mapping[str, float]] = trained.report.get("measures", ())
    return found


class _TrackedReporter:
    """Passes everything on, and points to the trackers too, once the run's own record has them."""

    def __init__(self, reporter: Reporter, feeds: Sequence["_Feed"]) -> None:
        self.last_step = 0
        self._reporter = reporter
        self._feeds = feeds

    def stage(self, stage: Stage) -> None:
        self._reporter.stage(stage)

    def progress(self, step: int, total_steps: int, remaining_s: float | None) -> None:
        self._reporter.progress(step, total_steps, remaining_s)

    def point(self, point: Point) -> None:
        self._reporter.point(point)
        values = {name: getattr(point, key) for key, name in _NAMES.items()}
        self.tell(point.step, {name: value for name, value in values.items() if value is not None})

    def checkpoint_allowed(self) -> None:
        self._reporter.checkpoint_allowed()

    def tell(self, step: int, values: Mapping[str, float]) -> None:
        self.last_step = max(self.last_step, step)
        for feed in self._feeds:
            feed.log(step, values)


class _Feed:
    """Feeds one tracker from a thread of its own."""

    def __init__(self, name: str, open_tracker: OpenTracker, run: TrackedRun) -> None:
        self._name, self._open, self._run = name, open_tracker, run
        self._waiting: queue.Queue[tuple[int, Mapping[str, float]] | bool] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._work, name=f"tracker {name}", daemon=True)
        self._thread.start()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._put((step, values))

    def close(self, finished: bool) -> None:
        """Let the tracker end, for as long as is reasonable."""
        self._put(finished)
        self._thread.join(_CLOSE_S)
        if self._thread.is_alive():
            log.warning("tracker left behind after %.0f s: %s: %s", _CLOSE_S, self._name, self._run.name)

    def _put(self, item: tuple[int, Mapping[str, float]] | bool) -> None:
        try:
            self._waiting.put_nowait(item)
        except queue.Full:  # it hangs, and is left behind in the end
            log.debug("tracker too slow: %s: %s", self._name, self._run.name)

    def _work(self) -> None:
        try:
            self._feed(self._open(self._run))
        except Exception as error:  # whatever a tool does, the run goes on; its own words may hold anything
            log.warning("tracker left out: %s: %s: %s", self._name, self._run.name, type(error).__name__)

    def _feed(self, tracker: Tracker) -> None:
        while not isinstance(item := self._waiting.get(), bool):
            tracker.log(*item)
        tracker.close(item)
