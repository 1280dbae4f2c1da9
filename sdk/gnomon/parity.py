"""How far scores may be from the reference's for a format to take its place. Pure.

The trainer's gate and the one for engines that are built on their target both
judge by this. `docs/decisions/0012-what-a-format-may-change.md` has the
figures behind the limits.
"""

from collections.abc import Mapping, Sequence

from gnomon.decision import Decision

FP32_LIMITS: Mapping[str, float] = {"max_logit_difference": 1e-4, "batch_invariance_difference": 1e-4}

# For what computes with fewer bits. Probabilities that keep within `max_probability_change` can change the
# label or the flag only of a row that is as near to its threshold.
_REDUCED_LIMITS: Mapping[str, float] = {
    "label_flip_share": 0.02,
    "p99_probability_change": 0.1,
    "max_probability_change": 0.15,
    "batch_invariance_difference": 2e-3,
}


def reduced_limits(rows: int) -> Mapping[str, float]:
    """Return the limits of a format that computes with fewer bits, on so many rows.

    One row may always flip: on few rows it is more than the share, and no
    evidence against a format.
    """
    return {**_REDUCED_LIMITS, "label_flip_share": max(_REDUCED_LIMITS["label_flip_share"], 1 / rows)}


def changes(before: Sequence[Decision], after: Sequence[Decision]) -> dict[str, float]:
    """Return the share of rows that flip, and how far the probability of a class moves.

    A row flips with its label or with its flag: guardrails act on the flag,
    and the label of a categorical metric does not follow it. How far: in the
    worst row, and in the worst but 1 % (interpolated, as NumPy's quantile).
    """
    shifts = sorted(
        max(abs(a - b) for a, b in zip(one.probabilities, other.probabilities, strict=True))
        for one, other in zip(before, after, strict=True)
    )
    flips = sum(
        (one.label, one.flagged) != (other.label, other.flagged)
        for one, other in zip(before, after, strict=True)
    )
    place = 0.99 * (len(shifts) - 1)
    below, above = shifts[int(place)], shifts[min(int(place) + 1, len(shifts) - 1)]
    return {
        "label_flip_share": flips / len(shifts),
        "p99_probability_change": below + (above - below) * (place % 1),
        "max_probability_change": shifts[-1],
    }


def excess(found: Mapping[str, float], limits: Mapping[str, float]) -> str:
    """Return which measures are above their limits, in words; empty if none is."""
    return "; ".join(
        f"{key} is {value:.2g}, and may be at most {limits[key]:.2g}"
        for key, value in found.items()
        if key in limits and not value <= limits[key]  # written so that NaN is in excess
    )
