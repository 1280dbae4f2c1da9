"""Taking turns: what keeps one caller's flood from the others' calls. Pure.

Start-time fair queueing (Goyal, Vin and Cheng, "Start-time Fair Queueing",
SIGCOMM 1996), relaxed by one turn: within it the order is the deadlines'.
"""

from collections.abc import Mapping

MOST_CALLERS = 256  # who wait at a time; all others count as one
_MOST_KNOWN = 4 * MOST_CALLERS


class Turns:
    """Callers that wait, and how many tokens each was served while others waited.

    No caller is served more than `turn_tokens`, and the batch that reaches
    them, beyond another one who waits all the while. Who comes anew starts
    level with the one served least, so that absence earns nothing; who leaves
    and comes again while others wait goes on from where they were. When nobody
    waits, all is forgotten.
    """

    def __init__(self, turn_tokens: int) -> None:
        self._turn_tokens = turn_tokens
        self._waiting: dict[str, int] = {}
        self._entries: dict[str, int] = {}
        self._served: dict[str, int] = {}

    @property
    def waiting(self) -> Mapping[str, int]:
        """Return the waiting tokens of each caller."""
        return self._waiting

    def add(self, caller: str, tokens: int) -> None:
        if caller not in self._waiting:
            self._served[caller] = max(self._served.get(caller, 0), self._least())
        self._waiting[caller] = self._waiting.get(caller, 0) + tokens
        self._entries[caller] = self._entries.get(caller, 0) + 1

    def serve(self, caller: str, tokens: int) -> None:
        """Count what a caller gets; before the entry is removed."""
        self._served[caller] += tokens

    def remove(self, caller: str, tokens: int) -> bool:
        """Take back an entry; tell whether the caller still waits for others."""
        self._waiting[caller] -= tokens
        self._entries[caller] -= 1
        if self._entries[caller]:
            return True
        for counts in (self._waiting, self._entries):
            del counts[caller]
        if not self._waiting:
            self._served.clear()
        elif len(self._served) > _MOST_KNOWN:
            self._served = {name: self._served[name] for name in self._waiting}
        return False

    def eligible(self) -> list[str]:
        """Return the callers who may be next: those not a turn ahead of the one served least."""
        most = self._least() + self._turn_tokens
        return [caller for caller in self._waiting if self._served[caller] <= most]

    def _least(self) -> int:
        return min((self._served[caller] for caller in self._waiting), default=0)
