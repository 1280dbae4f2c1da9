"""Takes a file of rows in: all of it or, where allowed, what is good of it. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gnomon.errors import DatasetInvalidError, Violation
from gnomon_trainer.domain.checks import RowChecks
from gnomon_trainer.domain.columns import ID, Columns, choose
from gnomon_trainer.domain.datasets import DatasetDraft, RowSink
from gnomon_trainer.domain.rows import BadRow, RawRecord, stored_row
from gnomon_trainer.domain.training import MetricDefinition

MAX_SHOWN = 100
# Errors travel in gRPC's trailers, of which clients accept 8 KiB.
_MAX_VIOLATION_BYTES = 3_000


class RecordSource(Protocol):
    """A file that yields its records one by one."""

    @property
    def columns(self) -> Sequence[str]:
        """The file's columns, in order."""
        ...

    def records(self) -> Iterator[RawRecord]:
        """Yield the records.

        Raises:
            DatasetInvalidError: the file as a whole cannot be read any further.
            UploadTooLargeError: it unpacks to more than is allowed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Upload:
    """What came with a file."""

    dataset: str
    metric: MetricDefinition
    filename: str
    column_mapping: Mapping[str, str] = field(default_factory=dict)
    allow_partial: bool = False
    display_name: str = ""
    unlabelled: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    max_rows: int = 2_000_000
    max_cell_characters: int = 1_000_000
    max_extra_columns: int = 10_000  # their names are read and sent together


@dataclass(slots=True)
class _Rejected:
    """The first bad rows, and how many there are of each kind."""

    shown: list[BadRow] = field(default_factory=list)
    by_column: Counter[str] = field(default_factory=Counter)

    def add(self, bad: BadRow) -> None:
        self.by_column[bad.column] += 1
        if len(self.shown) < MAX_SHOWN:
            self.shown.append(bad)

    @property
    def count(self) -> int:
        return self.by_column.total()


@dataclass(frozen=True, slots=True)
class Ingested:
    """A draft whose rows are kept, and the rows that were left out."""

    draft: DatasetDraft
    rejected: tuple[BadRow, ...]
    rejected_count: int


def ingest(upload: Upload, source: RecordSource, sink: RowSink, limits: Limits) -> Ingested:
    """Read a file once, row by row, into the sink.

    Raises:
        DatasetInvalidError: columns are missing, rows are bad and
            `allow_partial` is not set, or no row is left.
    """
    try:
        shape = upload.metric.input_shape
        columns = choose(source.columns, upload.column_mapping, shape, unlabelled=upload.unlabelled)
        checks, rejected, extra = _read(upload, source, columns, sink, limits)
        if rejected.count and not upload.allow_partial:
            raise _bad_rows(rejected, checks.row_count + rejected.count)
        if not checks.row_count:
            raise _no_rows(rejected)
        digest, size_bytes = sink.keep()
    finally:
        sink.discard()
    draft = DatasetDraft(
        dataset=upload.dataset,
        metric=upload.metric.name,
        digest=digest,
        findings=checks.findings(),
        row_count=checks.row_count,
        class_counts=checks.class_counts(),
        extra_columns=tuple(sorted(extra)),
        size_bytes=size_bytes,
        source_filename=upload.filename,
        display_name=upload.display_name,
        unlabelled=upload.unlabelled,
    )
    return Ingested(draft, tuple(rejected.shown), rejected.count)


def _read(
    upload: Upload, source: RecordSource, columns: Columns, sink: RowSink, limits: Limits
) -> tuple[RowChecks, _Rejected, set[str]]:
    checks = RowChecks(upload.metric, unlabelled=upload.unlabelled)
    rejected, extra = _Rejected(), set(columns.extra)
    read = {*columns.read, ID}
    for raw in source.records():
        row = stored_row(raw, columns, upload.metric, limits.max_cell_characters)
        if isinstance(row, BadRow):
            rejected.add(row)
            continue
        checks.add(row)
        if checks.row_count > limits.max_rows:
            raise DatasetInvalidError(f"The file has more than {limits.max_rows} rows. Divide it.")
        extra.update(row.record.keys() - read)
        if len(extra) > limits.max_extra_columns:
            raise DatasetInvalidError(
                f"The file has more than {limits.max_extra_columns} columns that the metric does not read. "
                "Are its keys data? Put them into one object below one key."
            )
        if not rejected.count or upload.allow_partial:
            sink.write(row.record)
    return checks, rejected, extra


def _bad_rows(rejected: _Rejected, total: int) -> DatasetInvalidError:
    first = rejected.shown[0]
    rows = "row" if total == 1 else "rows"
    message = f"{rejected.count} of {total} {rows} cannot be used; nothing was stored. First: {first.place}: "
    column, bad = rejected.by_column.most_common(1)[0]
    if column and bad == total and total > 1:
        message = f'The column "{column[:40]}" cannot be used in any of the {total} rows. {first.place}: '
    return DatasetInvalidError(
        f"{message}{first.message}. Correct the file, or leave bad rows out with allow_partial.",
        violations=_violations(rejected.shown),
        bad_row_count=str(rejected.count),
        row_count=str(total),
    )


def _violations(bad_rows: Sequence[BadRow]) -> list[Violation]:
    violations: list[Violation] = []
    left = _MAX_VIOLATION_BYTES
    for bad in bad_rows:
        left -= len(bad.place.encode()) + len(bad.message.encode()) + 8
        if left < 0 and violations:
            break
        violations.append(Violation(bad.place, bad.message))
    return violations


def _no_rows(rejected: _Rejected) -> DatasetInvalidError:
    if rejected.count:
        return _bad_rows(rejected, rejected.count)
    return DatasetInvalidError(
        "The file holds no rows, only a header or nothing at all.", bad_row_count="0", row_count="0"
    )
