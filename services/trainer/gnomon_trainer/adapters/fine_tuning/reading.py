"""What of a base model's vectors the head reads: chosen by how well a probe does with it.

A base model for meaning puts all that two texts have in common into its last
layer; that one of them says what the other does not is seen better one layer
below, in how the mean vectors of the two differ. Which of the ways serves a
metric is not told by its shape, so both are tried on the frozen base model.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from gnomon_trainer.adapters.fine_tuning import files, probe
from gnomon_trainer.adapters.fine_tuning.batches import Examples
from gnomon_trainer.adapters.fine_tuning.compute import Compute, reproducible
from gnomon_trainer.adapters.fine_tuning.judging import pooled
from gnomon_trainer.adapters.fine_tuning.network import EvaluatorNetwork
from gnomon_trainer.domain.measures import Ints
from gnomon_trainer.domain.settled_parameters import NAMES, ORIGIN
from gnomon_trainer.domain.training import Parameters, TrainingPlan

AUTO, CONTRAST, MEAN = "auto", "contrast", "mean"

_FOLDS = 4
_FILE = "reading.json"


@dataclass(frozen=True, slots=True)
class Way:
    """A value of `pooling`, of `layers`, and of `window_reducer` where the user leaves that open."""

    pooling: str
    layers: int
    window_reducer: str | None = None

    def applied(self, parameters: Parameters, *, keep_reducer: bool) -> Parameters:
        reducer = self.window_reducer if self.window_reducer and not keep_reducer else None
        return replace(
            parameters,
            pooling=self.pooling,
            layers=self.layers,
            window_reducer=reducer or parameters.window_reducer,
        )


@dataclass(frozen=True, slots=True)
class Tried:
    """`loss`: negative log-likelihood, in nats a row, in cross-validation."""

    way: Way
    loss: float


def ways(network: EvaluatorNetwork, examples: Examples, layers: int = 0) -> list[Way]:
    """Return the ways that rows can be read in: more than one only where they are pairs of texts.

    `layers` are those that the run asks for; 0 if it leaves them open.
    """
    usual = Way(MEAN, layers)
    pairs = network.reads_type_ids and any(any(row.type_ids) for row in examples.first_windows)
    if not pairs or network.depth < 2:
        return [usual]
    # In a window that lacks what a text is compared with, nothing speaks for or against: all of them count.
    return [usual, Way(CONTRAST, layers or network.depth - 1, "mean")]


def settle(
    plan: TrainingPlan,
    *,
    work: Path,
    digest: str,
    examples: Examples,
    groups: Sequence[int],
    load: Callable[[Parameters], EvaluatorNetwork],
    compute: Compute,
    pause: Callable[[], None],
) -> tuple[TrainingPlan, str]:
    """Return the plan with a way in the place of `auto`, and why; the same after a resume.

    `groups` says which rows belong together, so that no row is asked about of
    which a like one was learned. `load` gives a network that reads as the
    parameters say.
    """
    parameters = plan.parameters
    if parameters.pooling != AUTO:
        return plan, ""
    possible = ways(load(replace(parameters, pooling=MEAN)), examples, parameters.layers)
    parts = min(_FOLDS, len(set(groups)), int(np.bincount(examples.labels).max()))
    if len(possible) < 2 or parts < 2:
        return settled(plan, [Tried(possible[0], 0.0)]), ""
    losses = _kept(work, digest)
    if len(losses) != len(possible):
        fold = _folds(examples, groups, parts, parameters.seed)
        losses = [
            _loss(plan, way, examples=examples, fold=fold, load=load, compute=compute, pause=pause)
            for way in possible
        ]
        files.replace_file(work / _FILE, files.to_json({"plan": digest, "losses": losses}))
    tried = [Tried(way, loss) for way, loss in zip(possible, losses, strict=True)]
    return settled(plan, tried), reason(tried)


def _loss(
    plan: TrainingPlan,
    way: Way,
    *,
    examples: Examples,
    fold: Ints,
    load: Callable[[Parameters], EvaluatorNetwork],
    compute: Compute,
    pause: Callable[[], None],
) -> float:
    """Return how well a head on the frozen base model does that reads in this way."""
    network = load(way.applied(plan.parameters, keep_reducer=True)).to(compute.device)
    with reproducible(compute):
        vectors = pooled(network, examples, compute, pause)
    found = probe.losses_by_folds(
        vectors,
        examples.labels,
        fold,
        classes=len(plan.metric.classes),
        power=plan.parameters.class_weight_power,
        pause=pause,
    )
    return min(found)


def settled(plan: TrainingPlan, tried: Sequence[Tried]) -> TrainingPlan:
    """Return the plan with the best of the ways."""
    keep = plan.origins.get("window_reducer") == "request"
    parameters = best(tried).way.applied(plan.parameters, keep_reducer=keep)
    changed = [name for name in NAMES if getattr(parameters, name) != getattr(plan.parameters, name)]
    return replace(plan, parameters=parameters, origins={**plan.origins, **dict.fromkeys(changed, ORIGIN)})


def best(tried: Iterable[Tried]) -> Tried:
    return min(tried, key=lambda entry: entry.loss)


def reason(tried: Sequence[Tried]) -> str:
    """Return what the report says of the choice; empty if there was none."""
    if len(tried) < 2:
        return ""
    found = "; ".join(f"{_TELLS[entry.way.pooling]}: {entry.loss:.4f}" for entry in tried)
    return (
        f"The head reads {_TELLS[best(tried).way.pooling]}. Loss of a head on the frozen base model, "
        f"cross-validated on the rows to learn from: {found}."
    )


_TELLS: Mapping[str, str] = {
    MEAN: "the mean of all tokens",
    CONTRAST: "the difference between the means of the two texts",
}


def _folds(examples: Examples, groups: Sequence[int], parts: int, seed: int) -> Ints:
    """Return each row's fold, from 0: the rows of a group are in one."""
    splitter = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    fold = np.zeros(len(examples.labels), dtype=np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a class that is not in every fold: it need not be
        for number, (_, asked) in enumerate(splitter.split(fold, examples.labels, groups)):
            fold[asked] = number
    return fold


def _kept(work: Path, digest: str) -> list[float]:
    kept = files.read_json(work / _FILE)
    if not isinstance(kept, dict) or kept.get("plan") != digest:
        return []
    losses: list[float] = kept["losses"]
    return losses
