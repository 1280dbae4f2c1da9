"""How far a labelling or a generation is, as the run that waits for it shows it. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkProgress:
    """Rows, tokens and cost of the work so far.

    `done` rows of `total` are there, and `failed` ones cannot be. Cost is in the
    currency of the prices that the work was given. `awaits_review` tells that a
    person has to look at a sample before it goes on.
    """

    done: int = 0
    failed: int = 0
    total: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    estimated_cost: float = 0.0
    remaining_s: float | None = None
    awaits_review: bool = False
