"""Scoring a file: several requests in flight, the rows in their order, an error a row."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gnomon import shorthand
from gnomon.cli import rows
from gnomon.cli.rows import Row
from gnomon.convert import step_from_proto
from gnomon.errors import GnomonError
from gnomon.instances import Instance, Step
from gnomon.names import MetricName, MetricVersionName
from gnomon.v1 import resources_pb2 as pb

if TYPE_CHECKING:
    from gnomon import Client

ROWS_A_REQUEST = 64
IN_FLIGHT = 4
_OWN = frozenset({"label", "flagged", "error"})

Outcome = pb.Score | GnomonError


@dataclass
class Summary:
    """What came out, by metric."""

    metrics: Sequence[str]
    rows: int = 0
    seconds: float = 0.0
    labels: dict[str, Counter[str]] = field(default_factory=dict)
    flagged: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    versions: dict[str, set[str]] = field(default_factory=dict)

    def add(self, outcomes: Mapping[str, Outcome]) -> None:
        self.rows += 1
        for metric, outcome in outcomes.items():
            if isinstance(outcome, GnomonError):
                self.errors[metric] += 1
                continue
            self.labels.setdefault(metric, Counter())[outcome.label] += 1
            self.flagged[metric] += outcome.flagged
            self.versions.setdefault(metric, set()).add(outcome.metric_version)

    def as_dict(self) -> dict[str, Any]:
        metrics = {
            metric: {
                "metric_versions": sorted(self.versions.get(metric, ())),
                "labels": dict(self.labels.get(metric, Counter()).most_common()),
                "flagged": self.flagged[metric],
                "errors": self.errors[metric],
            }
            for metric in self.metrics
        }
        return {"rows": self.rows, "seconds": round(self.seconds, 3), "metrics": metrics}


def score_file(
    client: "Client",
    metrics: Sequence[str],
    source: Path,
    target: Path,
    *,
    columns: Mapping[str, str],
    progress: Callable[[int], None],
) -> Summary:
    """Score every row of `source` into `target`; `progress` is told how many rows are done.

    Raises:
        GnomonError: no row could be scored for a reason that concerns all, such
            as an unknown metric; nothing is written then.
    """
    summary, began = Summary(metrics), time.monotonic()
    definitions = {metric: client.metrics.get(_metric_of(metric)) for metric in metrics}
    # A CSV header needs all columns before the first row is written.
    header = rows.columns_of(source) if rows.format_of(target) == "csv" else []
    for metric, definition in definitions.items():
        header += _columns(metric, [entry.label for entry in definition.classes])
    reader = _Reader(columns, step_from_proto(definitions[metrics[0]].step))
    with rows.Writer(target, header) as writer:
        for row, outcomes in _scored(client, metrics, rows.read(source), reader):
            writer.write(row.cells | cells_of(outcomes))
            summary.add(outcomes)
            progress(summary.rows)
    summary.seconds = time.monotonic() - began
    return summary


@dataclass(frozen=True, slots=True)
class _Reader:
    """Makes instances of rows. `step` is the first metric's: all metrics are given the same instance."""

    columns: Mapping[str, str]
    step: Step

    def read(self, row: Row) -> Instance | GnomonError:
        if row.problem:
            return GnomonError(f"Line {row.line} {row.problem}.")
        try:
            return rows.instance_of(row.cells, self.columns, self.step)
        except GnomonError as error:
            return GnomonError(f"Line {row.line}: {error.message}")


def _scored(
    client: "Client", metrics: Sequence[str], source: Iterable[Row], reader: _Reader
) -> Iterator[tuple[Row, dict[str, Outcome]]]:
    """Yield the rows in their order; at most `IN_FLIGHT` requests are out at a time."""
    waiting: deque[Future[list[tuple[Row, dict[str, Outcome]]]]] = deque()
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        try:
            for part in _parts(source):
                waiting.append(pool.submit(_score_part, client, metrics, part, reader))
                if len(waiting) > IN_FLIGHT:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _parts(source: Iterable[Row]) -> Iterator[list[Row]]:
    iterator = iter(source)
    while part := list(islice(iterator, ROWS_A_REQUEST)):
        yield part


def _score_part(
    client: "Client", metrics: Sequence[str], part: Sequence[Row], reader: _Reader
) -> list[tuple[Row, dict[str, Outcome]]]:
    instances = [reader.read(row) for row in part]
    good = [instance for instance in instances if not isinstance(instance, GnomonError)]
    scored = iter(client.score(list(metrics), instances=good) if good else ())
    return [
        (row, dict.fromkeys(metrics, instance) if isinstance(instance, GnomonError) else next(scored))
        for row, instance in zip(part, instances, strict=True)
    ]


def cells_of(outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """Return the columns of a row's scores: those that `Client.score_frame` makes, and the version."""
    cells: dict[str, Any] = {}
    for metric, outcome in outcomes.items():
        if isinstance(outcome, GnomonError):
            cells |= {f"{metric}.label": None, f"{metric}.flagged": None, f"{metric}.error": outcome.message}
            continue
        cells |= {f"{metric}.label": outcome.label, f"{metric}.flagged": outcome.flagged}
        for entry in outcome.classes:
            cells[_class_column(metric, entry.label)] = round(entry.probability, 6)
        cells |= {f"{metric}.version": outcome.metric_version, f"{metric}.error": None}
    return cells


def _columns(metric: str, classes: Iterable[str]) -> list[str]:
    probabilities = [_class_column(metric, label) for label in classes]
    return [f"{metric}.label", f"{metric}.flagged", *probabilities, f"{metric}.version", f"{metric}.error"]


def _class_column(metric: str, label: str) -> str:
    own = label in _OWN | {"version"}
    return f"{metric}.{label}.probability" if own else f"{metric}.{label}"


def _metric_of(metric: str) -> str:
    return str(MetricName(MetricVersionName.parse(shorthand.metric_version(metric)).metric))
