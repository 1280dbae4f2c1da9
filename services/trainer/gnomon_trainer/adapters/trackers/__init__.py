"""The trackers that an operator may ask for, and whether what they need is installed.

Their packages are in the extra `trackers` and are imported when a run starts.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from gnomon_trainer.domain.tracking import OpenTracker, TrackedRun, Tracker


class TrackerProblemError(Exception):
    """A tracker that was asked for cannot work; the message says what to do."""


def _tensorboard(folder: Path, run: TrackedRun) -> Tracker:
    from gnomon_trainer.adapters.trackers.tensorboard import TensorBoard

    return TensorBoard(folder, run)


def _wandb(folder: Path, run: TrackedRun) -> Tracker:
    from gnomon_trainer.adapters.trackers.wandb import WeightsAndBiases

    return WeightsAndBiases(folder, run)


def _mlflow(folder: Path, run: TrackedRun) -> Tracker:
    from gnomon_trainer.adapters.trackers.mlflow import MLflow

    return MLflow(folder, run)


# What opens a tracker, the module that it needs, and the package that has it.
_KNOWN: Mapping[str, tuple[Callable[[Path, TrackedRun], Tracker], str, str]] = {
    "tensorboard": (_tensorboard, "tensorboard", "tensorboard"),
    "wandb": (_wandb, "wandb", "wandb"),
    "mlflow": (_mlflow, "mlflow", "mlflow-skinny"),
}


def asked_for(names: str) -> list[str]:
    """Return the names of a comma-separated list, each once."""
    return list(dict.fromkeys(name for part in names.split(",") if (name := part.strip())))


def trackers(
    names: Sequence[str], folder: Path, is_installed: Callable[[str], object] = find_spec
) -> dict[str, OpenTracker]:
    """Return what opens the named trackers; each writes into a folder of its own below `folder`.

    Raises:
        TrackerProblemError: one is unknown, or its package is not installed.
    """
    found: dict[str, OpenTracker] = {}
    for name in names:
        if name not in _KNOWN:
            raise TrackerProblemError(f"there is no tracker {name!r}; known are {', '.join(_KNOWN)}")
        open_tracker, module, package = _KNOWN[name]
        if not is_installed(module):
            raise TrackerProblemError(
                f"the tracker {name} needs a package that is not installed: pip install {package}, or "
                "'gnomon[trackers]' for all of them"
            )
        found[name] = functools.partial(open_tracker, folder / name)
    return found
