"""How varied texts are, and how far generated ones have drifted from their seeds. Pure.

Every figure of generated rows stands beside the same one of the seeds: alone
none of them says anything. Figures that depend on how many texts there are
are taken of equally many of both.
"""

import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

_GRAMS = (1, 2, 3)
_DRAWS = 10
MOST_TEXTS = 1_000  # of each side, for what a probe measures


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure of both sides; None where it is not defined."""

    key: str
    generated: float | None
    seeds: float | None


@dataclass(frozen=True, slots=True)
class Drift:
    """What tells generated texts from seeds.

    `mean_distance`: cosine distance of the two mean vectors; `mean_distance_of_seeds` the same of
    two random halves of the seeds. `auroc`: how well a logistic regression on words, and on
    vectors where a base model is at hand, tells one from the other on rows that it did not learn
    from: 0.5 not at all, 1 always. None where there are too few texts or no base model.
    """

    auroc: float | None = None
    mean_distance: float | None = None
    mean_distance_of_seeds: float | None = None
    spread: float | None = None  # mean cosine distance of two generated texts
    spread_of_seeds: float | None = None


class DriftProbe(Protocol):
    """Measures texts by a model, in a process of its own."""

    async def drift(self, generated: Sequence[str], seeds: Sequence[str]) -> Drift:
        """Compare texts; InternalError if the probe broke down."""
        ...


def figures(generated: Sequence[str], seeds: Sequence[str]) -> list[Figure]:
    """Return distinct n-grams and lengths of normalised texts."""
    size = min(len(generated), len(seeds))
    found = [Figure(f"distinct_{n}", distinct(generated, n, size), distinct(seeds, n, size)) for n in _GRAMS]
    lengths = [sorted(len(text.split()) for text in texts) for texts in (generated, seeds)]
    return found + [
        Figure(f"words_p{share}", *(_quantile(of, share / 100) for of in lengths)) for share in (10, 50, 90)
    ]


def distinct(texts: Sequence[str], n: int, size: int) -> float | None:
    """Return the share of different n-grams among all of `size` texts, the mean of some draws.

    Li et al., 2016 (arXiv:1510.03055), section 5.2. It falls with every text
    that is added, so that only sets of one size can be compared.
    """
    draw = random.Random(0)  # noqa: S311  a seeded sample, no secret
    draws = 1 if size == len(texts) else _DRAWS
    shares = [share for _ in range(draws) if (share := _distinct(draw.sample(texts, size), n)) is not None]
    return statistics.fmean(shares) if shares else None


def _distinct(texts: Sequence[str], n: int) -> float | None:
    grams = [gram for text in texts for gram in _grams(text.split(), n)]
    return len(set(grams)) / len(grams) if grams else None


def _grams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return list(zip(*(words[start:] for start in range(n)), strict=False))


def _quantile(ordered: Sequence[int], share: float) -> float | None:
    return float(ordered[min(len(ordered) - 1, int(share * len(ordered)))]) if ordered else None


def sampled(texts: Sequence[str]) -> list[str]:
    """Return the texts that a probe is asked about: all, or so many of them."""
    draw = random.Random(0)  # noqa: S311  a seeded sample, no secret
    return list(texts) if len(texts) <= MOST_TEXTS else draw.sample(texts, MOST_TEXTS)


def as_report(found: Sequence[Figure], drift: Drift) -> dict[str, Any]:
    """Return figures as a generation's result keeps them."""
    every = [*found, Figure("spread", drift.spread, drift.spread_of_seeds)]
    return {
        "figures": [{"key": f.key, "generated": f.generated, "seeds": f.seeds} for f in every],
        "auroc": drift.auroc,
        "mean_distance": drift.mean_distance,
        "mean_distance_of_seeds": drift.mean_distance_of_seeds,
    }


def share_dropped(dropped: Mapping[str, int], causes: Sequence[str], asked: int) -> float:
    """Return the share of items that were dropped for some causes."""
    return sum(dropped.get(cause, 0) for cause in causes) / asked if asked else 0.0
