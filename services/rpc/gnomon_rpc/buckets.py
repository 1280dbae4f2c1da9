"""Token buckets and counts of what is in flight: the arithmetic of limits. Pure."""

from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """Lends `rate_per_s` × time + `burst` at most, from any instant to any other.

    It begins full. Times are seconds of a clock that does not go back; one that
    does lends nothing for it.
    """

    rate_per_s: float
    burst: float
    at_s: float
    left: float = -1.0

    def __post_init__(self) -> None:
        if self.left < 0:
            self.left = self.burst

    def wait_s(self, amount: float, now_s: float) -> float:
        """Return how long it takes until this much can be taken; 0 if it can be now."""
        self._fill(now_s)
        return max(0.0, (min(amount, self.burst) - self.left) / self.rate_per_s)

    def take(self, amount: float, now_s: float) -> None:
        """Take it, even if that leaves a debt; ask `wait_s` before."""
        self._fill(now_s)
        self.left -= amount

    def changed(self, rate_per_s: float, burst: float, now_s: float) -> None:
        """Go on with another rate; what is left stays, as far as it fits."""
        self._fill(now_s)
        self.rate_per_s, self.burst = rate_per_s, burst
        self.left = min(self.left, burst)

    def _fill(self, now_s: float) -> None:
        gone_s = max(0.0, now_s - self.at_s)
        self.at_s = max(self.at_s, now_s)
        self.left = min(self.burst, self.left + gone_s * self.rate_per_s)
