"""Datasets after they are stored: reading, deleting, dividing."""

import json
import os
import uuid
from pathlib import Path
from typing import Any

import pytest

from gnomon.errors import (
    ArtifactCorruptError,
    DatasetUnsuitableError,
    InvalidRequestError,
    NotFoundError,
    RequestIdReusedError,
    ResourceInUseError,
)
from gnomon.v1 import trainer_service_pb2 as pb
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.running import Trainer, jsonl, labelled_rows, refused, trainer_at, two_sets


async def rows_of(trainer: Trainer, name: str) -> list[dict[str, Any]]:
    call = trainer.stub.DownloadDataset(pb.DownloadDatasetRequest(name=name))
    content = b"".join([response.content async for response in call])
    return [json.loads(line) for line in content.splitlines()]


async def test_a_version_can_be_named_and_the_newest_is_meant_without(trainer: Trainer) -> None:
    await trainer.upload(jsonl(labelled_rows(10)))
    await trainer.upload(jsonl(labelled_rows(20)))

    newest = await trainer.stub.GetDataset(pb.GetDatasetRequest(name="datasets/train"))
    first = await trainer.stub.GetDataset(pb.GetDatasetRequest(name="datasets/train@1"))
    absent = await refused(trainer.stub.GetDataset(pb.GetDatasetRequest(name="datasets/train@3")))

    assert (newest.version, newest.row_count) == (2, 20)
    assert (first.version, first.row_count) == (1, 10)
    assert isinstance(absent, NotFoundError)


@pytest.mark.parametrize("name", ["datasets/../x", "datasets/a@0", "datasets/a@b", "train", "datasets/a\0"])
async def test_names_that_are_none_are_refused(trainer: Trainer, name: str) -> None:
    for method, request in (
        (trainer.stub.GetDataset, pb.GetDatasetRequest(name=name)),
        (trainer.stub.DeleteDataset, pb.DeleteDatasetRequest(name=name)),
    ):
        assert isinstance(await refused(method(request)), InvalidRequestError)


async def test_datasets_are_listed_in_pages_by_name(trainer: Trainer) -> None:
    for dataset_id in ("c", "a", "b"):
        await trainer.upload(jsonl(labelled_rows(10)), dataset_id=dataset_id)
    await trainer.upload(jsonl(labelled_rows(20)), dataset_id="b")
    await trainer.stub.DeleteDataset(pb.DeleteDatasetRequest(name="datasets/c"))

    first = await trainer.stub.ListDatasets(pb.ListDatasetsRequest(page_size=1))
    second = await trainer.stub.ListDatasets(
        pb.ListDatasetsRequest(page_size=1, page_token=first.next_page_token)
    )

    assert [(d.name, d.version) for d in first.datasets] == [("datasets/a", 1)]
    assert [(d.name, d.version) for d in second.datasets] == [("datasets/b", 2)]
    assert not second.next_page_token


async def test_a_deleted_dataset_is_gone_and_its_numbers_are_not_given_again(trainer: Trainer) -> None:
    await trainer.upload(jsonl(labelled_rows(10)))
    await trainer.stub.DeleteDataset(pb.DeleteDatasetRequest(name="datasets/train"))

    gone = await refused(trainer.stub.GetDataset(pb.GetDatasetRequest(name="datasets/train@1")))
    again = await refused(trainer.stub.DeleteDataset(pb.DeleteDatasetRequest(name="datasets/train")))
    back = await trainer.upload(jsonl(labelled_rows(10)))

    assert isinstance(gone, NotFoundError)
    assert isinstance(again, NotFoundError)
    assert back.dataset.version == 2


async def test_one_version_alone_cannot_be_deleted(trainer: Trainer) -> None:
    await trainer.upload(jsonl(labelled_rows(10)))

    error = await refused(trainer.stub.DeleteDataset(pb.DeleteDatasetRequest(name="datasets/train@1")))

    assert isinstance(error, InvalidRequestError)


async def test_a_dataset_that_a_run_needs_stays(trainer: Trainer) -> None:
    await two_sets(trainer)
    run = await trainer.create_run()

    error = await refused(trainer.stub.DeleteDataset(pb.DeleteDatasetRequest(name="datasets/test")))
    assert isinstance(error, ResourceInUseError)
    assert error.metadata["used_by"] == run.name

    await trainer.cancel(run)
    await trainer.stub.DeleteDataset(pb.DeleteDatasetRequest(name="datasets/test"))


async def test_rows_survive_a_restart(tmp_path: Path, registry: FakeRegistry) -> None:
    async with trainer_at(tmp_path, registry) as trainer:
        await trainer.upload(jsonl(labelled_rows(10)))
    (tmp_path / "data" / "tmp" / "left.upload").write_text("of a process that was killed")
    (tmp_path / "data" / "datasets" / f"{'0' * 64}.jsonl").write_text("never recorded")
    for path in (tmp_path / "data").rglob("*"):
        os.utime(path, (1.0, 1.0))
    (tmp_path / "data" / "tmp" / "now.upload").write_text("of a trainer that shares the folder")
    (tmp_path / "data" / "datasets" / f"{'1' * 64}.jsonl").write_text("to be recorded in a moment")

    async with trainer_at(tmp_path, registry) as trainer:
        assert len(await rows_of(trainer, "datasets/train")) == 10
    assert len([path for path in (tmp_path / "data").rglob("*") if path.is_file()]) == 3


async def test_missing_rows_are_told(trainer: Trainer) -> None:
    await trainer.upload(jsonl(labelled_rows(10)))
    for path in (trainer.app.settings.data_dir / "datasets").iterdir():
        path.unlink()

    call = trainer.stub.DownloadDataset(pb.DownloadDatasetRequest(name="datasets/train"))

    assert isinstance(await refused(call.read()), ArtifactCorruptError)


# -------------------------------------------------------------------------- split


def split_request(**fields: Any) -> pb.SplitDatasetRequest:
    values = {"name": "datasets/all", "training_dataset_id": "train", "test_dataset_id": "test"}
    return pb.SplitDatasetRequest(**(values | fields))


async def test_a_split_keeps_the_shares_of_the_labels(trainer: Trainer) -> None:
    rows = [row | {"label": n % 4 == 0} for n, row in enumerate(labelled_rows(400))]
    await trainer.upload(jsonl(rows), dataset_id="all")

    parts = await trainer.stub.SplitDataset(split_request())

    assert dict(parts.training_set.class_counts) == {"false": 210, "true": 70}
    assert dict(parts.test_set.class_counts) == {"false": 90, "true": 30}
    assert parts.test_set.source_filename == "datasets/all@1"
    both = [*await rows_of(trainer, "datasets/train"), *await rows_of(trainer, "datasets/test")]
    assert {row["input"] for row in both} == {row["input"] for row in rows}


async def test_the_same_seed_splits_the_same_way(trainer: Trainer) -> None:
    await trainer.upload(jsonl(labelled_rows(100)), dataset_id="all")

    first = await trainer.stub.SplitDataset(split_request(seed=7))
    again = await trainer.stub.SplitDataset(split_request(seed=7))
    other = await trainer.stub.SplitDataset(split_request(seed=8))

    assert again == first
    assert other.test_set.digest != first.test_set.digest


async def test_groups_stay_together(trainer: Trainer) -> None:
    rows = [row | {"user": f"user {n // 5 % 40}"} for n, row in enumerate(labelled_rows(400))]
    await trainer.upload(jsonl(rows), dataset_id="all")

    await trainer.stub.SplitDataset(split_request(group_column="user", test_share=0.25))

    training = {row["user"] for row in await rows_of(trainer, "datasets/train")}
    test = {row["user"] for row in await rows_of(trainer, "datasets/test")}
    assert not training & test
    assert len(test) == 10


async def test_a_split_that_cannot_be_is_refused(trainer: Trainer) -> None:
    await trainer.upload(jsonl([row | {"user": "one"} for row in labelled_rows(20)]), dataset_id="all")

    refusals = {
        InvalidRequestError: [
            split_request(test_share=1.0),
            split_request(test_share=-0.1),
            split_request(test_share=float("nan")),
            split_request(test_dataset_id="train"),
            split_request(test_dataset_id="../test"),
            split_request(group_column="absent"),
        ],
        DatasetUnsuitableError: [split_request(group_column="user"), split_request(test_share=1e-6)],
        NotFoundError: [split_request(name="datasets/absent")],
    }
    for kind, requests in refusals.items():
        for request in requests:
            assert isinstance(await refused(trainer.stub.SplitDataset(request)), kind)


async def test_a_split_counts_once(trainer: Trainer) -> None:
    await trainer.upload(jsonl(labelled_rows(100)), dataset_id="all")
    request = split_request(request_id=str(uuid.uuid4()))
    first = await trainer.stub.SplitDataset(request)
    await trainer.stub.DeleteDataset(pb.DeleteDatasetRequest(name="datasets/all"))

    again = await trainer.stub.SplitDataset(request)
    request.seed = 9
    other = await refused(trainer.stub.SplitDataset(request))

    assert again == first
    assert isinstance(other, RequestIdReusedError)
