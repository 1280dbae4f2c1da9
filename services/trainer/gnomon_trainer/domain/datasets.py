"""Datasets: rows in numbered, immutable versions; labelled but where they wait for a judge. Pure."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from gnomon.errors import (
    DatasetUnlabelledError,
    DatasetUnsuitableError,
    NotFoundError,
    RequestIdReusedError,
    ResourceInUseError,
)
from gnomon.names import DatasetName
from gnomon_trainer.domain.findings import Finding

# What is found of rows that no run can use.
UNUSABLE = frozenset({"ONE_CLASS_ONLY", "UNKNOWN_LABELS", "ROWS_UNREADABLE"})


class DatasetState(StrEnum):
    """What the checks said; the names are those of `gnomon.v1.Dataset.State`."""

    VALIDATING = "validating"
    VALIDATED = "validated"
    VALIDATED_WITH_WARNINGS = "validated_with_warnings"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class DatasetDraft:
    """What an upload or a split wants stored as the next version of a dataset."""

    dataset: str
    metric: str  # metrics/{metric}
    digest: str
    findings: tuple[Finding, ...]
    row_count: int
    class_counts: Mapping[str, int]
    extra_columns: tuple[str, ...]
    size_bytes: int
    source_filename: str
    display_name: str = ""
    review: str = ""  # datasets/{dataset}/reviews/{review}, where its decisions made these rows
    labelling: str = ""  # labellings/{labelling}, whose judge gave these labels, or those of some rows
    unlabelled: bool = False  # no row has a label yet
    generation: str = ""  # generations/{generation}, where these rows, or some of them, are from one


@dataclass(frozen=True, slots=True)
class Dataset:
    """One version of a dataset. Times are seconds since the epoch; `digest` finds its rows."""

    dataset: str
    version: int
    metric: str
    digest: str
    findings: tuple[Finding, ...]
    row_count: int
    class_counts: Mapping[str, int]
    extra_columns: tuple[str, ...]
    size_bytes: int
    source_filename: str
    display_name: str
    create_time: float
    delete_time: float | None = None
    review: str = ""
    labelling: str = ""
    unlabelled: bool = False
    generation: str = ""

    def state(self, *, is_checked_now: bool = False) -> DatasetState:
        if is_checked_now:
            return DatasetState.VALIDATING
        if any(entry.code in UNUSABLE for entry in self.findings):
            return DatasetState.FAILED
        return DatasetState.VALIDATED_WITH_WARNINGS if self.findings else DatasetState.VALIDATED

    @property
    def name(self) -> DatasetName:
        """The name with the version."""
        return DatasetName(self.dataset, self.version)

    @property
    def labels(self) -> frozenset[str]:
        """The classes that rows have; a count of none is of a class that the metric declared once."""
        return frozenset(label for label, count in self.class_counts.items() if count)


def next_version(newest: Dataset | None, draft: DatasetDraft, now: float) -> Dataset:
    """Return what storing the draft leads to: the newest version itself if it holds the same rows.

    Raises:
        DatasetUnsuitableError: the dataset's rows carry another metric's labels.
    """
    if newest is not None and newest.delete_time is None:
        if newest.metric != draft.metric:
            raise DatasetUnsuitableError(
                f"datasets/{draft.dataset} holds labels of {newest.metric}. "
                f"Give the rows labelled for {draft.metric} a dataset ID of their own.",
                resource=f"datasets/{draft.dataset}",
            )
        if newest.digest == draft.digest:
            return newest
    return Dataset(
        dataset=draft.dataset,
        version=newest.version + 1 if newest else 1,
        metric=draft.metric,
        digest=draft.digest,
        findings=draft.findings,
        row_count=draft.row_count,
        class_counts=draft.class_counts,
        extra_columns=draft.extra_columns,
        size_bytes=draft.size_bytes,
        source_filename=draft.source_filename,
        display_name=draft.display_name or (newest.display_name if newest else ""),
        create_time=now,
        review=draft.review,
        labelling=draft.labelling,
        unlabelled=draft.unlabelled,
        generation=draft.generation,
    )


def check_labelled(dataset: Dataset) -> Dataset:
    """Return the dataset, or raise DatasetUnlabelledError if its rows have no labels."""
    if dataset.unlabelled:
        raise DatasetUnlabelledError(
            f"{dataset.name} has no labels yet. Have a judge label it first: `gnomon judge label "
            f"{dataset.dataset} --provider …`.",
            resource=str(dataset.name),
        )
    return dataset


@dataclass(frozen=True, slots=True)
class Request:
    """What makes a create safe to send twice: `body` differs for another request with the same ID."""

    request_id: str
    body: str


def check_same_body(request: Request, known_body: str) -> None:
    """Raise RequestIdReusedError if the ID came with another body before."""
    if request.body != known_body:
        raise RequestIdReusedError(
            "The request_id was used for another request before, or by another API key, or for another "
            "project. Use a new UUID for a new request.",
            request_id=request.request_id,
        )


def no_dataset(name: DatasetName) -> NotFoundError:
    return NotFoundError(
        f"There is no {name}. `gnomon datasets list` shows what there is.", resource=str(name)
    )


def in_use(dataset: str, used_by: str) -> ResourceInUseError:
    return ResourceInUseError(
        f"datasets/{dataset} is needed by {used_by}. Cancel that, or wait until it has ended.",
        resource=f"datasets/{dataset}",
        used_by=used_by,
    )


class DatasetStore(Protocol):
    """Keeps datasets. Every write is all or nothing."""

    def replayed(self, request: Request) -> tuple[Dataset, ...] | None:
        """Return what the same request stored before; None if it is new.

        Raises:
            RequestIdReusedError: the ID came with another body.
        """
        ...

    def add(self, drafts: Sequence[DatasetDraft], request: Request | None, now: float) -> tuple[Dataset, ...]:
        """Store the drafts, as `next_version` and `replayed` say, in one transaction."""
        ...

    def get(self, name: DatasetName, *, deleted: bool = False) -> Dataset:
        """Return a version, the newest if the name has none; deleted ones too where asked.

        Raises:
            NotFoundError: there is none.
        """
        ...

    def page(self, after: str | None, size: int) -> Sequence[Dataset]:
        """Return datasets in their newest version, ordered by ID, after an ID."""
        ...

    def keep_findings(self, name: DatasetName, findings: tuple[Finding, ...]) -> Dataset:
        """Replace the findings of a version; return it.

        Raises:
            NotFoundError: it was deleted.
        """
        ...

    def delete(self, dataset: str, now: float) -> None:
        """Mark all versions as deleted.

        Raises:
            NotFoundError: there is none.
            ResourceInUseError: a run that has not ended needs one.
        """
        ...

    def digests(self) -> frozenset[str]:
        """Return the digests of all versions, deleted ones too."""
        ...


class RowSink(Protocol):
    """Takes rows one by one; nothing of them is visible before `keep`."""

    def write(self, record: Mapping[str, Any]) -> None: ...

    def keep(self) -> tuple[str, int]:
        """Store the rows under their digest; return it and the size in bytes."""
        ...

    def discard(self) -> None:
        """Forget the rows. Does nothing after `keep`."""
        ...


class RowStore(Protocol):
    """Keeps the rows of datasets by digest, as JSON Lines."""

    def sink(self) -> RowSink: ...

    def read(self, digest: str) -> Iterator[dict[str, Any]]:
        """Yield the stored records in order.

        Raises:
            ArtifactCorruptError: they are missing, or at the end: they are not
                those that were stored.
        """
        ...

    def pick(self, digest: str, numbers: Set[int]) -> dict[int, dict[str, Any]]:
        """Return some of the records by their numbers, which count from 1.

        Raises:
            ArtifactCorruptError: one is missing or cannot be read. Whether it
                is the one that was stored is not looked at.
        """
        ...

    def parts(self, digest: str, part_bytes: int) -> Iterator[bytes]:
        """Yield the same as text, cut anywhere. Raises as `read` does."""
        ...
