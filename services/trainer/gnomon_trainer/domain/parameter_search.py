"""What a search for better parameters may change, and what comes of its trials. Pure.

The trials stand in the run's report, as `gnomon.v1.ParameterSearch`; what the
run used in the end is read from there.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gnomon_trainer.domain.training import Parameters, TrainingPlan

ORIGIN = "search"
REPORTED = "parameter_search"  # the report's field

_FACTOR = 4.0  # how far around the recipe's rate is searched, either way
_LEAST_DECAY = 0.7


@dataclass(frozen=True, slots=True)
class Range:
    """Where a parameter is searched; by factors rather than by steps if `log`."""

    low: float
    high: float
    log: bool


SEARCHED = ("learning_rate", "head_learning_rate", "layer_decay")


def names(origins: Mapping[str, str]) -> tuple[str, ...]:
    """Return what is searched: all that the user has not set."""
    return tuple(name for name in SEARCHED if origins.get(name) != "request")


def ranges(parameters: Parameters, searched: Sequence[str]) -> dict[str, Range]:
    """Return where each parameter is searched; the recipe's own value lies within."""
    rates = {
        name: Range(rate / _FACTOR, min(1.0, rate * _FACTOR), log=True)
        for name in ("learning_rate", "head_learning_rate")
        if (rate := getattr(parameters, name))
    }
    decay = Range(min(_LEAST_DECAY, parameters.layer_decay), 1.0, log=False)
    return {name: (rates | {"layer_decay": decay})[name] for name in searched}


@dataclass(frozen=True, slots=True)
class Trial:
    """One training of a search. `loss` is calibrated, of the rows held out; None if the training failed."""

    values: Mapping[str, float]
    loss: float | None
    macro_f1: float
    steps: int
    seconds: float


def best(trials: Sequence[Trial]) -> int:
    """Return which trial has the lowest loss, the first of equals; 0 if none has any."""
    losses = [math.inf if trial.loss is None else trial.loss for trial in trials]
    return losses.index(min(losses)) if losses else 0


def with_values(parameters: Parameters, values: Mapping[str, float]) -> Parameters:
    changed: Mapping[str, Any] = values
    return replace(parameters, **changed)


def settled(plan: TrainingPlan, trials: Sequence[Trial]) -> TrainingPlan:
    """Return the plan with the best trial's parameters. The first trial is the plan as it is."""
    chosen = best(trials)
    if chosen == 0:
        return plan
    values = trials[chosen].values
    return replace(
        plan,
        parameters=with_values(plan.parameters, values),
        origins={**plan.origins, **dict.fromkeys(values, ORIGIN)},
    )


def reported(trials: Sequence[Trial]) -> dict[str, Any]:
    """Return the `gnomon.v1.ParameterSearch` of the trials, with the proto's field names."""
    return {
        "trials": [
            {
                "parameters": dict(trial.values),
                **({} if trial.loss is None else {"validation_loss": trial.loss}),
                "validation_macro_f1": trial.macro_f1,
                "seconds": round(trial.seconds, 1),
            }
            for trial in trials
        ],
        "chosen": best(trials),
    }


def with_search(report: dict[str, Any], trials: Sequence[Trial] | None, minutes: float) -> dict[str, Any]:
    """Return a report with what was searched; as it is if there was no search."""
    if trials is None:
        return report
    warnings = [*report["warnings"], caution(trials, minutes)]
    return report | {REPORTED: reported(trials), "warnings": warnings}


def caution(trials: Sequence[Trial], minutes: float) -> str:
    """Return what a reader of the report must know of a search."""
    tried = f"{len(trials)} {'set' if len(trials) == 1 else 'sets'} of parameters"
    if len(trials) < 2:
        return (
            f"search_minutes was {minutes:g}, in which {tried if trials else 'no set of parameters'} could "
            "be tried: nothing was searched. Allow several times what a training takes."
        )
    won = "the recipe's own was best" if best(trials) == 0 else "the best one was taken"
    return (
        f"{tried} were tried, and {won} on the rows held out; what was measured on those rows is a little "
        "too good for that. The test set had no part in it."
    )


def found(report: Mapping[str, Any] | None) -> Mapping[str, float]:
    """Return the parameters that a run's search changed, from its report; empty if none."""
    search = (report or {}).get(REPORTED)
    if not search or not search["chosen"]:
        return {}
    values: Mapping[str, float] = search["trials"][search["chosen"]]["parameters"]
    return values
