"""How a long instance is read: in overlapping windows, whose logits become one score. Pure.

The trainer and the scorer both cut and reduce here, so that what is measured
is what is served.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

MOST = 64  # windows of an instance
REDUCERS = ("max", "mean")


@dataclass(frozen=True, slots=True)
class Reduced:
    """One row of logits, made of those of all windows.

    `deciding_window` counts from 0; None where several windows were combined.
    """

    logits: Sequence[float]
    deciding_window: int | None


def held(kept: int, windowed: int, room: int) -> int:
    """Return how many tokens of the kept text each window holds; the rest of its `room` is for the other.

    `kept` and `windowed` are the tokens that the two texts have. The kept one
    is whole unless it would leave the other less than a quarter of the room.
    """
    return min(kept, room - min(windowed, math.ceil(room / 4)))


def reach(room: int, stride: int, most: int) -> int:
    """Return how many tokens of a text can be read at most, however much of a window it gets."""
    return room + (most - 1) * min(stride, room)


def spans(length: int, width: int, stride: int, most: int) -> list[tuple[int, int]]:
    """Return where the windows of a text of `length` tokens begin and end, each `width` long.

    Those are 1 + ⌈(length - width) / stride⌉ windows, and never more than
    `most`. They start `stride` tokens apart, or `width` if that is less, so
    that no token is left out; the last one starts earlier if need be, so that
    it ends with the text and is not a scrap of it.
    """
    if length <= width or width < 1:
        return [(0, min(length, width))]
    step = min(stride, width)
    needed = 1 + math.ceil((length - width) / step)
    starts = [number * step for number in range(min(needed, most))]
    if needed <= most:
        starts[-1] = length - width
    return [(start, start + width) for start in starts]


def reduce(windows: Sequence[Sequence[float]], reducer: str, flagged: Collection[int]) -> Reduced:
    """Make one row of logits of those of an instance's windows, each one logit a class.

    `max`: the window decides in which the `flagged` classes, given by their
    indices, are together most probable; where there are none (or all are), the
    window that is surest of its class; the first of equals. `mean`: the mean
    of the logits. Both look at the logits as they are: calibration comes
    after, and is fitted on what this returns.
    """
    if len(windows) == 1:
        return Reduced(windows[0], 0)
    if reducer == "mean":
        return Reduced([math.fsum(column) / len(windows) for column in zip(*windows, strict=True)], None)
    classes = range(len(windows[0]))
    findings = [set(flagged)] if 0 < len(set(flagged)) < len(classes) else [{index} for index in classes]
    evidence = [max(_log_odds(row, classes_) for classes_ in findings) for row in windows]
    deciding = max(range(len(windows)), key=evidence.__getitem__)
    return Reduced(windows[deciding], deciding)


def _log_odds(logits: Sequence[float], classes: Collection[int]) -> float:
    """Return log(p / (1 - p)) of these classes together: in their order, but finer near 0 and 1."""
    among = _log_sum([value for index, value in enumerate(logits) if index in classes])
    return among - _log_sum([value for index, value in enumerate(logits) if index not in classes])


def _log_sum(logits: Sequence[float]) -> float:
    highest = max(logits)
    return highest + math.log(math.fsum(math.exp(value - highest) for value in logits))
