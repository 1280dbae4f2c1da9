"""A worker process: `python -m gnomon_trainer.worker`.

The trainer runs one as its child; more can be started by hand on any machine
that sees the same database and data folder. A worker takes one run after
another. When its parent is gone, or on SIGTERM, it ends at the next step of the
training; another worker goes on from the last checkpoint.
"""

import argparse
import contextlib
import logging
import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Iterator

import structlog
from pydantic import ValidationError

from gnomon_rpc import logs, telemetry_environment
from gnomon_rpc.environment import explain
from gnomon_trainer.domain.training import Trainer
from gnomon_trainer.domain.work import Work
from gnomon_trainer.settings import TrainerSettings
from gnomon_trainer.work_wiring import build_work

log = structlog.get_logger(__name__)

_IDLE_S = 0.25
_LOOK_S = 0.5


def fine_tuner(settings: TrainerSettings) -> Trainer:
    """Return the real trainer. Torch takes seconds to import, so an idle worker does without."""
    from gnomon_trainer.adapters.fine_tuning import FineTuner

    return FineTuner(settings.model_dir)


def main(make_trainer: Callable[[TrainerSettings], Trainer] = fine_tuner) -> int:
    """Work until told to stop; return the process's exit status."""
    parser = argparse.ArgumentParser(prog="gnomon_trainer.worker")
    parser.add_argument("--id", default=f"w-{secrets.token_hex(6)}", help="tells this worker from others")
    worker = parser.parse_args().id
    try:
        settings = TrainerSettings()
    except ValidationError as error:
        problems = explain(error, "GNOMON_TRAINER_", TrainerSettings)
        print(f"gnomon trainer worker: wrong settings\n{problems}", file=sys.stderr)  # noqa: T201
        return 2
    logs.configure(settings.log_level, "trainer-worker")
    for chatty in ("onnx_ir", "onnxscript", "torch"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(worker=worker)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if settings.parent_pid is not None:
        watch = threading.Thread(
            target=_end_with, args=(settings.parent_pid, settings.lease_s, stop), name="parent", daemon=True
        )
        watch.start()
    trainers: list[Trainer] = []

    def trainer() -> Trainer:
        if not trainers:
            trainers.append(make_trainer(settings))
        return trainers[0]

    spans = telemetry_environment.spans("trainer-worker")
    log.info("worker started")
    try:
        _work_until(stop, build_work(settings, worker, trainer, stop, spans))
    finally:
        if spans is not None:
            spans.close()
    log.info("worker stopped")
    return 0


def _work_until(stop: threading.Event, work: Work) -> None:
    with _troubles_told():
        work.tidy_registered()
    while not stop.is_set():
        with _troubles_told():
            if work.take_one():
                continue
        stop.wait(_IDLE_S)


@contextlib.contextmanager
def _troubles_told() -> Iterator[None]:
    """Outlive a busy, full or damaged database: a run stays leased until the lease expires."""
    try:
        yield
    except Exception as error:  # its own words may hold what users wrote
        log.warning("cannot work now", error=type(error).__name__)


def _end_with(parent_pid: int, patience_s: float, stop: threading.Event) -> None:
    """Stop when the parent is gone; end the process if the work does not stop in time."""
    while os.getppid() == parent_pid:
        if stop.wait(_LOOK_S):
            return  # told by a signal: whoever sent it will wait or kill
    log.warning("the parent is gone")
    stop.set()
    threading.Event().wait(patience_s)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
