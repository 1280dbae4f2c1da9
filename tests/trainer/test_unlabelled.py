"""Datasets whose rows have no labels yet."""

import json
from typing import Any

import pytest

from gnomon.errors import DatasetInvalidError, DatasetUnlabelledError
from gnomon.v1 import reviews_pb2
from gnomon.v1 import trainer_service_pb2 as pb
from tests.trainer.running import Trainer, codes, jsonl, labelled_rows, refused, two_sets


async def test_rows_without_labels_are_kept_and_nothing_but_a_labelling_takes_them(trainer: Trainer) -> None:
    logs = [{"input": f"q {n}", "output": f"a {n}", "team": "x"} for n in range(3)]
    stored = (await trainer.upload(jsonl(logs), dataset_id="logs", unlabelled=True)).dataset

    assert (stored.unlabelled, stored.row_count, dict(stored.class_counts)) == (True, 3, {})
    assert codes(stored.findings) == ["UNLABELLED"]
    parts = [
        part.content
        async for part in trainer.stub.DownloadDataset(pb.DownloadDatasetRequest(name="datasets/logs"))
    ]
    assert [json.loads(line) for line in b"".join(parts).splitlines()] == logs
    await two_sets(trainer)
    calls = [
        trainer.create_run(training_set="datasets/logs"),
        trainer.create_run(test_set="datasets/logs"),
        trainer.stub.SplitDataset(
            pb.SplitDatasetRequest(name="datasets/logs", training_dataset_id="a", test_dataset_id="b")
        ),
        trainer.stub.CheckDataset(pb.CheckDatasetRequest(name="datasets/logs")),
        trainer.stub.CreateReview(reviews_pb2.CreateReviewRequest(parent="datasets/logs", review={})),
    ]
    for call in calls:
        error = await refused(call)
        assert isinstance(error, DatasetUnlabelledError)
        assert "gnomon judge label logs" in error.message


@pytest.mark.parametrize(
    "rows",
    [
        [{"input": "q", "output": "a", "label": "true"}],
        [{"input": "q", "output": "a"}, {"input": "q", "output": "a", "label": "true"}],
        [{"input": "q", "output": "a", "label_probabilities": {"true": 1.0}}],
    ],
)
async def test_labels_of_people_are_not_taken_for_none(trainer: Trainer, rows: list[Any]) -> None:
    error = await refused(trainer.upload(jsonl(rows), unlabelled=True))

    assert isinstance(error, DatasetInvalidError)
    assert "unlabelled" in error.message


async def test_rows_may_get_labels_in_a_later_version(trainer: Trainer) -> None:
    await trainer.upload(jsonl([{"input": "q", "output": "a"}]), unlabelled=True)
    labelled = (await trainer.upload(jsonl(labelled_rows(4)))).dataset

    assert (labelled.version, labelled.unlabelled) == (2, False)
