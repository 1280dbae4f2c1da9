"""How long the inputs of a load are, in tokens. Pure."""

import math
import random
from dataclasses import dataclass

_Z95 = 1.6448536269514722  # the 95th percentile of the standard normal


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Lengths as those of real texts: many short ones, a long tail."""

    mean: float
    p95: float

    @staticmethod
    def problem(mean: float, p95: float) -> str | None:
        """Say why there is no such distribution, if there is none.

        With mean m and 95th percentile q, sigma solves s²/2 - z s + ln(q/m) = 0, z = 1.645: real
        only for ln(q/m) <= z²/2.
        """
        if p95 < mean:
            return "p95 must not be below mean"
        if p95 > mean * math.exp(_Z95**2 / 2):
            return (
                f"p95 can be {math.exp(_Z95**2 / 2):.2f} times the mean at most; give a list of parts instead"
            )
        return None

    def draw(self, random_: random.Random) -> int:
        spread = _Z95 - math.sqrt(max(0.0, _Z95**2 - 2 * math.log(self.p95 / self.mean)))
        middle = math.log(self.mean) - spread**2 / 2
        return max(1, round(random_.lognormvariate(middle, spread)))

    def __str__(self) -> str:
        return f"mean {self.mean:g}, p95 {self.p95:g}"


@dataclass(frozen=True, slots=True)
class Fixed:
    """Some lengths, each with its share of the calls; shares sum to 1."""

    tokens: tuple[int, ...]
    shares: tuple[float, ...]

    def draw(self, random_: random.Random) -> int:
        return random_.choices(self.tokens, self.shares)[0]

    def __str__(self) -> str:
        parts = zip(self.tokens, self.shares, strict=True)
        return ", ".join(f"{share:.0%} of {tokens}" for tokens, share in parts)


Mix = LogNormal | Fixed

_BUCKETS = (32, 128, 512)


def bucket(tokens: int) -> str:
    """Return a name for lengths like this one, such as `33-128 tokens`."""
    low = 1
    for high in _BUCKETS:
        if tokens <= high:
            return f"{low}-{high} tokens"
        low = high + 1
    return f"{low}+ tokens"
