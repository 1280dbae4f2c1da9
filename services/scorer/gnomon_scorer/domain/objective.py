"""The load that a version was made for, as its own report tells it. Pure.

A run may state a service objective: the trainer then finds which of the
exported formats carries it with the least loss of quality, on the machine that
exported them. Where that format is to be had and keeps up here too, it is the
one to run, though another may be faster.
"""

import math
from dataclasses import dataclass
from typing import Any

from gnomon.bundle import Evaluator
from gnomon.windows import spans


@dataclass(frozen=True, slots=True)
class Objective:
    """`per_second` instances of `tokens` each, 95 of 100 within `p95_ms`.

    `format`: of those that carry it, the one that loses the least; empty if none does.
    """

    format: str
    tokens: int
    per_second: float
    p95_ms: float

    def __str__(self) -> str:
        return f"{self.per_second:g} instances/s of {self.tokens} tokens within {self.p95_ms:g} ms (p95)"

    def sequences(self, evaluator: Evaluator) -> tuple[int, int]:
        """Return how many sequences an instance is read in, and how long each is."""
        length, windows = min(self.tokens, evaluator.max_tokens), evaluator.windows
        if windows is None:
            return 1, length
        return len(spans(self.tokens, evaluator.max_tokens, windows.stride, windows.most)), length


def objective_of(report: Any) -> Objective | None:
    """Return what a `gnomon.v1.EvaluationReport`, as JSON, says of it; None if it says nothing readable.

    A version is served without a report as well, so that a strange one is no error.
    """
    try:
        service = report["service"]
        asked = service["objective"]
        found = Objective(
            format=str(service["format"]) if service["met"] is True else "",
            tokens=int(asked["input_tokens"]),
            per_second=float(asked.get("peak_qps") or asked.get("average_qps") or 0.0),
            p95_ms=float(asked["p95_ms"]),
        )
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return None
    is_sound = found.tokens >= 1 and 0 < found.per_second < math.inf and 0 < found.p95_ms < math.inf
    return found if is_sound else None
