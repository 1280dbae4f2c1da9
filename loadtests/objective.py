"""A service objective: what an application asks of a scorer, in a TOML file.

    average_qps = 20            # calls a second
    peak_qps = 40
    input_tokens = { mean = 96, p95 = 256 }
    p95_latency_ms = 50         # from the moment a call was meant to leave
    deadline_ms = 300

`input_tokens` may be a mix instead: `[{ tokens = 32, share = 0.7 }, { tokens = 400, share = 0.3 }]`.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gnomon.errors import InvalidRequestError, NotFoundError, Violation
from loadtests.mix import Fixed, LogNormal, Mix

LANES = ("guardrail", "online", "bulk")


@dataclass(frozen=True, slots=True)
class Objective:
    """Rates are calls a second, each of one instance. Percentiles are of the calls that were answered.

    `max_error_share` is the share of calls that may end without a score, refusals and calls past
    their deadline included.
    """

    name: str
    average_qps: float
    peak_qps: float
    input_tokens: Mix
    p95_latency_ms: float
    deadline_ms: float
    p99_latency_ms: float | None = None
    max_error_share: float = 0.0
    lane: str = "online"

    @property
    def deadline_s(self) -> float:
        return self.deadline_ms / 1e3


def load(path: Path) -> Objective:
    """Read an objective; its name is the file's unless it says one.

    Raises:
        NotFoundError: there is no such file.
        InvalidRequestError: it is no objective; the violations name the fields.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotFoundError(f"The service objective {path} cannot be read: {error}.") from error
    try:
        fields = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise InvalidRequestError(f"The service objective {path} is not TOML: {error}.") from error
    return parse({"name": path.stem} | fields, str(path))


def parse(fields: Mapping[str, Any], origin: str) -> Objective:
    """Make an objective of plain values, wherever they come from; `origin` is named in errors.

    Raises:
        InvalidRequestError: fields are missing, unknown, of the wrong type, or do not fit together.
    """
    reader = _Reader(fields)
    read: dict[str, Any] = {
        "name": reader.text("name"),
        "average_qps": reader.number("average_qps"),
        "peak_qps": reader.number("peak_qps"),
        "input_tokens": reader.mix("input_tokens"),
        "p95_latency_ms": reader.number("p95_latency_ms"),
        "deadline_ms": reader.number("deadline_ms"),
        "p99_latency_ms": reader.number("p99_latency_ms") if "p99_latency_ms" in fields else None,
        "max_error_share": reader.share("max_error_share", 0.0),
        "lane": reader.one_of("lane", LANES, "online"),
    }
    reader.refuse_others(read)
    if not reader.violations:
        reader.compare(read)
    if reader.violations:
        wrong = "; ".join(f"{one.field}: {one.description}" for one in reader.violations)
        raise InvalidRequestError(
            f"The service objective {origin} is not usable: {wrong}.", violations=reader.violations
        )
    return Objective(**read)


class _Reader:
    """Reads fields one by one and collects what is wrong, so that a user mends a file once."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields
        self.violations: list[Violation] = []

    def wrong(self, field: str, description: str) -> None:
        self.violations.append(Violation(field, description))

    def text(self, field: str) -> str:
        value = self._fields.get(field)
        if isinstance(value, str) and value:
            return value
        self.wrong(field, "must be a text")
        return ""

    def number(self, field: str) -> float:
        if field in self._fields:
            return self._positive(field, self._fields[field])
        self.wrong(field, "is missing")
        return 1.0

    def _positive(self, field: str, value: Any) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and 0 < value < float("inf"):
            return float(value)
        self.wrong(field, f"must be a number above 0, is {value!r}")
        return 1.0

    def share(self, field: str, default: float) -> float:
        value = self._fields.get(field, default)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1:
            return float(value)
        self.wrong(field, f"must be a share from 0 to below 1, is {value!r}")
        return default

    def one_of(self, field: str, known: tuple[str, ...], default: str) -> str:
        value = self._fields.get(field, default)
        if value not in known:
            self.wrong(field, f"must be one of {', '.join(known)}, is {value!r}")
        return str(value)

    def mix(self, field: str) -> Mix:
        value = self._fields.get(field)
        if value is None:
            self.wrong(field, "is missing: say { mean = …, p95 = … } or a list of { tokens = …, share = … }")
        elif isinstance(value, Mapping) and set(value) == {"mean", "p95"}:
            mean, p95 = (self._positive(f"{field}.{key}", value[key]) for key in ("mean", "p95"))
            if problem := LogNormal.problem(mean, p95):
                self.wrong(field, problem)
            else:
                return LogNormal(mean, p95)
        elif isinstance(value, list) and value and all(_is_part(one) for one in value):
            tokens = [int(self._positive(f"{field}.tokens", one["tokens"])) for one in value]
            shares = [self._positive(f"{field}.share", one["share"]) for one in value]
            if abs(sum(shares) - 1.0) > 1e-6:
                self.wrong(field, f"shares must sum to 1, sum to {sum(shares):g}")
            return Fixed(tuple(tokens), tuple(shares))
        else:
            self.wrong(field, "must be { mean = …, p95 = … } or a list of { tokens = …, share = … }")
        return Fixed((1,), (1.0,))

    def refuse_others(self, known: Mapping[str, Any]) -> None:
        for field in sorted(set(self._fields) - set(known)):
            self.wrong(field, f"is not known; known are {', '.join(known)}")

    def compare(self, read: Mapping[str, Any]) -> None:
        if read["peak_qps"] < read["average_qps"]:
            self.wrong("peak_qps", "must not be below average_qps")
        if read["deadline_ms"] < read["p95_latency_ms"]:
            self.wrong("deadline_ms", "must not be below p95_latency_ms, which no call could then reach")
        if read["p99_latency_ms"] is not None and read["p99_latency_ms"] < read["p95_latency_ms"]:
            self.wrong("p99_latency_ms", "must not be below p95_latency_ms")


def _is_part(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"tokens", "share"}
