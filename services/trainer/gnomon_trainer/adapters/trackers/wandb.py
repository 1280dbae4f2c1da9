"""Weights & Biases: offline unless `WANDB_MODE` says otherwise; `wandb sync` uploads a folder."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from gnomon_trainer.domain.tracking import TrackedRun

os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read when wandb is imported
import wandb

_QUIET = wandb.Settings(
    silent=True,
    disable_code=True,
    disable_git=True,
    x_disable_machine_info=True,
    x_disable_stats=True,
    x_save_requirements=False,
)


class WeightsAndBiases:
    """A `Tracker`: one run of the project `gnomon-{project}`; a resumed run goes on with its ID."""

    def __init__(self, folder: Path, run: TrackedRun) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project=f"gnomon-{run.project}",
            id=hashlib.sha256(run.name.encode()).hexdigest()[:16],
            name=run.run,
            config=dict(run.parameters),
            dir=str(folder),
            mode=os.environ.get(
                "WANDB_MODE", "offline"
            ),  # nothing leaves the machine unless it was asked for
            resume="allow",
            settings=_QUIET,
        )
        self._run.define_metric("*", step_metric="step")  # steps of a resumed run may come again

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log({**values, "step": step})

    def close(self, finished: bool) -> None:
        self._run.finish(exit_code=0 if finished else 1)
