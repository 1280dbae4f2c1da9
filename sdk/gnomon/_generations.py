"""From a user's words about generations to messages. Pure."""

from collections.abc import Mapping

from gnomon._requests import refused
from gnomon.v1 import generations_pb2 as pb
from gnomon.v1 import labellings_pb2 as labellings

Budget = Mapping[str, float] | labellings.JudgeBudget
_MOVING = {pb.Generation.SAMPLING, pb.Generation.GENERATING}


def is_moving(generation: pb.Generation) -> bool:
    """Tell whether more happens to a generation by itself."""
    return generation.state in _MOVING


def reason_of(word: str) -> str:
    """Return the name of the reason that a user's word means, or raise InvalidRequestError."""
    known = [name for name in pb.Generation.Reason.keys() if name != "REASON_UNSPECIFIED"]  # noqa: SIM118
    name = word.upper().replace("-", "_").replace(" ", "_")
    if name not in known:
        raise refused("reason", f"is {word[:40]!r}; it must be one of: {', '.join(known).lower()}")
    return name


def budget_message(budget: Budget | None) -> labellings.JudgeBudget | None:
    """Return the message of a budget: `max_tokens`, or `max_cost` with `input_price` and `output_price`."""
    if budget is None or isinstance(budget, labellings.JudgeBudget):
        return budget
    known = [field.name for field in labellings.JudgeBudget.DESCRIPTOR.fields]
    for key in budget:
        if key not in known:
            raise refused(f"budget.{key}", f"is not known; there are: {', '.join(known)}")
    message = labellings.JudgeBudget()
    for key, value in budget.items():
        try:
            setattr(message, key, int(value) if key == "max_tokens" else float(value))
        except (TypeError, ValueError, OverflowError) as error:
            raise refused(f"budget.{key}", f"cannot be {value!r}") from error
    return message
