"""When a lease is over. Pure.

No clock of one machine is compared with that of another, and none that can be
set. Every write of a holder changes its row; who looks on counts, by the
seconds that pass for itself, how long a row has stayed the same, and expires
the lease of a holder that was silent for too long. From then on it is free for
everybody, because the row says so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

_SHARE_OF_A_LOOK = 0.25


@dataclass(frozen=True, slots=True)
class LifeSign:
    """What a row showed of its holder: `revision` is another one after every write."""

    uid: str
    fence: int
    revision: int


class LeasedRows(Protocol):
    """Rows that somebody holds."""

    def life_signs(self) -> Sequence[LifeSign]:
        """Return what the rows show whose leases have not expired."""
        ...

    def expire(self, sign: LifeSign) -> bool:
        """Let anybody claim a row; False, and nothing is done, if it has changed since the sign."""
        ...


class LeaseWatch:
    """Expires leases whose holders were silent for `lease_s` while this process looked on.

    `elapsed` gives seconds from any start. What passes between two looks counts
    for a quarter of the lease at most: a process, or a whole machine, that was
    stopped knows nothing of what others did meanwhile, and they may have been
    stopped with it.
    """

    def __init__(self, rows: LeasedRows, lease_s: float, elapsed: Callable[[], float]) -> None:
        self._rows = rows
        self._lease_s = lease_s
        self._elapsed = elapsed
        self._looked_at = elapsed()
        self._silent_s: dict[LifeSign, float] = {}

    @property
    def interval_s(self) -> float:
        """How often to look so that a silent holder is found in time."""
        return min(1.0, _SHARE_OF_A_LOOK * self._lease_s)

    def look(self) -> int:
        """Expire what was silent for too long; return how much."""
        signs = self._rows.life_signs()
        now = self._elapsed()
        passed_s = min(now - self._looked_at, _SHARE_OF_A_LOOK * self._lease_s)
        self._looked_at = now
        known = self._silent_s
        self._silent_s = {sign: known[sign] + passed_s if sign in known else 0.0 for sign in signs}
        over = [sign for sign, silent_s in self._silent_s.items() if silent_s >= self._lease_s]
        return sum(self._rows.expire(sign) for sign in over)


class Confirmed:
    """Until when a holder may count on its lease, by the seconds that pass for itself.

    Whoever looks on sees a write after it began, and so counts from later on.
    """

    def __init__(self, lease_s: float, elapsed: Callable[[], float], began: float) -> None:
        self.now = elapsed
        self._lease_s = lease_s
        self._until = began + lease_s

    @property
    def interval_s(self) -> float:
        """How often to see whether a renewal is due."""
        return _SHARE_OF_A_LOOK * self._lease_s

    @property
    def is_over(self) -> bool:
        """Whether another may hold the lease by now."""
        return self.now() >= self._until

    @property
    def is_due(self) -> bool:
        """Whether it is time to renew."""
        return self.now() >= self._until - (1 - _SHARE_OF_A_LOOK) * self._lease_s

    def since(self, began: float) -> None:
        """A write that began then was stored, and renewed the lease."""
        self._until = began + self._lease_s
