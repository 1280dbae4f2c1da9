"""What a generator is asked for next, so that classes and seeds get their turn. Pure.

The same state gives the same calls: work that goes on after a crash asks what
it asked before, and finds the answers that it has paid for.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from gnomon.errors import InvalidRequestError, Violation
from gnomon.instances import InputShape
from gnomon_trainer.domain.generation_parts import copied_column
from gnomon_trainer.domain.generation_prompt import Wanted
from gnomon_trainer.domain.generation_seeds import Seed
from gnomon_trainer.domain.generation_wishes import Manner

# What is asked for at once: each round learns from what the ones before left, and compares its rows with all.
_ROUND_ROWS, _ROUND_SHARE = 100, 0.05
MOST_ASKED = 5  # items for each row that is wanted: a class that takes more is given up
_ALSO_ASKED = 20
_OTHERS = 2
_AVOIDED = 5

_LENGTHS = (
    "Make them short: the fewest words in which someone would say it.",
    "Make them about as long as the examples.",
    "Make them longer than most examples, with details of their own.",
    "Make some short and some long.",
)
_TONES = (
    "Write as the examples are written.",
    "Write plainly and to the point, where that fits the class.",
    "Write hurriedly, as people type on a phone, where that fits the class.",
    "Write politely and in whole sentences, where that fits the class.",
    "Write as somebody who knows the subject well, where that fits the class.",
    "Write as somebody to whom all this is new, where that fits the class.",
)


def shares_of(
    balance: Mapping[str, float], classes: Sequence[str], seeded: Sequence[str]
) -> dict[str, float]:
    """Return the share of rows that each class is to have; even over the classes with seeds if none is given.

    Raises:
        InvalidRequestError: a share is of no class, is no share, or is of a class without a seed.
    """
    wanted = {label: share for label, share in balance.items() if share}
    if not wanted:
        return {label: 1 / len(seeded) for label in classes if label in seeded}
    for label, share in wanted.items():
        if label not in classes:
            raise _wrong(f"names {label[:40]!r}, which is no class of the metric")
        if not 0 < share < float("inf"):
            raise _wrong(f"has {share:g} for {label!r}; shares are numbers above 0")
        if label not in seeded:
            raise _wrong(f"asks for {label!r}, of which there is no seed. Add rows of it in seed_set")
    total = sum(wanted.values())
    return {label: wanted[label] / total for label in classes if label in wanted}


def counts(rows: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Divide rows by shares; what is left over goes to the largest remainders, then in order."""
    exact = {label: rows * share for label, share in shares.items()}
    found = {label: int(count) for label, count in exact.items()}
    order = sorted(exact, key=lambda label: found[label] - exact[label])  # stable
    for label in order[: rows - sum(found.values())]:
        found[label] += 1
    return found


def missing(
    wanted: Mapping[str, int], kept: Mapping[str, int], asked: Mapping[str, int], allotments: int = 1
) -> dict[str, int]:
    """Return how many rows of which class are to be asked for still; none of one that is given up."""
    found = {}
    for label, count in wanted.items():
        left = count - kept.get(label, 0)
        allowed = allotments * (MOST_ASKED * count + _ALSO_ASKED) - asked.get(label, 0)
        if left > 0 and allowed > 0:
            found[label] = min(left, allowed)
    return found


def calls(
    left: Mapping[str, int],
    asked: Mapping[str, int],
    seeds: Sequence[Seed],
    manner: Manner,
    *,
    shape: InputShape,
    avoided: Sequence[Mapping[str, Any]],
    draw: random.Random,
) -> list[Wanted]:
    """Return the calls of a round, which ask for `left` rows of each class, or for some of these.

    `asked` says how many rows of each class were asked for before: the seeds of
    a class come in turn, and go on where the round before stopped.
    """
    found: list[Wanted] = []
    total = sum(left.values())
    rows = min(total, max(_ROUND_ROWS, int(total * _ROUND_SHARE)))
    carried = sum(asked.values()) // max(1, manner.rows_per_call)
    for label, count in counts(rows, _shares(left)).items():
        own = [seed for seed in seeds if seed.label == label]
        others = [seed for seed in seeds if seed.label != label]
        turn = asked.get(label, 0) // manner.rows_per_call
        for start in range(0, count, manner.rows_per_call):
            found.append(
                Wanted(
                    label=label,
                    count=min(manner.rows_per_call, count - start),
                    examples=_in_turn(own, turn * manner.examples_per_call, manner.examples_per_call),
                    others=tuple(draw.sample(others, min(_OTHERS, len(others)))),
                    carrier=seeds[(carried + len(found)) % len(seeds)] if copied_column(shape) else None,
                    avoided=tuple(draw.sample(avoided, min(_AVOIDED, len(avoided)))),
                    length=draw.choice(_LENGTHS),
                    tone=draw.choice(_TONES) if manner.varies_tone else _TONES[0],
                    manner=manner,
                )
            )
            turn += 1
    return found


def _shares(left: Mapping[str, int]) -> dict[str, float]:
    total = sum(left.values())
    return {label: count / total for label, count in left.items()}


def _in_turn(seeds: Sequence[Seed], start: int, count: int) -> tuple[Seed, ...]:
    return tuple(seeds[(start + place) % len(seeds)] for place in range(min(count, len(seeds))))


def _wrong(rule: str) -> InvalidRequestError:
    return InvalidRequestError(f"class_balance {rule}.", violations=[Violation("class_balance", rule)])
