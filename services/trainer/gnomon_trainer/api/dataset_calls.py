"""The methods of `TrainerService` that concern datasets."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

from google.protobuf import empty_pb2

from gnomon import convert
from gnomon.errors import InvalidRequestError, Violation
from gnomon.names import DatasetName, MetricName, check_id
from gnomon.v1 import resources_pb2
from gnomon.v1 import trainer_service_pb2 as pb
from gnomon_rpc import pages
from gnomon_rpc.request_ids import RequestKey, request_key
from gnomon_trainer.api.messages import dataset_message
from gnomon_trainer.domain.check_use_cases import Checks, SuspectRow
from gnomon_trainer.domain.columns import check_mapping
from gnomon_trainer.domain.dataset_use_cases import Datasets, SplitOrder, UploadHeader
from gnomon_trainer.domain.datasets import Dataset, Request
from gnomon_trainer.domain.run_use_cases import check_display_name

_FORMATS = {
    pb.UploadDatasetRequest.Header.FORMAT_UNSPECIFIED: None,
    pb.UploadDatasetRequest.Header.CSV: "csv",
    pb.UploadDatasetRequest.Header.JSONL: "jsonl",
}
_MAX_FILENAME = 255
_DEFAULT_TEST_SHARE = 0.3


class DatasetCalls:
    """Answers calls about datasets."""

    def __init__(self, datasets: Datasets, checks: Checks) -> None:
        self._datasets = datasets
        self._checks = checks

    async def upload(self, requests: AsyncIterator[pb.UploadDatasetRequest]) -> pb.UploadDatasetResponse:
        header = await _header(requests)
        key = request_key(header)
        uploaded = await self._datasets.upload(
            _upload_header(header), _content(requests), lambda sha256: _with_content(key, sha256)
        )
        return pb.UploadDatasetResponse(
            dataset=self._message(uploaded.dataset),
            rejected_row_count=uploaded.rejected_count,
            rejected_rows=[
                pb.RejectedRow(line=row.line, column=row.column, message=row.message)
                for row in uploaded.rejected
            ],
        )

    async def get(self, request: pb.GetDatasetRequest) -> Any:
        return self._message(await self._datasets.get(DatasetName.parse(request.name)))

    async def list(self, request: pb.ListDatasetsRequest) -> pb.ListDatasetsResponse:
        size = pages.page_size(request.page_size)
        found = await self._datasets.page(pages.read_token(request), size + 1)
        last = found[size - 1].dataset if len(found) > size else None
        return pb.ListDatasetsResponse(
            datasets=map(self._message, found[:size]), next_page_token=pages.make_token(request, last)
        )

    async def delete(self, request: pb.DeleteDatasetRequest) -> empty_pb2.Empty:
        await self._datasets.delete(DatasetName.parse(request.name))
        return empty_pb2.Empty()

    async def split(self, request: pb.SplitDatasetRequest) -> pb.SplitDatasetResponse:
        order = SplitOrder(
            source=DatasetName.parse(request.name),
            training=check_id(request.training_dataset_id, "training_dataset_id"),
            test=check_id(request.test_dataset_id, "test_dataset_id"),
            test_share=request.test_share or _DEFAULT_TEST_SHARE,
            group_column=request.group_column,
            seed=request.seed,
        )
        training, test = await self._datasets.split(order, as_request(request_key(request)))
        return pb.SplitDatasetResponse(training_set=dataset_message(training), test_set=dataset_message(test))

    async def check(self, request: pb.CheckDatasetRequest) -> pb.CheckDatasetResponse:
        checked = await self._checks.check(DatasetName.parse(request.name))
        return pb.CheckDatasetResponse(
            dataset=self._message(checked.dataset), suspect_labels=map(_suspect_message, checked.suspects)
        )

    def _message(self, dataset: Dataset) -> resources_pb2.Dataset:
        return dataset_message(dataset, is_checked_now=dataset.name in self._checks.under_way)

    async def download(self, request: pb.DownloadDatasetRequest) -> AsyncIterator[pb.DownloadDatasetResponse]:
        async for part in self._datasets.content(DatasetName.parse(request.name)):
            yield pb.DownloadDatasetResponse(content=part)


def _suspect_message(suspect: SuspectRow) -> pb.SuspectLabel:
    return pb.SuspectLabel(
        row=suspect.row.number,
        instance=convert.instance_to_proto(suspect.row.instance),
        label=suspect.row.label,
        suggested_label=suspect.suggested_label,
        label_probability=suspect.label_probability,
        suggested_probability=suspect.suggested_probability,
    )


def as_request(key: RequestKey | None) -> Request | None:
    return Request(key.request_id, key.body) if key else None


def _with_content(key: RequestKey | None, sha256: str) -> Request | None:
    """The body of an upload is its header and its content."""
    if key is None:
        return None
    return Request(key.request_id, hashlib.sha256(f"{key.body} {sha256}".encode()).hexdigest())


async def _header(requests: AsyncIterator[pb.UploadDatasetRequest]) -> pb.UploadDatasetRequest.Header:
    async for request in requests:
        if request.WhichOneof("part") == "header":
            return request.header
        break
    raise InvalidRequestError(
        "The first message of an upload must hold the header.",
        violations=[Violation("header", "must be set")],
    )


async def _content(requests: AsyncIterator[pb.UploadDatasetRequest]) -> AsyncIterator[bytes]:
    async for request in requests:
        if request.WhichOneof("part") != "content":
            raise InvalidRequestError(
                "Every message of an upload but the first must hold content.",
                violations=[Violation("content", "must be set")],
            )
        yield request.content


def _upload_header(header: pb.UploadDatasetRequest.Header) -> UploadHeader:
    if header.format not in _FORMATS:
        raise InvalidRequestError(
            "The format is not known to this release.",
            violations=[Violation("header.format", "must be known")],
        )
    filename = header.filename.replace("\\", "/").rpartition("/")[2]
    if not filename.isprintable() or len(filename) > _MAX_FILENAME:
        raise InvalidRequestError(
            f"filename must be at most {_MAX_FILENAME} printable characters.",
            violations=[Violation("header.filename", "must be printable")],
        )
    mapping = dict(header.column_mapping)
    check_mapping(mapping)
    return UploadHeader(
        dataset=check_id(header.dataset_id, "header.dataset_id"),
        metric=MetricName.parse(header.metric, "header.metric"),
        filename=filename,
        format=_FORMATS[header.format],
        column_mapping=mapping,
        allow_partial=header.allow_partial,
        display_name=check_display_name(header.display_name),
        unlabelled=header.unlabelled,
    )
