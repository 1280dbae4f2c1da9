"""Who is let in: predictions from measured speed. Pure.

Refusing on arrival costs a caller a millisecond; a queue that nobody can
leave in time costs everybody everything.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gnomon.errors import OverloadedError
from gnomon_scorer.domain.lanes import Lane

_FIRST_TOKENS_PER_S = 10_000.0  # before anything was measured
_MEMORY = 0.05  # the weight of the newest batch in what is measured
_MOST_SLOWER = 5.0
_FOR_THE_WAY = 0.1  # the share of a caller's time that the answer's way back may take
_GAIN, _DEVIATION_GAIN, _DEVIATIONS = 1 / 64, 1 / 32, 4.0
_LONGEST_RETRY_S = 60.0
_SHORTEST_RETRY_S = 0.05


class Speed:
    """What one call of the device does, measured in tokens a second."""

    def __init__(self) -> None:
        self.tokens_per_s = _FIRST_TOKENS_PER_S
        self._tokens = 0.0
        self._seconds = 0.0

    def measure(self, tokens: int, seconds: float) -> None:
        """Take in one batch. Tokens and seconds are averaged, not their ratio: long batches count more.

        A batch that took many times what was expected counts as that many: a
        process that was stopped for a while has not become slow.
        """
        if self._seconds:
            seconds = min(seconds, _MOST_SLOWER * tokens / self.tokens_per_s)
        self._tokens += _MEMORY * (tokens - self._tokens)
        self._seconds += _MEMORY * (max(seconds, 1e-6) - self._seconds)
        self.tokens_per_s = self._tokens / self._seconds


class Lateness:
    """How much later than predicted answers are, in seconds: whom to let in is decided by what came of it.

    A smoothed mean and deviation, as RFC 6298 has them of round trips; smoothed
    over more samples, as there are hundreds a second. Whoever is let in at all
    is let in with this allowance, so a time of bad predictions passes.
    """

    def __init__(self) -> None:
        self._mean = 0.0
        self._deviation = 0.0

    @property
    def allowance_s(self) -> float:
        """Return what to add to a prediction for (nearly) everybody to be in time."""
        return max(0.0, self._mean + _DEVIATIONS * self._deviation)

    def measure(self, late_s: float) -> None:
        self._deviation += _DEVIATION_GAIN * (abs(late_s - self._mean) - self._deviation)
        self._mean += _GAIN * (late_s - self._mean)


@dataclass(frozen=True, slots=True)
class Load:
    """What is there when a request comes, as far as it goes before the request.

    Tokens of one queue; speed of all cores together.
    """

    waiting: Mapping[str, int]  # tokens, by caller
    running: int
    tokens_per_s: float
    max_tokens: int
    turn_tokens: int
    allowance_s: float = 0.0  # for predictions that are too good

    @property
    def total(self) -> int:
        return sum(self.waiting.values())

    def ahead_of(self, caller: str) -> int:
        """Return the tokens that run before a new request of this caller, as turns are taken."""
        own = self.waiting.get(caller, 0)
        others = sum(
            min(tokens, own + self.turn_tokens) for name, tokens in self.waiting.items() if name != caller
        )
        return own + others + self.running // 2  # what runs is half done, on average

    def drain_s(self) -> float:
        """Return the seconds until all that is here is done."""
        return (self.total + self.running // 2) / self.tokens_per_s


def admit(load: Load, tokens: int, caller: str, remaining_s: float | None, lane: Lane) -> float:
    """Let a request in and return the seconds that it will take, or refuse it.

    A full queue refuses a caller who has a fair share of it; others are let in
    up to twice the bound, in which nobody counts for more than all of it. A
    request counts for half of the queue at most, or the largest would never
    get in. One without a deadline is never too late.

    Raises:
        OverloadedError: with `retry_after_s`; its metadata `why` is
            `queue_full`, `unfair_share` or `too_late`.
    """
    own = load.waiting.get(caller, 0)
    size = min(tokens, load.max_tokens // 2)
    if load.total and load.total + size > load.max_tokens:
        share = load.max_tokens / (len(load.waiting) + (caller not in load.waiting))
        counted = sum(min(waiting, load.max_tokens) for waiting in load.waiting.values())
        if own + size > share or counted + size > 2 * load.max_tokens:
            why = "unfair_share" if len(load.waiting) > 1 and own + size > share else "queue_full"
            raise _refusal(why, "The scorer's queue is full.", load.drain_s(), load, lane)
    ahead = load.ahead_of(caller)
    wait_s = (ahead + tokens) / load.tokens_per_s
    if remaining_s is not None and ahead:
        late_s = wait_s + load.allowance_s - (1 - _FOR_THE_WAY) * remaining_s
        if late_s > 0:
            raise _refusal("too_late", "The scorer cannot answer before the deadline.", late_s, load, lane)
    return wait_s


def _refusal(why: str, what: str, retry_after_s: float, load: Load, lane: Lane) -> OverloadedError:
    return OverloadedError(
        f"{what} Retry after the given delay, or add scorers.",
        retry_after_s=min(_LONGEST_RETRY_S, max(_SHORTEST_RETRY_S, retry_after_s)),
        why=why,
        lane=lane.name,
        queued_tokens=str(load.total),
        max_queued_tokens=str(load.max_tokens),
    )
