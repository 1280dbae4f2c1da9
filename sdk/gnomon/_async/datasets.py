"""`client.datasets`."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf import empty_pb2
from google.protobuf.message import Message

from gnomon import shorthand
from gnomon._async.concurrency import in_thread, sleep
from gnomon._async.connection import AsyncConnection
from gnomon._datasets import Source, source_of, upload_header
from gnomon._files import NewFile, transfer_s
from gnomon._frames import jsonl_to_frame, pandas
from gnomon._requests import new_request_id
from gnomon._retry import Attempts
from gnomon.errors import GnomonError, NotFoundError
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import trainer_service_pb2 as trainer

if TYPE_CHECKING:
    import pandas as pd

_SERVICE = "gnomon.v1.TrainerService"
_CHECK_S = 3600.0  # many long texts on a busy machine


class AsyncDatasets:
    """Datasets are labelled rows in numbered versions.

    A name is `datasets/tickets` or `tickets` for the newest version,
    `datasets/tickets@2` or `tickets@2` for a fixed one.
    """

    def __init__(self, trainer_connection: AsyncConnection) -> None:
        self._trainer = trainer_connection

    async def upload(
        self,
        dataset_id: str,
        source: "str | Path | pd.DataFrame",
        *,
        metric: str,
        columns: Mapping[str, str] | None = None,
        allow_partial: bool = False,
        format: str | None = None,  # noqa: A002  the field's own name
        display_name: str = "",
        unlabelled: bool = False,
    ) -> trainer.UploadDatasetResponse:
        """Store rows as the next version of a dataset: all of them or none.

        Args:
            source: a CSV or JSONL file, possibly gzipped, or a DataFrame.
            metric: whose input shape names the columns and whose classes name the labels.
            columns: from the source's column to ours, such as `{"question": "input"}`.
            allow_partial: leave bad rows out instead of refusing all; the answer says which.
            format: `csv` or `jsonl`, where the file's ending does not say so.
            unlabelled: the rows have no labels yet; `client.labellings` lets a judge give them.

        Raises:
            DatasetInvalidError: rows are bad; `violations` names the first 100.
            UploadTooLargeError: the file, or what it unpacks to, is over the limit.
            FileNotFoundError: there is no such file.
        """
        rows = source_of(source)
        header = upload_header(
            dataset_id,
            rows,
            metric=metric,
            columns=columns,
            allow_partial=allow_partial,
            format=format,
            display_name=display_name,
            unlabelled=unlabelled,
        )
        return await self._trainer.send(
            f"{_SERVICE}/UploadDataset",
            partial(_upload_requests, header, rows),
            trainer.UploadDatasetResponse,
            timeout_s=transfer_s(self._trainer.timeout_s, rows.size_bytes),
        )

    async def get(self, name: str) -> pb.Dataset:
        request = trainer.GetDatasetRequest(name=shorthand.dataset(name))
        return await self._trainer.unary(f"{_SERVICE}/GetDataset", request, pb.Dataset)

    async def list(self) -> AsyncIterator[pb.Dataset]:
        """Yield all datasets in their newest version, ordered by name."""
        request, response = trainer.ListDatasetsRequest(), trainer.ListDatasetsResponse
        async for page in self._trainer.pages(f"{_SERVICE}/ListDatasets", request, response):
            for dataset in page.datasets:
                yield dataset

    async def delete(self, name: str) -> None:
        """Delete a dataset with all its versions.

        Raises:
            ResourceInUseError: a run or a labelling that has not ended needs it.
        """
        request = trainer.DeleteDatasetRequest(name=shorthand.dataset(name))
        await self._trainer.unary(
            f"{_SERVICE}/DeleteDataset", request, empty_pb2.Empty, repeated_is=NotFoundError
        )

    async def split(
        self,
        name: str,
        *,
        training: str,
        test: str,
        test_share: float = 0.3,
        group: str | None = None,
        seed: int = 0,
    ) -> trainer.SplitDatasetResponse:
        """Divide a dataset, stratified by label, into two new ones.

        Args:
            training: the ID of the dataset that gets the rows to learn from.
            test: the ID of the dataset that gets the rows to measure on.
            test_share: the share of rows to measure on, in (0, 1).
            group: a column whose equal values stay together, such as a user's ID.
            seed: the same seed gives the same split.
        """
        request = trainer.SplitDatasetRequest(
            name=shorthand.dataset(name),
            training_dataset_id=training,
            test_dataset_id=test,
            test_share=test_share,
            group_column=group or "",
            seed=seed,
            request_id=new_request_id(),
        )
        return await self._trainer.unary(f"{_SERVICE}/SplitDataset", request, trainer.SplitDatasetResponse)

    async def check(self, name: str) -> trainer.CheckDatasetResponse:
        """Look for near duplicates with different labels, and for labels that are likely wrong.

        Takes seconds to minutes. What is found becomes the dataset's findings,
        and the answer names the suspect rows, likeliest first. A caller who
        stops waiting ends the check.
        """
        request = trainer.CheckDatasetRequest(name=shorthand.dataset(name))
        return await self._trainer.unary(
            f"{_SERVICE}/CheckDataset", request, trainer.CheckDatasetResponse, timeout_s=_CHECK_S
        )

    async def download(self, name: str, path: str | Path) -> pb.Dataset:
        """Write a dataset's rows to a file as JSON Lines: the whole file or none. Returns the dataset."""
        dataset = await self.get(name)
        target = NewFile(Path(path))
        try:
            await self._read(dataset, target)
            await in_thread(target.publish)
        finally:
            await in_thread(target.discard)
        return dataset

    async def rows(self, name: str) -> Sequence[Mapping[str, Any]]:
        """Return a dataset's rows, as they are stored."""
        rows = _Rows()
        await self._read(await self.get(name), rows)
        return await in_thread(lambda: list(map(json.loads, rows.content.splitlines())))

    async def to_pandas(self, name: str) -> "pd.DataFrame":
        """Return a dataset's rows as a DataFrame.

        Raises:
            ModuleNotFoundError: pandas is not installed.
        """
        await in_thread(pandas)
        rows = _Rows()
        await self._read(await self.get(name), rows)
        return await in_thread(jsonl_to_frame, bytes(rows.content))

    async def _read(self, dataset: pb.Dataset, target: "NewFile | _Rows") -> None:
        # The version is fixed, so that every attempt reads the same rows.
        request = trainer.DownloadDatasetRequest(name=f"{dataset.name}@{dataset.version}")
        attempts = Attempts(transfer_s(self._trainer.timeout_s, dataset.size_bytes))
        while True:
            try:
                await self._read_once(request, target, attempts.remaining_s())
                return
            except GnomonError as error:
                failure = error
            await sleep(attempts.delay_after(failure))

    async def _read_once(
        self,
        request: trainer.DownloadDatasetRequest,
        target: "NewFile | _Rows",
        timeout_s: float | None,
    ) -> None:
        target.restart()
        stream = self._trainer.stream(
            f"{_SERVICE}/DownloadDataset", request, trainer.DownloadDatasetResponse, timeout_s=timeout_s
        )
        async with aclosing(stream) as responses:
            async for response in responses:
                await in_thread(target.write, response.content)


class _Rows:
    """Rows that are kept in memory."""

    def __init__(self) -> None:
        self.content = bytearray()

    def restart(self) -> None:
        self.content.clear()

    def write(self, part: bytes) -> None:
        self.content += part


async def _upload_requests(header: trainer.UploadDatasetRequest, source: Source) -> AsyncIterator[Message]:
    yield header
    content = source.parts()
    while part := await in_thread(next, content, b""):
        yield trainer.UploadDatasetRequest(content=part)
