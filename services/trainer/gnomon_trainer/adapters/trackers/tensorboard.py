"""TensorBoard: event files that `tensorboard --logdir` reads."""

from collections.abc import Mapping
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from gnomon_trainer.domain.tracking import TrackedRun


class TensorBoard:
    """A `Tracker`: one folder a run, `{project}/{run}`; a resumed run goes on in it."""

    def __init__(self, folder: Path, run: TrackedRun) -> None:
        self._folder = folder / run.project / run.run
        self._parameters = run.parameters
        self._writer: SummaryWriter | None = None

    def log(self, step: int, values: Mapping[str, float]) -> None:
        if self._writer is None:  # not before: what an earlier attempt said of later steps is taken back
            self._writer = SummaryWriter(str(self._folder), purge_step=step)
            lines = "\n".join(f"    {key}: {value}" for key, value in self._parameters.items())
            self._writer.add_text("parameters", lines, step)
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self, finished: bool) -> None:  # noqa: ARG002  an event file has no end to tell of
        if self._writer is not None:
            self._writer.close()
