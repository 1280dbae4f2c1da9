"""What the workers of one run did, step by step, from the trace of their calls."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Followed:
    """`last` is the last step of all; `most_repeated` how many steps of another one worker repeated."""

    last: int
    most_repeated: int
    problems: tuple[str, ...]


def read(trace: Path) -> Followed:
    """Follow a trace of lines `process function step`, in the order in which they were written."""
    return follow([(p, f, int(s)) for p, f, s in (line.split() for line in trace.read_text().splitlines())])


def follow(calls: list[tuple[str, str, int]]) -> Followed:
    """Return how far the workers came, and how much of it twice.

    A worker goes on behind the newest checkpoint that is complete: what it repeats is less than an interval.
    """
    taken: dict[str, int] = defaultdict(int)
    checkpoint = last = most = 0
    problems = []
    for process, function, step in calls:
        if function == "Checkpoints.write":
            checkpoint = max(checkpoint, step)
            continue
        if process not in taken and last:
            if step < checkpoint:
                problems.append(f"went on at step {step} although the checkpoint of {checkpoint} was written")
            most = max(most, last - step + 1)
        taken[process] = step
        last = max(last, step)
    return Followed(last, most, tuple(problems))
