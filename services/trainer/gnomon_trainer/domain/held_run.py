"""A run that this worker holds: heartbeat, curves, and whether the work may go on."""

import logging
import threading
from types import TracebackType
from typing import Self

from gnomon.errors import GnomonError, LeaseLostError
from gnomon_trainer.domain import runs
from gnomon_trainer.domain.leases import Confirmed
from gnomon_trainer.domain.run_store import Change, Lease, RunStore, lost
from gnomon_trainer.domain.runs import Progress, Run
from gnomon_trainer.domain.tracing import Attributes, Untraced, WorkSpan
from gnomon_trainer.domain.training import Point, RunCancelledError, Stage, WorkerStoppingError

log = logging.getLogger(__name__)

_LOOK_S = 0.5  # how soon progress is shown and a cancellation is seen


class HeldRun:
    """A `Reporter` that keeps the lease alive from a thread of its own while it is entered.

    Everything it writes is fenced: once another worker has the run, every
    method raises LeaseLostError. A process that was stopped for longer than its
    lease notices by the clock, before its thread has had its turn.
    """

    def __init__(
        self,
        store: RunStore,
        run: Run,
        confirmed: Confirmed,
        stop: threading.Event,
        span: WorkSpan | None = None,
    ) -> None:
        self.run = run
        self._store = store
        self._lease = Lease(run.uid, run.fence)
        self._confirmed = confirmed
        self._stop = stop
        self._span = span or Untraced()
        self._lock = threading.RLock()  # progress and points go from one thread to the other
        self._progress = run.progress
        self._points: list[Point] = []
        self._is_new = False
        self._is_lost = False
        self._is_cancelled = run.cancel_requested
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep_alive, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._thread.join()

    # ------------------------------------------------------------------ Reporter

    def stage(self, stage: Stage) -> None:
        with self._lock:
            self._check_lost()
            before = self._progress
            if before.stage is Stage.SEARCHING:  # its steps are not those of the training after it
                before = Progress()
            step = before.step if stage is not Stage.PREPARING else 0
            self._progress = Progress(stage, step, before.total_steps)
            self._is_new = True
        self._span.stage(stage)

    def progress(self, step: int, total_steps: int, remaining_s: float | None) -> None:
        with self._lock:
            self._check_lost()
            self._progress = Progress(self._progress.stage, step, total_steps, remaining_s)
            self._is_new = True

    def point(self, point: Point) -> None:
        with self._lock:
            self._check_lost()
            self._points.append(point)
            self._is_new = True
            try:
                # At once: a checkpoint that follows must not be ahead of the curves.
                self.renew()
            except LeaseLostError:
                raise
            except GnomonError as error:  # the heartbeat tries again
                log.warning("point not written yet: %s: %s", self.run.name, error.reason)
        if point.validation_macro_f1 is not None:
            self._span.note("evaluation", _measured(point))

    def checkpoint_allowed(self) -> None:
        self._check_lost()
        if self._is_cancelled:
            raise RunCancelledError
        if self._stop.is_set():
            raise WorkerStoppingError
        if self._confirmed.is_over:
            self.renew()

    def note(self, name: str, attributes: Attributes) -> None:
        """Tell whoever follows the run of something that no row of it keeps."""
        self._span.note(name, attributes)

    # ------------------------------------------------------------------- writing

    def renew(self) -> Run:
        """Prolong the lease and write what is new, or raise LeaseLostError."""
        return self.write(lambda run: runs.progressed(run, self._progress))

    def write(self, change: Change) -> Run:
        """Apply a change with all points that are not written yet, or raise LeaseLostError."""
        with self._lock:
            self._check_lost()
            points, began = list(self._points), self._confirmed.now()
            try:
                self.run = self._store.write_leased(self._lease, change, points)
            except LeaseLostError:
                self._is_lost = True
                raise
            del self._points[: len(points)]
            self._is_new = False
            self._is_cancelled = self.run.cancel_requested
            self._confirmed.since(began)
            return self.run

    def _check_lost(self) -> None:
        if self._is_lost:
            raise lost(self._lease)

    def _keep_alive(self) -> None:
        while not self._closing.wait(min(_LOOK_S, self._confirmed.interval_s)) and not self._is_lost:
            try:
                self._look()
            except LeaseLostError:
                log.warning("lease lost: %s", self.run.name)
            except Exception as error:  # whatever it is, the lease may outlast it
                # Its own words may hold what users wrote.
                log.warning("heartbeat failed: %s: %s", self.run.name, type(error).__name__)

    def _look(self) -> None:
        with self._lock:
            if self._closing.is_set():
                return
            if self._is_new or self._confirmed.is_due:
                self.renew()
            else:
                self._is_cancelled = self._store.get(self.run.operation).cancel_requested


def _measured(point: Point) -> dict[str, float]:
    """Return what a checkpoint was found to be worth on the validation rows."""
    measures = {"step": point.step, "loss": point.validation_loss, "macro_f1": point.validation_macro_f1}
    return {f"gnomon.{name}": value for name, value in measures.items() if value is not None}
