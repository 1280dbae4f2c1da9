"""What callers saw, and whether a registry that keeps its promises can have answered so. Pure.

A call is known by when it began and ended for its caller. One that brought no answer has no end that counts:
it may take effect at any time, or never. `problems` knows these calls and ignores others:

    create_version   metric, request_id -> number
    list_versions    metric             -> numbers, all of them
    set_alias        metric, alias, number
    get_alias        metric, alias      -> number, 0 before it is set
    create           kind, request_id   -> name
"""

import json
import math
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One call. Times are seconds on the clock of whoever recorded it; `answer` is None if none came."""

    kind: str
    start: float
    end: float
    arguments: Mapping[str, Any]
    answer: Any = None
    error: str = ""

    @property
    def last(self) -> float:
        """When it had taken effect at the latest."""
        return self.end if self.answer is not None else math.inf


class NoAnswerError(Exception):
    """A call ended without telling whether it had an effect."""


@dataclass
class Recorder:
    """Calls, and writes down how it went. Many threads may use it."""

    clock: Callable[[], float]
    calls: list[Call] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def call(self, kind: str, function: Callable[[], Any], **arguments: Any) -> Any:
        """Return the function's answer, None if it raised NoAnswerError; what else it raises goes on."""
        start, answer, error = self.clock(), None, ""
        try:
            answer = function()
        except NoAnswerError as raised:
            error = str(raised)
        call = Call(kind, start, self.clock(), arguments, answer, error)
        with self._lock:
            self.calls.append(call)
        return answer

    def write(self, path: Path) -> None:
        path.write_text("".join(json.dumps(asdict(call)) + "\n" for call in self.calls))


def read(path: Path) -> list[Call]:
    """Return the calls that a recorder wrote."""
    return [Call(**json.loads(line)) for line in path.read_text().splitlines()]


def problems(calls: Iterable[Call]) -> list[str]:
    """Return what a registry that keeps its promises cannot have answered."""
    every = sorted(calls, key=lambda call: call.start)
    by_kind: dict[str, list[Call]] = defaultdict(list)
    for call in every:
        by_kind[call.kind].append(call)
    return [
        *_of_requests([*by_kind["create_version"], *by_kind["create"]]),
        *_of_versions(by_kind["create_version"], by_kind["list_versions"]),
        *_of_aliases(by_kind["set_alias"], by_kind["get_alias"]),
    ]


# -------------------------------------------------------------------- request IDs


def _of_requests(creates: Sequence[Call]) -> list[str]:
    """One request ID has one effect, and every answer names it."""
    answers: dict[Any, set[str]] = defaultdict(set)
    for call in creates:
        if call.answer is not None:
            answers[call.arguments["request_id"]].add(str(call.answer))
    return [f"request {id_} was answered {sorted(a)}" for id_, a in answers.items() if len(a) > 1]


# ---------------------------------------------------------------------- versions


def _of_versions(creates: Sequence[Call], lists: Sequence[Call]) -> list[str]:
    found = []
    by_metric: dict[str, dict[str, Call]] = defaultdict(dict)  # the first answered call of every request
    for call in creates:
        if call.answer is not None:
            by_metric[call.arguments["metric"]].setdefault(call.arguments["request_id"], call)
    for metric, first in by_metric.items():
        made = sorted(first.values(), key=lambda call: call.answer)
        for one, other in pairwise(made):
            if one.answer == other.answer:
                found.append(f"{metric} has the number {one.answer} twice")
        found += _out_of_order(metric, _first_calls(creates, metric), made)
    for seen in lists:
        if seen.answer is None:
            continue
        numbers = set(seen.answer)
        if len(numbers) != len(seen.answer):
            found.append(f"a list of {seen.arguments['metric']} has a number twice")
        for call in by_metric[seen.arguments["metric"]].values():
            if call.end < seen.start and call.answer not in numbers:
                found.append(f"{seen.arguments['metric']} lost {call.answer}, which was acknowledged")
    return found


def _first_calls(creates: Sequence[Call], metric: str) -> dict[str, float]:
    """Return when every request was made first: its effect is no earlier."""
    begun: dict[str, float] = {}
    for call in creates:
        if call.arguments["metric"] == metric:
            begun.setdefault(call.arguments["request_id"], call.start)
    return begun


def _out_of_order(metric: str, begun: Mapping[str, float], made: Sequence[Call]) -> list[str]:
    """Find numbers that were given before a lower one was even asked for."""
    found, earliest = [], math.inf
    for call in reversed(made):  # from the highest number down
        if begun[call.arguments["request_id"]] > earliest:
            found.append(f"{metric} gave {call.answer} after a higher number was answered")
        earliest = min(earliest, call.end)
    return found


# ----------------------------------------------------------------------- aliases


@dataclass(frozen=True, slots=True)
class _Zone:
    """When a value was the register's: from `first`, by which it was, to `last`, when it still was.

    Where `first` > `last` it need have been so for an instant only, between `last` and `first`.
    """

    value: Any
    first: float
    last: float

    def conflicts(self, other: "_Zone") -> bool:
        """Tell whether both values cannot have been there in any order."""
        mine, others = self.first < self.last, other.first < other.last
        if mine:
            return self.first < other.last and other.first < self.last
        return others and other.conflicts(self)


def _of_aliases(writes: Sequence[Call], reads: Sequence[Call]) -> list[str]:
    """Each alias is a register; every value is written to it once.

    By Gibbons and Korach, "Testing Shared Memories" (1997): such a register is linearizable if no read
    ends before its write begins, and no two values had to be there at one time.
    """
    found: list[str] = []
    calls: dict[tuple[str, str], list[Call]] = defaultdict(list)
    for call in (*writes, *reads):
        calls[call.arguments["metric"], call.arguments["alias"]].append(call)
    for (metric, alias), of_one in calls.items():
        zones = []
        unset = Call("set_alias", -math.inf, -math.inf, {"number": 0}, answer=0)
        by_value: dict[Any, list[Call]] = defaultdict(list, {0: [unset]})
        for call in of_one:
            value = call.arguments["number"] if call.kind == "set_alias" else call.answer
            if call.kind == "set_alias" or call.answer is not None:
                by_value[value].append(call)
        for value, group in by_value.items():
            wrote = [call for call in group if call.kind == "set_alias"]
            if len(wrote) > 1:
                raise ValueError(f"{metric}@{alias} was set to {value} twice: such a history is not judged")
            if len(wrote) == 0:
                found.append(f"{metric}@{alias} was read as {value}, which nobody wrote")
            elif any(call.end < wrote[0].start for call in group if call.kind == "get_alias"):
                found.append(f"{metric}@{alias} was read as {value} before that was written")
            zones.append(_Zone(value, min(c.last for c in group), max(c.start for c in group)))
        found += [
            f"{metric}@{alias} went back between {one.value} and {other.value}"
            for one, other in combinations(zones, 2)
            if one.conflicts(other)
        ]
    return found
