"""How far a labelling is, and how long the rest will take. Pure."""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_PACE_ROWS = 200  # the last rows, whose pace is that of the rest


@dataclass(slots=True)
class LabellingProgress:
    """Counts rows as they end. `clock` gives seconds that only grow."""

    total: int
    clock: Callable[[], float]
    judged: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    _ends: deque[float] = field(default_factory=lambda: deque(maxlen=_PACE_ROWS))

    def begin(self) -> None:
        """Say that rows are judged from now on."""
        self._ends.append(self.clock())

    def add_judged(self) -> None:
        self.judged += 1
        self._ends.append(self.clock())

    def add_failed(self, reason: str) -> None:
        self.failures[reason] += 1
        self._ends.append(self.clock())

    @property
    def ended(self) -> int:
        return self.judged + self.failures.total()

    @property
    def remaining_s(self) -> float | None:
        """How long the rest takes at the pace of the last rows; None where there is none yet."""
        paced = len(self._ends) - 1
        if paced < 1:
            return None
        return (self.total - self.ended) * (self._ends[-1] - self._ends[0]) / paced

    def to_json(self) -> dict[str, Any]:
        return {
            "judged": self.judged,
            "failures": dict(self.failures),
            "total": self.total,
            "remaining_s": self.remaining_s,
        }


def estimated_cost(progress: Mapping[str, Any], cost: float) -> float:
    """Return what all rows will cost, by what those that ended did; 0 while none has."""
    ended = progress.get("judged", 0) + sum(progress.get("failures", {}).values())
    return cost * progress["total"] / ended if ended else 0.0
