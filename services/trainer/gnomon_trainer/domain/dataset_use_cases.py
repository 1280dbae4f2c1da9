"""What can be done with datasets. Blocking work runs in threads."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gnomon.errors import InvalidRequestError, Violation
from gnomon.names import DatasetName, MetricName
from gnomon.threads import in_thread
from gnomon_trainer.domain.catalog import Catalog
from gnomon_trainer.domain.checks import RowChecks
from gnomon_trainer.domain.datasets import (
    Dataset,
    DatasetDraft,
    DatasetStore,
    Request,
    RowStore,
    check_labelled,
)
from gnomon_trainer.domain.doubtful_labels import Doubts
from gnomon_trainer.domain.rows import BadRow, checked_row, row_of
from gnomon_trainer.domain.splitting import split
from gnomon_trainer.domain.training import MetricDefinition
from gnomon_trainer.domain.uploads import Ingested, Limits, RecordSource, Upload, ingest


class Incoming(Protocol):
    """A file that is being received, in a place of its own until `discard`."""

    def write(self, content: bytes) -> None:
        """Add content; UploadTooLargeError once it is over the limit."""
        ...

    def sha256(self) -> str: ...

    def source(self, filename: str, format: str | None) -> RecordSource:  # noqa: A002  the contract's word
        """Return a reader of the whole file. `format` is csv or jsonl; None: by the name's ending."""
        ...

    def discard(self) -> None: ...


@dataclass(frozen=True, slots=True)
class UploadHeader:
    """The first message of an upload, with its names parsed."""

    dataset: str
    metric: MetricName
    filename: str
    format: str | None
    column_mapping: dict[str, str]
    allow_partial: bool
    display_name: str
    unlabelled: bool = False


@dataclass(frozen=True, slots=True)
class SplitOrder:
    """How to divide a dataset."""

    source: DatasetName
    training: str
    test: str
    test_share: float
    group_column: str
    seed: int


@dataclass(frozen=True, slots=True)
class Uploaded:
    dataset: Dataset
    rejected: tuple[BadRow, ...]
    rejected_count: int


@dataclass(frozen=True, slots=True)
class Datasets:
    """Use cases of datasets."""

    store: DatasetStore
    rows: RowStore
    catalog: Catalog
    receive: Callable[[], Incoming]
    clock: Callable[[], float]
    limits: Limits
    heavy: asyncio.Semaphore  # so that large files leave threads for short calls

    async def upload(
        self,
        header: UploadHeader,
        content: AsyncIterator[bytes],
        request: Callable[[str], Request | None],
    ) -> Uploaded:
        """Receive a file and store its rows. `request` makes the request's key from the file's digest.

        Raises:
            DatasetInvalidError, UploadTooLargeError: see `ingest` and `Incoming`.
            NotFoundError: there is no such metric.
            RegistryUnavailableError: the metric cannot be looked up now.
        """
        metric = await self.catalog.metric(header.metric)
        incoming = await asyncio.to_thread(self.receive)
        try:
            async for part in content:
                await in_thread(incoming.write, part)
            async with self.heavy:
                return await in_thread(self._ingest, header, metric, incoming, request)
        finally:
            await in_thread(incoming.discard)

    def _ingest(
        self,
        header: UploadHeader,
        metric: MetricDefinition,
        incoming: Incoming,
        request: Callable[[str], Request | None],
    ) -> Uploaded:
        key = request(incoming.sha256())
        if key is not None:
            self.store.replayed(key)  # another body is refused before the file is read
        upload = Upload(
            header.dataset,
            metric,
            header.filename,
            header.column_mapping,
            header.allow_partial,
            header.display_name,
            header.unlabelled,
        )
        source = incoming.source(header.filename, header.format)
        ingested: Ingested = ingest(upload, source, self.rows.sink(), self.limits)
        (dataset,) = self.store.add([ingested.draft], key, self.clock())
        return Uploaded(dataset, ingested.rejected, ingested.rejected_count)

    async def get(self, name: DatasetName) -> Dataset:
        return await asyncio.to_thread(self.store.get, name)

    async def page(self, after: str | None, size: int) -> Sequence[Dataset]:
        return await asyncio.to_thread(self.store.page, after, size)

    async def delete(self, name: DatasetName) -> None:
        if name.version is not None:
            raise InvalidRequestError(
                "Versions of a dataset cannot be deleted one by one; leave the @version out to delete all.",
                violations=[Violation("name", "must be of the form datasets/{dataset}")],
            )
        await asyncio.to_thread(self.store.delete, name.dataset, self.clock())

    async def split(self, order: SplitOrder, request: Request | None) -> tuple[Dataset, Dataset]:
        """Divide a dataset into two.

        Raises:
            InvalidRequestError: the share or the group column cannot be used.
            DatasetUnsuitableError: one of the two would be empty.
            DatasetUnlabelledError: there are no labels to stratify by.
        """
        if not 0 < order.test_share < 1:
            raise InvalidRequestError(
                f"test_share is {order.test_share:g}; it must be between 0 and 1.",
                violations=[Violation("test_share", "must be in (0, 1)")],
            )
        if order.training == order.test:
            raise InvalidRequestError(
                "The training set and the test set need different IDs.",
                violations=[Violation("test_dataset_id", "must differ from training_dataset_id")],
            )
        if request and (known := await asyncio.to_thread(self.store.replayed, request)):
            return known[0], known[1]
        source = check_labelled(await self.get(order.source))
        metric = await self.catalog.metric(MetricName.parse(source.metric))
        async with self.heavy:
            return await in_thread(self._split, order, source, metric, request)

    def _split(
        self, order: SplitOrder, source: Dataset, metric: MetricDefinition, request: Request | None
    ) -> tuple[Dataset, Dataset]:
        labels, groups = self._labels_and_groups(source, order.group_column)
        test = split(labels, groups, order.test_share, order.seed)
        doubts = Doubts(source, self.rows)
        drafts = [
            self._part(source, metric, order.training, doubts, lambda place: place not in test),
            self._part(source, metric, order.test, doubts, lambda place: place in test),
        ]
        training_set, test_set = self.store.add(drafts, request, self.clock())
        return training_set, test_set

    def _labels_and_groups(self, source: Dataset, group_column: str) -> tuple[list[str], list[str] | None]:
        if group_column and group_column not in {*source.extra_columns, "id"}:
            known = ", ".join(source.extra_columns) or "none"
            raise InvalidRequestError(
                f"{source.name} has no extra column {group_column[:40]!r}; it has {known}.",
                violations=[Violation("group_column", "must be an extra column of the dataset")],
            )
        labels: list[str] = []
        groups: list[str] = []
        for place, record in enumerate(self.rows.read(source.digest)):
            labels.append(record["label"])
            group = record.get(group_column)
            # A row without a value belongs to nobody, so it goes alone.
            groups.append(f"row {place}" if group in (None, "") else json.dumps(group, sort_keys=True))
        return labels, groups if group_column else None

    def _part(
        self,
        source: Dataset,
        metric: MetricDefinition,
        dataset: str,
        doubts: Doubts,
        belongs: Callable[[int], bool],
    ) -> DatasetDraft:
        sink, checks = self.rows.sink(), RowChecks(metric)
        try:
            for place, record in enumerate(self.rows.read(source.digest)):
                if belongs(place):
                    checks.add(checked_row(row_of(place + 1, record, metric), record, metric))
                    sink.write(record)
            digest, size_bytes = sink.keep()
        finally:
            sink.discard()
        numbers = (place + 1 for place in range(source.row_count) if belongs(place))
        return DatasetDraft(
            dataset=dataset,
            metric=source.metric,
            digest=digest,
            findings=(*checks.findings(), *doubts.of(dataset, numbers)),
            row_count=checks.row_count,
            class_counts=checks.class_counts(),
            extra_columns=source.extra_columns,
            size_bytes=size_bytes,
            source_filename=str(source.name),
            labelling=source.labelling,
            generation=source.generation,
        )

    async def content(self, name: DatasetName, part_bytes: int = 256 * 1024) -> AsyncIterator[bytes]:
        """Yield a dataset's rows as JSON Lines, part by part."""
        dataset = await self.get(name)
        parts = self.rows.parts(dataset.digest, part_bytes)
        while part := await asyncio.to_thread(next, parts, b""):
            yield part
