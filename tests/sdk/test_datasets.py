"""Rows on the way to the trainer and back."""

import datetime
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon import errors
from gnomon._frames import frame_to_jsonl, jsonl_to_frame
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import trainer_service_pb2 as trainer
from tests.sdk.serving import Failing, connected, names, serving


class Store:
    """Keeps what was uploaded and gives it back; breaks as often as it is told to."""

    def __init__(self, broken: int = 0) -> None:
        self.headers: list[Any] = []
        self.content = b""
        self.largest_part = 0
        self._broken = broken

    def methods(self) -> dict[str, Any]:
        return {"UploadDataset": self.upload, "GetDataset": self.get, "DownloadDataset": self.download}

    async def upload(self, requests: AsyncIterator[Any], context: Any) -> Any:
        content = b""
        async for request in requests:
            if request.HasField("header"):
                self.headers.append(request.header)
            content += request.content
            self.largest_part = max(self.largest_part, len(request.content))
            if self._broken and content:
                self._broken -= 1
                await context.abort(grpc.StatusCode.UNAVAILABLE, "broken midway")
        self.content = content
        return trainer.UploadDatasetResponse(dataset=pb.Dataset(name="datasets/tickets", version=1))

    async def get(self, request: Any, context: Any) -> pb.Dataset:
        return pb.Dataset(name="datasets/tickets", version=2, size_bytes=len(self.content))

    async def download(self, request: Any, context: Any) -> AsyncIterator[Any]:
        assert request.name == "datasets/tickets@2"
        for start in range(0, len(self.content), 1000):
            if self._broken and start:
                self._broken -= 1
                await context.abort(grpc.StatusCode.UNAVAILABLE, "broken midway")
            yield trainer.DownloadDatasetResponse(content=self.content[start : start + 1000])


async def test_a_file_arrives_as_it_is_over_broken_attempts(kind: str, tmp_path: Path) -> None:
    store = Store(broken=2)
    path = tmp_path / "tickets.csv.gz"
    path.write_bytes(gzip.compress(np.random.default_rng(0).bytes(2_500_000)))
    async with serving(**store.methods()) as address, connected(kind, address) as client:
        answer = await client.datasets.upload(
            "tickets", path, metric="tone", columns={"question": "input"}, allow_partial=True
        )
    assert answer.dataset.version == 1
    assert store.content == path.read_bytes()
    assert store.largest_part <= 1024 * 1024
    first, second, third = store.headers
    assert first == second == third
    assert (first.filename, first.metric, first.allow_partial) == ("tickets.csv.gz", "metrics/tone", True)
    assert dict(first.column_mapping) == {"question": "input"}
    assert first.request_id


async def test_a_check_waits_as_long_as_it_takes(kind: str) -> None:
    left: list[float] = []

    async def check(request: Any, context: Any) -> Any:
        left.append(context.time_remaining())
        return trainer.CheckDatasetResponse(dataset=pb.Dataset(name=request.name))

    async with serving(CheckDataset=check) as address, connected(kind, address) as client:
        answer = await client.datasets.check("tickets@2")

    assert answer.dataset.name == "datasets/tickets@2"
    assert left[0] > 600


async def test_a_frame_arrives_as_json_lines(kind: str) -> None:
    store = Store(broken=1)
    frame = pd.DataFrame({"input": ["a", "ü\n"], "label": [True, False], "documents": [["x"], None]})
    async with serving(**store.methods()) as address, connected(kind, address) as client:
        await client.datasets.upload("tickets", frame, metric="tone")
    assert [json.loads(line) for line in store.content.splitlines()] == [
        {"input": "a", "label": True, "documents": ["x"]},
        {"input": "ü\n", "label": False, "documents": None},
    ]
    assert store.headers[-1].filename.endswith(".jsonl")


@pytest.mark.parametrize("given_format", ["csv", "JSONL"])
async def test_the_format_can_be_named(kind: str, tmp_path: Path, given_format: str) -> None:
    store = Store()
    (tmp_path / "rows.txt").write_text("x")
    async with serving(**store.methods()) as address, connected(kind, address) as client:
        await client.datasets.upload(
            "tickets", str(tmp_path / "rows.txt"), metric="tone", format=given_format
        )
    formats = trainer.UploadDatasetRequest.Header.Format
    assert formats.Name(store.headers[0].format) == given_format.upper()


async def test_what_cannot_be_read_is_said_before_anything_is_sent(kind: str, tmp_path: Path) -> None:
    async with connected(kind, "127.0.0.1:1") as client:
        with pytest.raises(FileNotFoundError, match=r"nowhere\.csv"):
            await client.datasets.upload("tickets", tmp_path / "nowhere.csv", metric="tone")
        with pytest.raises(IsADirectoryError):
            await client.datasets.upload("tickets", tmp_path, metric="tone")
        with pytest.raises(TypeError, match="list"):
            await client.datasets.upload("tickets", [{"input": "a"}], metric="tone")
        (tmp_path / "rows.xlsx").touch()
        with pytest.raises(errors.InvalidRequestError, match="xlsx"):
            await client.datasets.upload("tickets", tmp_path / "rows.xlsx", metric="tone", format="xlsx")


async def test_a_refused_upload_says_which_rows_are_bad(kind: str, tmp_path: Path) -> None:
    async def refuse(requests: Any, context: Any) -> Any:
        violation = errors.Violation('line 3, column "label"', 'is "maybe"')
        raise errors.DatasetInvalidError("1 of 9 rows is bad.", violations=[violation], bad_row_count="1")

    (tmp_path / "rows.csv").write_bytes(b"x" * 3_000_000)
    async with serving(UploadDataset=refuse) as address, connected(kind, address) as client:
        with pytest.raises(errors.DatasetInvalidError) as caught:
            await client.datasets.upload("tickets", tmp_path / "rows.csv", metric="tone")
    assert caught.value.violations[0].field == 'line 3, column "label"'
    assert caught.value.metadata["bad_row_count"] == "1"


async def test_rows_are_downloaded_whole_over_broken_attempts(kind: str, tmp_path: Path) -> None:
    store = Store(broken=2)
    store.content = b"".join(json.dumps({"input": f"row {i}"}).encode() + b"\n" for i in range(200))
    async with serving(**store.methods()) as address, connected(kind, address) as client:
        await client.datasets.download("tickets", tmp_path / "rows.jsonl")
        frame = await client.datasets.to_pandas("tickets")
    assert (tmp_path / "rows.jsonl").read_bytes() == store.content
    assert frame["input"].tolist() == [f"row {i}" for i in range(200)]
    assert names(tmp_path) == ["rows.jsonl"]


async def test_a_failed_download_leaves_the_old_file(kind: str, tmp_path: Path) -> None:
    async def fail(request: Any, context: Any) -> Any:
        yield trainer.DownloadDatasetResponse(content=b"half")
        raise errors.ArtifactCorruptError("Altered.", resource="datasets/tickets", path="rows")

    (tmp_path / "rows.jsonl").write_text("old")
    methods = Store().methods() | {"DownloadDataset": fail}
    async with serving(**methods) as address, connected(kind, address) as client:
        with pytest.raises(errors.ArtifactCorruptError):
            await client.datasets.download("tickets", tmp_path / "rows.jsonl")
    assert names(tmp_path) == ["rows.jsonl"]
    assert (tmp_path / "rows.jsonl").read_text() == "old"


async def test_a_split_names_its_two_sets(kind: str) -> None:
    split = Failing(then=lambda _: trainer.SplitDatasetResponse(test_set=pb.Dataset(name="datasets/b")))
    async with serving(SplitDataset=split) as address, connected(kind, address) as client:
        await client.datasets.split("tickets@2", training="a", test="b", group="user", seed=7)
    request = split.requests[0]
    assert (request.name, request.training_dataset_id, request.test_dataset_id) == (
        "datasets/tickets@2",
        "a",
        "b",
    )
    assert (request.test_share, request.group_column, request.seed) == (0.3, "user", 7)


def lines(frame: pd.DataFrame) -> list[Any]:
    text = b"".join(frame_to_jsonl(frame)).decode()
    return [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]


def test_missing_values_of_every_kind_become_null() -> None:
    frame = pd.DataFrame(
        {
            "none": [None, "x"],
            "nan": [float("nan"), 1.5],
            "infinite": [float("inf"), -1.0],
            "na": pd.array([pd.NA, 3], dtype="Int64"),
            "nat": [pd.NaT, pd.Timestamp("2026-01-02")],
            "boolean": pd.array([pd.NA, True], dtype="boolean"),
            "string": pd.array([pd.NA, "s"], dtype="string"),
        }
    )
    assert list(lines(frame)[0].values()) == [None] * 7
    assert list(lines(frame)[1].values()) == ["x", 1.5, -1.0, 3, "2026-01-02T00:00:00", True, "s"]


def test_values_of_numpy_and_nested_ones_become_plain() -> None:
    cell = {"list": [np.int64(1), np.float32(0.5), np.bool_(True)], 2: (None, float("nan"))}
    frame = pd.DataFrame(
        {"cell": [cell], "array": [np.array(["a", "b"])], "day": [datetime.date(2026, 1, 2)]}
    )
    frame["category"] = pd.Categorical(["yes"])
    assert lines(frame) == [
        {
            "cell": {"list": [1, 0.5, True], "2": [None, None]},
            "array": ["a", "b"],
            "day": "2026-01-02",
            "category": "yes",
        }
    ]


def test_bytes_of_a_frame_are_the_text_that_they_are_and_never_what_python_prints() -> None:
    frame = pd.DataFrame({"input": [b"hello", "caf\u00e9".encode()], "tags": [[b"a"], [b"\xff"]]})

    assert lines(frame) == [{"input": "hello", "tags": ["a"]}, {"input": "café", "tags": ["\\xff"]}]


def test_half_a_character_is_sent_as_its_escape() -> None:
    frame = pd.DataFrame(
        {"input": ["\ud83d", "ü"]}, dtype=object
    )  # pandas with pyarrow has no text type for it
    assert lines(frame) == [{"input": "\ud83d"}, {"input": "ü"}]


def test_a_column_that_is_there_twice_is_refused() -> None:
    with pytest.raises(errors.InvalidRequestError, match="'a' twice"):
        lines(pd.DataFrame([[1, 2]], columns=["a", "a"]))


def test_long_frames_are_written_in_parts() -> None:
    frame = pd.DataFrame({"input": [str(i) for i in range(2500)]})
    assert len(list(frame_to_jsonl(frame))) == 3
    assert [line["input"] for line in lines(frame)] == frame["input"].tolist()


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_texts_survive_the_way_to_json_lines_and_back(texts: list[str]) -> None:
    frame = pd.DataFrame({"input": pd.Series(texts, dtype="object")})
    assert jsonl_to_frame(b"".join(frame_to_jsonl(frame)))["input"].tolist() == texts
