"""Scoring a file: streamed, an error a row, and where a process was killed the next one goes on."""

import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gnomon import shorthand
from gnomon._scoring import COLUMNS, instance_of
from gnomon.cli import rows, writing
from gnomon.cli.journal import Journal
from gnomon.cli.rows import Row, Source
from gnomon.convert import step_from_proto
from gnomon.errors import GnomonError, InvalidRequestError
from gnomon.instances import Instance, Step
from gnomon.names import MetricName, MetricVersionName
from gnomon.v1 import resources_pb2 as pb

if TYPE_CHECKING:
    from gnomon import Client

_NO_PROGRESS_S = 120.0  # a scorer that is away for longer ends the command, not the job
_OWN = frozenset({"label", "flagged", "error", "version"})

Outcome = pb.Score | GnomonError
Progress = Callable[[str, int, float], None]
"""Told what is done now, `Scoring` or `Writing`; how many rows are; and which share of the file that is."""


@dataclass
class Summary:
    """What came out, by metric. `rows_before` were scored by a process before this one."""

    metrics: Sequence[str]
    rows: int = 0
    rows_before: int = 0
    seconds: float = 0.0
    labels: dict[str, Counter[str]] = field(default_factory=dict)
    flagged: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    versions: dict[str, set[str]] = field(default_factory=dict)
    first_error: str = ""

    @property
    def is_failed(self) -> bool:
        """Whether there were rows, and none has a score."""
        return self.rows > 0 and not self.labels

    def add(self, cells: Mapping[str, Any]) -> None:
        """Count a row by the columns of its scores."""
        self.rows += 1
        for metric in self.metrics:
            if cells[f"{metric}.error"] is not None:
                self.errors[metric] += 1
                self.first_error = self.first_error or cells[f"{metric}.error"]
                continue
            self.labels.setdefault(metric, Counter())[cells[f"{metric}.label"]] += 1
            self.flagged[metric] += cells[f"{metric}.flagged"]
            self.versions.setdefault(metric, set()).add(cells[f"{metric}.version"])

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
        seconds = round(self.seconds, 3)
        return {"rows": self.rows, "rows_before": self.rows_before, "seconds": seconds, "metrics": metrics}


class StoppedError(Exception):
    """The job did not end, for a reason; what is done of it is kept."""

    def __init__(self, reason: BaseException, rows_done: int) -> None:
        super().__init__(rows_done)
        self.reason = reason
        self.rows_done = rows_done


def score_file(
    client: "Client",
    metrics: Sequence[str],
    source: Path,
    target: Path,
    *,
    columns: Mapping[str, str],
    restart: bool = False,
    progress: Progress = lambda *_: None,
) -> Summary:
    """Score every row of `source` into `target`, which appears whole at the end.

    What is done until then is kept beside the target, and gone on with by the
    next call with the same arguments, with the same versions.

    Raises:
        GnomonError: no row could be scored for a reason that concerns all, such
            as an unknown metric; nothing is written then.
        StoppedError: the same, or an interruption, when some rows were scored.
    """
    file, began = Source(source), time.monotonic()
    rows.format_of(target)
    if target.resolve() == source.resolve():
        raise InvalidRequestError(f"{target} is the file that is read. Name another.")
    definitions = {metric: client.metrics.get(_metric_of(metric)) for metric in metrics}
    kinds: dict[Step | None, str] = {}
    for metric, definition in definitions.items():
        kinds.setdefault(_kind(definition), metric)
    reader = _Reader(columns, kinds)
    _check_columns(file, columns)
    added = {
        name: kind
        for metric, definition in definitions.items()
        for name, kind in _columns(metric, [entry.label for entry in definition.classes]).items()
    }
    job = _job(source, metrics, columns)
    with Journal(target) as journal:
        versions = _versions(client, journal, job, restart)
        summary = Summary(metrics, rows_before=journal.rows_done)
        try:
            with closing(_scored(client, versions, file, reader, journal.rows_done)) as scored:
                for outcomes, share in scored:
                    journal.add(cells_of(outcomes))
                    progress("Scoring", journal.rows_done, share)
            journal.sync()
            if _job(source, metrics, columns) != job:
                raise InvalidRequestError(f"{source} was changed while it was scored.")
            writing.write(file, target, added, _counted(journal, summary, file, progress))
        except (GnomonError, OSError, UnicodeError, KeyboardInterrupt) as error:
            if journal.rows_done:
                raise StoppedError(error, journal.rows_done) from error
            raise
    summary.seconds = time.monotonic() - began
    return summary


def _check_columns(file: Source, columns: Mapping[str, str]) -> None:
    for theirs, name in columns.items():
        if name not in COLUMNS:
            raise InvalidRequestError(
                f"--column reads {theirs!r} as {name!r}; it must be one of: {', '.join(COLUMNS)}."
            )
    with closing(iter(file)) as read:
        rows.check_columns(read, columns, file.path)


def _job(source: Path, metrics: Sequence[str], columns: Mapping[str, str]) -> dict[str, Any]:
    found = source.stat()
    return {
        "file": str(source.resolve()),
        "size_bytes": found.st_size,
        "modified_ns": found.st_mtime_ns,
        "metrics": list(metrics),
        "columns": dict(columns),
    }


def _versions(client: "Client", journal: Journal, job: dict[str, Any], restart: bool) -> dict[str, str]:
    """Return the version of each metric: those of the job that is gone on with, or what they mean now.

    Raises:
        InvalidRequestError: what is there is part of another job.
    """
    begun = None if restart else journal.job()
    if begun is None:
        begun = job | {"versions": client.resolve(job["metrics"])}
        journal.clear()
    versions: dict[str, str] = begun["versions"]
    other = [key for key, value in job.items() if begun.get(key) != value]
    if other:
        raise InvalidRequestError(
            f"{journal.folder} holds the scores of another job: its {' and '.join(other)} differ. "
            "Name another output, or forget them with --restart (or by removing the folder)."
        )
    journal.begin(begun)
    return versions


def _kind(metric: pb.Metric) -> Step | None:
    """Return the step of whole traces and sessions; spans of all kinds are read alike."""
    step = step_from_proto(metric.step)
    return step if step in {Step.TRACE, Step.SESSION} else None


_APART = "Score them one after the other, into files of their own."


@dataclass(frozen=True, slots=True)
class _Reader:
    """Makes instances of rows, the same for all metrics.

    `metrics` has the first of each kind of what they read of a row; the first kind says what instances are.
    """

    columns: Mapping[str, str]
    metrics: Mapping[Step | None, str]

    def read(self, row: Row) -> Instance | GnomonError:
        if row.problem:
            return GnomonError(f"{row.place} {row.problem}.")
        try:
            read = {
                kind: rows.cells_to_read(row.cells, self.columns, kind or Step.LLM_SPAN)
                for kind in self.metrics
            }
            kind, *others = read
            for other in others:
                if read[other].keys() != read[kind].keys():
                    names = f"{self.metrics[other]} reads other columns than {self.metrics[kind]}"
                    return GnomonError(f"{row.place}: {names}. {_APART}")
            return instance_of(read[kind], kind)
        except GnomonError as error:
            return GnomonError(f"{row.place}: {error.message}")


def _scored(
    client: "Client", versions: Mapping[str, str], file: Source, reader: _Reader, done: int
) -> Generator[tuple[dict[str, Outcome], float], None, None]:
    """Yield the outcomes of the rows after those that are done, and the share of the file up to there."""
    shares: deque[float] = deque()

    def instances() -> Iterator[Instance | GnomonError]:
        for row in islice(file, done, None):
            shares.append(file.share)
            yield reader.read(row)

    distinct = list(dict.fromkeys(versions.values()))
    with closing(client.score_stream(distinct, instances(), timeout_s=_NO_PROGRESS_S)) as scored:
        for outcomes in scored:
            yield {metric: outcomes[version] for metric, version in versions.items()}, shares.popleft()


def _counted(
    journal: Journal, summary: Summary, file: Source, progress: Progress
) -> Iterator[dict[str, Any]]:
    for cells in journal.cells():
        summary.add(cells)
        progress("Writing", summary.rows, file.share)
        yield cells


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


def _columns(metric: str, classes: Sequence[str]) -> dict[str, type]:
    probabilities: dict[str, type] = {_class_column(metric, label): float for label in classes}
    verdict: dict[str, type] = {f"{metric}.label": str, f"{metric}.flagged": bool}
    return verdict | probabilities | {f"{metric}.version": str, f"{metric}.error": str}


def _class_column(metric: str, label: str) -> str:
    return f"{metric}.{label}.probability" if label in _OWN else f"{metric}.{label}"


def _metric_of(metric: str) -> str:
    return str(MetricName(MetricVersionName.parse(shorthand.metric_version(metric)).metric))
