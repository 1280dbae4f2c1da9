"""Rows that say how sure their label is: read, refused, doubted, and given to the training."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.cells import CellError
from gnomon.errors import DatasetInvalidError, DatasetUnsuitableError
from gnomon.instances import text_span
from gnomon.v1 import trainer_service_pb2 as pb
from gnomon_trainer.domain.soft_labels import COLUMN, disagrees, parse, shares_of
from gnomon_trainer.domain.training import Row
from tests.trainer.running import Trainer, codes, jsonl, labelled_rows, refused
from tests.trainer.things import TOXICITY


@given(st.floats(0, 1))
def test_shares_that_add_up_to_one_are_read_as_objects_and_as_json(share: float) -> None:
    shares = {"true": share, "false": 1 - share}
    assert parse(shares, TOXICITY) == shares
    assert parse(json.dumps(shares), TOXICITY) == shares
    assert disagrees(shares, "true") == (share < 1 - share)


def test_classes_are_named_as_in_labels_and_those_not_named_have_nothing() -> None:
    assert parse({"1": 0.75, "No": 0.25}, TOXICITY) == {"true": 0.75, "false": 0.25}
    assert parse({"true": 1}, TOXICITY) == {"true": 1.0}
    assert disagrees({"true": 1.0}, "false")


@pytest.mark.parametrize("cell", [None, "", "  ", {}, "{}", " { } ", "null"])
def test_a_row_may_have_none(cell: Any) -> None:
    assert parse(cell, TOXICITY) is None


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ({"true": 0.5, "maybe": 0.5}, "names no class: 'maybe' is no label; use true or false"),
        ({"true": 1.5, "false": -0.5}, "has -0.5 for the class 'false'; a share is at least 0"),
        ({"true": 0.5, "false": 0.4}, "adds up to 0.9; the shares of a row must add up to 1"),
        ({"true": 0.5, "false": 0.502}, "adds up to 1.002"),
        ({"true": 0.5, "1": 0.5}, "names the class 'true' more than once"),
        ({"true": True}, "has no number for the class 'true'"),
        ({"true": "1"}, "has no number for the class 'true'"),
        ({"true": math.nan}, "has no number for the class 'true'"),
        ("true: 1", "is no JSON; write it as an object {class: share}"),
        ('{"true": 1' + "0" * 400 + "}", "has no number for the class 'true'"),
        ('{"true": -1' + "0" * 400 + "}", "has no number for the class 'true'"),
        ('{"true": 0.9, "true": 0.1, "false": 0.9}', "names the class 'true' more than once"),
        ("[" * 100_000, "is no JSON; write it as an object {class: share}"),
        ([0.5, 0.5], "must be an object {class: share}"),
        (0.5, "must be an object {class: share}"),
    ],
)
def test_what_cannot_be_meant_is_named(cell: Any, said: str) -> None:
    with pytest.raises(CellError) as caught:
        parse(cell, TOXICITY)
    assert said in str(caught.value)
    assert caught.value.column == COLUMN


def test_a_dataset_of_an_earlier_release_with_such_a_column_is_refused_by_its_row() -> None:
    row = Row(7, text_span(input="a", output="b"), "true", {COLUMN: "sure"})
    with pytest.raises(DatasetUnsuitableError, match="Row 7 of the training set cannot be learned"):
        shares_of(row, TOXICITY)


# ------------------------------------------------------------------- on the wire


async def test_an_upload_keeps_shares_and_tells_where_they_speak_against_the_label(trainer: Trainer) -> None:
    rows: list[dict[str, Any]] = labelled_rows(200)  # the labels take turns, true first
    rows[0][COLUMN] = {"true": 0.9, "false": 0.1}
    rows[1][COLUMN] = {"true": 0.6, "false": 0.4}
    rows[2][COLUMN] = {"true": 0.5, "false": 0.5}
    dataset = (await trainer.upload(jsonl(rows))).dataset
    (found,) = dataset.findings
    assert (found.code, list(found.rows), found.row_count) == ("LABEL_PROBABILITIES_DISAGREE", [2], 1)
    assert list(dataset.extra_columns) == [COLUMN]


async def test_a_closer_look_and_a_split_still_tell_where_shares_speak_against_the_label(
    trainer: Trainer,
) -> None:
    rows: list[dict[str, Any]] = labelled_rows(200)
    for row in rows[1:100:2]:  # which are labelled false
        row[COLUMN] = {"true": 0.6, "false": 0.4}
    await trainer.upload(jsonl(rows))

    checked = await trainer.stub.CheckDataset(pb.CheckDatasetRequest(name="datasets/train"))
    halves = await trainer.stub.SplitDataset(
        pb.SplitDatasetRequest(
            name="datasets/train", training_dataset_id="a", test_dataset_id="b", test_share=0.5
        )
    )

    found = {each.code: each.row_count for each in checked.dataset.findings}
    assert found["LABEL_PROBABILITIES_DISAGREE"] == 50
    parts = [
        finding.row_count
        for half in (halves.training_set, halves.test_set)
        for finding in half.findings
        if finding.code == "LABEL_PROBABILITIES_DISAGREE"
    ]
    assert sum(parts) == 50


async def test_the_same_shares_in_csv_are_the_same_dataset(trainer: Trainer) -> None:
    cell = json.dumps({"true": 0.9, "false": 0.1})
    rows = [{**row, "label": "true" if row["label"] else "false"} for row in labelled_rows(160)]
    quoted = cell.replace('"', '""')
    lines = [f'{row["input"]},{row["output"]},{row["label"]},"{quoted}"' for row in rows]
    content = "\n".join([f"input,output,label,{COLUMN}", *lines]).encode()
    first = (await trainer.upload(content, filename="rows.csv")).dataset
    second = (await trainer.upload(jsonl([{**row, COLUMN: json.loads(cell)} for row in rows]))).dataset
    assert codes(first.findings) == ["LABEL_PROBABILITIES_DISAGREE"]
    assert (first.digest, first.version) == (second.digest, second.version)


async def test_shares_that_cannot_be_meant_refuse_the_upload_by_line_and_column(
    trainer: Trainer, tmp_path: Path
) -> None:
    rows: list[dict[str, Any]] = labelled_rows(3)
    rows[1][COLUMN] = {"true": 0.9, "false": 0.3}
    error = await refused(trainer.upload(jsonl(rows)))
    assert isinstance(error, DatasetInvalidError)
    assert 'line 2, column "label_probabilities": adds up to 1.2' in error.message


@pytest.mark.parametrize("cell", ['{"true": 1' + "0" * 400 + "}", "[" * 100_000])
async def test_shares_that_no_parser_takes_refuse_the_upload_by_line_and_column(
    trainer: Trainer, cell: str
) -> None:
    rows: list[dict[str, Any]] = labelled_rows(3)
    rows[1][COLUMN] = cell
    error = await refused(trainer.upload(jsonl(rows)))
    assert isinstance(error, DatasetInvalidError)
    assert f'line 2, column "{COLUMN}": ' in error.message
