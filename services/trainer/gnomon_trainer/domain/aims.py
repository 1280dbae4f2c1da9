"""What a threshold can be asked for. Pure."""

from gnomon.errors import InvalidRequestError, Violation
from gnomon_trainer.domain.thresholds import BEST_F1, FALSE_POSITIVE_RATE
from gnomon_trainer.domain.training import Parameters

MOST_FALSE_POSITIVES = 0.5


def check_aim(parameters: Parameters, *, flags: bool) -> None:
    """Check that aim, target and abstaining fit each other and the metric; `flags`: it flags a class.

    Raises:
        InvalidRequestError: they do not.
    """
    aim, target = parameters.threshold_aim, parameters.threshold_target
    if not flags and aim != BEST_F1:
        raise _refused("threshold_aim", f"is {aim}, but the metric flags no class; flag one, or leave it out")
    if not flags and parameters.abstain_error_rate:
        raise _refused("abstain_error_rate", "needs a metric with a flagged class; flag one, or leave it out")
    if aim == BEST_F1 and target:
        raise _refused("threshold_target", f"is {target:g}, but {BEST_F1} has no target; set threshold_aim")
    if aim != BEST_F1 and not target:
        raise _refused("threshold_target", f"must be set for {aim}, such as 0.05")
    if aim == FALSE_POSITIVE_RATE and target > MOST_FALSE_POSITIVES:
        rule = f"is {target:g}; for {aim} it must be in (0, {MOST_FALSE_POSITIVES:g}]"
        raise _refused("threshold_target", rule)


def _refused(name: str, rule: str) -> InvalidRequestError:
    field = f"parameters.{name}"
    return InvalidRequestError(f"{field} {rule}.", violations=[Violation(field, rule)])
