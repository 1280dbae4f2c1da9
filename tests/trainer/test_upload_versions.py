"""What an upload finds, which version it makes, and calls that end otherwise."""

import asyncio
import errno
import gzip
import uuid
from typing import Any

import pytest

from gnomon.errors import (
    DatasetUnsuitableError,
    InvalidRequestError,
    NotFoundError,
    RegistryUnavailableError,
    RequestIdReusedError,
    StorageFullError,
)
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import trainer_service_pb2 as pb
from tests.trainer.running import (
    Trainer,
    codes,
    jsonl,
    labelled_rows,
    refused,
    upload_requests,
)
from tests.trainer.uploading import HEADER, left_files, refuse

# ----------------------------------------------------------------------- findings


async def test_rows_with_the_same_text_and_other_labels_are_named(trainer: Trainer) -> None:
    rows = labelled_rows(300)
    rows[10] = rows[4] | {"label": not rows[4]["label"]}

    dataset = (await trainer.upload(jsonl(rows))).dataset

    assert dataset.state == resources.Dataset.VALIDATED_WITH_WARNINGS
    assert codes(dataset.findings) == ["CONFLICTING_LABELS", "DUPLICATE_ROWS"]
    assert list(dataset.findings[0].rows) == [5, 11]


async def test_case_and_punctuation_make_no_other_text_of_a_conflict(trainer: Trainer) -> None:
    rows = labelled_rows(300)
    rows[10] = rows[4] | {"label": not rows[4]["label"], "output": "ANSWER, 4!"}

    conflict, _ = (await trainer.upload(jsonl(rows))).dataset.findings

    assert (conflict.code, list(conflict.rows)) == ("CONFLICTING_LABELS", [5, 11])


async def test_what_else_is_noteworthy_is_found(trainer: Trainer) -> None:
    rows = labelled_rows(400)
    one_class = [row | {"label": True} for row in rows]
    imbalanced = [row | {"label": n < 5} for n, row in enumerate(rows)]
    long = [row | {"output": f"{row['output']} " * 300} if n == 7 else row for n, row in enumerate(rows)]
    loud = [*rows, rows[0] | {"input": "  QUESTION, 0!"}]

    found = {
        name: codes((await trainer.upload(jsonl(content), dataset_id=name)).dataset.findings)
        for name, content in {
            "fine": rows,
            "one-class": one_class,
            "imbalanced": imbalanced,
            "long": long,
            "few": rows[:20],
            "loud": loud,
        }.items()
    }

    assert found == {
        "fine": [],
        "one-class": ["ONE_CLASS_ONLY"],
        "imbalanced": ["IMBALANCED_CLASSES"],
        "long": ["LONG_TEXTS"],
        "few": ["FEW_ROWS"],
        "loud": ["DUPLICATE_ROWS"],
    }


# ----------------------------------------------------------------------- versions


async def test_the_same_rows_again_are_the_same_version(trainer: Trainer) -> None:
    first = await trainer.upload(jsonl(labelled_rows(10)), display_name="Toxicity")
    again = await trainer.upload(gzip.compress(jsonl(labelled_rows(10))), filename="other.jsonl.gz")
    other = await trainer.upload(jsonl(labelled_rows(11)))

    assert again.dataset == first.dataset
    assert (other.dataset.version, other.dataset.display_name) == (2, "Toxicity")


async def test_a_dataset_keeps_to_its_metric(trainer: Trainer) -> None:
    await trainer.upload(jsonl(labelled_rows(10)))

    error = await refused(
        trainer.upload(b"input,label\na,billing\n", filename="rows.csv", metric="metrics/topic")
    )

    assert isinstance(error, DatasetUnsuitableError)


async def test_a_request_id_counts_once(trainer: Trainer) -> None:
    request_id = str(uuid.uuid4())
    first = await trainer.upload(jsonl(labelled_rows(10)), request_id=request_id)
    await trainer.upload(jsonl(labelled_rows(20)))

    again = await trainer.upload(jsonl(labelled_rows(10)), request_id=request_id)
    other_rows = await refused(trainer.upload(jsonl(labelled_rows(9)), request_id=request_id))
    other_header = await refused(
        trainer.upload(jsonl(labelled_rows(10)), request_id=request_id, allow_partial=True)
    )
    no_uuid = await refused(trainer.upload(jsonl(labelled_rows(10)), request_id="again"))

    assert again.dataset == first.dataset
    assert again.dataset.version == 1
    assert isinstance(other_rows, RequestIdReusedError)
    assert isinstance(other_header, RequestIdReusedError)
    assert isinstance(no_uuid, InvalidRequestError)


# -------------------------------------------------------------------------- calls


@pytest.mark.parametrize("dataset_id", ["..", "a/b", "a\0b", "Ünï", "A", "-a", "a" * 64])
async def test_ids_that_could_mean_a_path_are_refused(trainer: Trainer, dataset_id: str) -> None:
    error = await refuse(trainer, f"{HEADER}a,b,1\n", dataset_id=dataset_id)

    assert isinstance(error, InvalidRequestError)
    assert error.violations[0].field == "header.dataset_id"


async def test_an_unknown_metric_is_named(trainer: Trainer) -> None:
    error = await refuse(trainer, f"{HEADER}a,b,1\n", metric="metrics/absent")

    assert isinstance(error, NotFoundError)
    assert "metrics/absent" in error.message


async def test_an_upload_says_when_the_registry_is_away(trainer: Trainer) -> None:
    await trainer.registry.stop()

    error = await refuse(trainer, f"{HEADER}a,b,1\n")

    assert isinstance(error, RegistryUnavailableError)
    assert error.retry_after_s is not None


async def test_an_upload_begins_with_a_header_and_has_one(trainer: Trainer) -> None:
    async def without_header() -> Any:
        yield pb.UploadDatasetRequest(content=b"a")

    async def twice() -> Any:
        async for request in upload_requests(b""):
            yield request
            yield request

    async def nothing() -> Any:
        return
        yield

    for requests in (without_header(), twice(), nothing()):
        assert isinstance(await refused(trainer.stub.UploadDataset(requests)), InvalidRequestError)
    assert left_files(trainer) == []


async def test_a_caller_who_leaves_in_the_middle_leaves_nothing_behind(trainer: Trainer) -> None:
    started = asyncio.Event()

    async def endless() -> Any:
        async for request in upload_requests(b"x" * 200_000):
            yield request
        started.set()
        await asyncio.Event().wait()

    call = trainer.stub.UploadDataset(endless())
    await started.wait()
    async with asyncio.timeout(10):
        while not left_files(trainer):
            await asyncio.sleep(0.02)
        call.cancel()
        while left_files(trainer):
            await asyncio.sleep(0.02)
    assert not (await trainer.stub.ListDatasets(pb.ListDatasetsRequest())).datasets


async def test_a_full_disk_is_told_and_leaves_nothing_behind(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for target in ("incoming.IncomingFile.write", "row_files.RowFile.write", "row_files.os.fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(f"gnomon_trainer.adapters.{target}", full)
            error = await refuse(trainer, f"{HEADER}a,b,1\n")
        assert isinstance(error, StorageFullError)

    assert (await trainer.upload(f"{HEADER}a,b,1\n".encode(), filename="a.csv")).dataset.version == 1
