"""Taking turns: what keeps one caller's flood from the others' calls. Pure.

Start-time fair queueing (Goyal, Vin and Cheng, "Start-time Fair Queueing",
SIGCOMM 1996), relaxed by one turn: within it the order is the deadlines'.
"""

from collections.abc import Mapping


class Turns:
    """Callers that wait, and how many tokens each was served while others waited.

    No caller is served more than `turn_tokens`, and the batch that reaches
    them, beyond another one who waits all the while. Who comes anew starts
    level with the one served least, so that absence earns nothing. Callers who
    do not wait are forgotten: memory is that of the queue.
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
            self._served[caller] = min(self._served.values(), default=0)
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
        for counts in (self._waiting, self._entries, self._served):
            del counts[caller]
        return False

    def eligible(self) -> list[str]:
        """Return the callers who may be next: those not a turn ahead of the one served least."""
        least = min(self._served.values(), default=0)
        return [caller for caller, served in self._served.items() if served <= least + self._turn_tokens]
