"""Work that makes the training set of a run: a labelling or a generation. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gnomon.errors import (
    DatasetUnsuitableError,
    TrainingSetWorkStoppedError,
    TrainingSetWorkUnsuitableError,
)
from gnomon_trainer.domain.runs import RunFailure
from gnomon_trainer.domain.work_progress import WorkProgress


class WorkOutlook(StrEnum):
    """What a run can expect of it."""

    UNDER_WAY = "under way"  # a person who has to look at a sample included
    ENDED = "ended"  # well: its dataset is there
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class WorkStatus:
    """Where the work stands. `dataset` is what it made, once it has ended."""

    name: str  # labellings/{labelling} or generations/{generation}
    metric: str
    outlook: WorkOutlook
    progress: WorkProgress
    dataset: str = ""  # datasets/{dataset}@{version}
    error: RunFailure | None = None
    makes_dataset: bool = True  # False of a labelling that ends in a report


class TrainingSetWork(Protocol):
    """The labellings and generations that runs may wait for, by name."""

    def status(self, name: str) -> WorkStatus:
        """Return where the work stands, or raise NotFoundError."""
        ...

    def resume(self, name: str) -> None:
        """Go on with work that has stopped; does nothing to what is under way, or has ended well.

        Raises:
            NotFoundError: there is no such work.
            WorkStateError: it is still being cancelled.
        """
        ...

    def cancel(self, name: str) -> None:
        """Ask the work to stop; does nothing to what has ended. NotFoundError if there is none."""
        ...


def check_usable(status: WorkStatus, metric: str) -> None:
    """Check that a new run may wait for the work, or take what it made.

    Raises:
        DatasetUnsuitableError: it is for another metric.
        TrainingSetWorkUnsuitableError: it makes no dataset.
        TrainingSetWorkStoppedError: it failed or was cancelled.
    """
    if status.metric != metric:
        raise DatasetUnsuitableError(
            f"{status.name} is for {status.metric}, not for {metric}.", resource=status.name
        )
    if not status.makes_dataset:
        raise TrainingSetWorkUnsuitableError(
            f"{status.name} compares a judge with people and makes no dataset. Name a labelling of rows "
            "without labels: `gnomon judge label`.",
            resource=status.name,
        )
    if status.outlook in {WorkOutlook.FAILED, WorkOutlook.CANCELLED}:
        raise TrainingSetWorkStoppedError(
            f"{status.name} is {status.outlook.upper()}. {how_to_resume(status.name)} Then create the run.",
            resource=status.name,
            state=status.outlook.upper(),
        )


def how_to_resume(name: str) -> str:
    """Return the sentence that says how the work itself is resumed."""
    collection, _, work = name.partition("/")
    command = "judge" if collection == "labellings" else "generate"
    return f"Resume it: `gnomon {command} resume {work}`."
