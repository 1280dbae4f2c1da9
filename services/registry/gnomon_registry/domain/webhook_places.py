"""Who may send how much at once, so that one slow receiver takes no other's turn. Pure."""

from collections import Counter
from collections.abc import Iterable

SLOW_S = 2.0
_MOST_OF_ONE = 4


class Places:
    """Places for requests that are under way in this process.

    A receiver has up to four at once. One whose last request failed or was slow has one, and all of these
    together half of the places: however many of them there are, the others find room. Whose last turn is the
    longest ago is next, so that everybody has one.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._taken: Counter[str] = Counter()
        self._troubled: set[str] = set()
        self._turns = 0
        self._last_turns: dict[str, int] = {}

    @property
    def taken(self) -> int:
        return self._taken.total()

    def rooms(self, webhooks: Iterable[str]) -> dict[str, int]:
        """Return how many requests each of these may begin now; those that can begin none are left out."""
        free = self._places - self.taken
        for_troubled = max(1, self._places // 2) - sum(self._taken[name] for name in self._troubled)
        rooms: Counter[str] = Counter()
        # In turns, the one with the fewest first: each gets one before anyone gets two. Neither a name nor a
        # trouble puts one behind, or those before it could keep it there for as long as they have work.
        waiting = sorted(webhooks, key=lambda name: (self._taken[name], self._last_turns.get(name, 0), name))
        while free > 0 and waiting:
            still = []
            for name in waiting:
                troubled = name in self._troubled
                limit = 1 if troubled else _MOST_OF_ONE
                if free <= 0 or self._taken[name] + rooms[name] >= limit or (troubled and for_troubled <= 0):
                    continue
                rooms[name] += 1
                free -= 1
                for_troubled -= troubled
                still.append(name)
            waiting = still
        return dict(rooms)

    def take(self, webhook: str) -> None:
        self._taken[webhook] += 1
        self._turns += 1
        self._last_turns[webhook] = self._turns

    def give_back(self, webhook: str, *, well: bool) -> None:
        """End a request; `well` tells that it succeeded, and soon."""
        self._taken[webhook] -= 1
        self._troubled.discard(webhook)
        if not well:
            self._troubled.add(webhook)
