"""Whose labels a dataset holds is known over splits, reviews, downloads and uploads."""

import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon import convert
from gnomon._frames import frame_to_jsonl, jsonl_to_frame
from gnomon.errors import DatasetUnsuitableError, GnomonError
from gnomon.instances import SpanKind, text_span
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import reviews_pb2
from gnomon.v1 import trainer_service_pb2 as pb
from gnomon_trainer.domain.label_origins import has_judges_label
from tests.trainer.fake_endpoint import FakeEndpoint
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.labelling import (
    LabellingState,
    Purpose,
    labelled,
    labelling_trainer,
    request_of,
    rows_of,
    upload_logs,
)
from tests.trainer.running import Trainer, codes, jsonl, labelled_rows, refused, run_of

TOLD = {"TEST_LABELS_OF_A_JUDGE", "TEST_ROWS_GENERATED"}


@pytest.fixture
async def trainer(tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint) -> AsyncIterator[Trainer]:
    async with labelling_trainer(tmp_path, registry, endpoint) as trainer:
        yield trainer


@pytest.fixture
async def judged(trainer: Trainer) -> Trainer:
    """A trainer with `logs`, which a judge labelled."""
    await upload_logs(trainer, 20)
    await labelled(trainer)
    return trainer


async def split(trainer: Trainer) -> tuple[resources.Dataset, resources.Dataset]:
    """Divide `logs` into `train` and `test`."""
    parts = await trainer.stub.SplitDataset(
        pb.SplitDatasetRequest(name="datasets/logs", training_dataset_id="train", test_dataset_id="test")
    )
    return parts.training_set, parts.test_set


async def reviewed(trainer: Trainer, dataset: str, rows: Iterable[int], review: str = "r") -> Any:
    """Have a person look at rows, and agree with the judge."""
    name = f"datasets/{dataset}/reviews/{review}"
    asks_no_probe = reviews_pb2.Review(order=reviews_pb2.Review.JUDGE_DISAGREEMENT)
    await trainer.stub.CreateReview(
        reviews_pb2.CreateReviewRequest(parent=f"datasets/{dataset}", review_id=review, review=asks_no_probe)
    )
    stored = await rows_of(trainer, f"datasets/{dataset}")
    for row in rows:
        await trainer.stub.RecordReviewDecision(
            reviews_pb2.RecordReviewDecisionRequest(
                name=name,
                row=row,
                reviewer="ann",
                answer=reviews_pb2.REVIEW_ANSWER_LABEL,
                label=stored[row - 1]["label"],
            )
        )
    return (await trainer.stub.ApplyReview(reviews_pb2.ApplyReviewRequest(name=name))).dataset


async def refusal(trainer: Trainer, dataset: str) -> GnomonError:
    """Return why a judge is not measured on a dataset."""
    request = request_of("second", dataset=f"datasets/{dataset}", purpose=Purpose.VALIDATE)
    return await refused(trainer.stub.CreateLabelling(request))


# ------------------------------------------------------------------------------ measuring a judge


async def test_a_split_and_a_review_tell_which_judge_gave_the_labels(judged: Trainer) -> None:
    assert {part.labelling for part in await split(judged)} == {"labellings/first"}
    assert (await reviewed(judged, "test", [1])).labelling == "labellings/first"


async def test_a_judge_is_not_measured_on_half_of_what_it_labelled(judged: Trainer) -> None:
    _, test = await split(judged)

    error = await refusal(judged, "test")

    assert isinstance(error, DatasetUnsuitableError)
    assert f"A judge gave {test.row_count} of {test.row_count} rows of datasets/test@1" in error.message


async def test_a_judge_is_measured_once_people_settled_every_row_and_not_before(judged: Trainer) -> None:
    _, test = await split(judged)
    await reviewed(judged, "test", range(2, test.row_count + 1), "most")
    error = await refusal(judged, "test")
    assert f"A judge gave 1 of {test.row_count} rows of datasets/test@2" in error.message
    assert "gnomon review create test --limit 1" in error.message

    await reviewed(judged, "test", [1], "rest")

    done = await labelled(judged, "second", dataset="datasets/test", purpose=Purpose.VALIDATE)
    assert (done.state, done.report.row_count) == (LabellingState.LABELLED, test.row_count)


async def test_the_refusal_names_the_column_that_tells_whose_labels_rows_have(judged: Trainer) -> None:
    assert "`judge_explanation`" in (await refusal(judged, "logs")).message


async def test_a_judges_labels_stay_a_judges_over_a_download_and_an_upload(judged: Trainer) -> None:
    downloaded = await rows_of(judged, "datasets/logs")
    people = [row | {"input": f"other {row['input']}"} for row in labelled_rows(5)]
    await judged.upload(jsonl([*downloaded, *people]), dataset_id="again")

    assert "A judge gave 20 of 25 rows of datasets/again@1" in (await refusal(judged, "again")).message


# ------------------------------------------------------------- rows of both, over downloads and uploads

SETTLED = {"review": "datasets/logs/reviews/r", "by": ["ann"], "time": "2026-01-01T00:00:00.000Z"}
blanks = st.sampled_from(["", " ", "\n"])


def through_a_frame(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"content": b"".join(frame_to_jsonl(jsonl_to_frame(jsonl(rows))))}


def through_csv(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Write rows as CSV is written: each has every column, and objects are JSON."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    for row in rows:
        writer.writerow({n: json.dumps(c) if isinstance(c, dict) else c for n, c in row.items()})
    return {"content": file.getvalue().encode(), "filename": "rows.csv"}


def as_stored(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"content": jsonl(rows)}


@pytest.mark.parametrize("way", [as_stored, through_a_frame, through_csv])
@pytest.mark.parametrize("explanation", ["Because.", ""], ids=["explained", "unexplained"])
async def test_rows_of_people_beside_those_of_a_judge_stay_those_of_people_whichever_way_they_go(
    trainer: Trainer, way: Callable[[Sequence[Mapping[str, Any]]], dict[str, Any]], explanation: str
) -> None:
    of_judge, of_people, settled, corrected = labelled_rows(4)
    of_judge |= {"judge_label": "true", "judge_explanation": explanation}
    settled |= {"judge_label": "true", "judge_explanation": explanation, "label_review": SETTLED}
    corrected |= {"judge_label": "true"}  # by feedback, which takes the reasons for the old label away
    await trainer.upload(dataset_id="again", **way([of_judge, of_people, settled, corrected]))

    stored = await rows_of(trainer, "datasets/again")

    assert [has_judges_label(row) for row in stored] == [True, False, False, False]
    assert "A judge gave 1 of 4 rows of datasets/again@1" in (await refusal(trainer, "again")).message


@given(blank=blanks | st.none(), others=blanks | st.none())
def test_blank_cells_make_no_label_a_judges(blank: str | None, others: str | None) -> None:
    cells = {"judge_explanation": blank, "judge_label": others, "generated_from": others, "label": "true"}
    assert not has_judges_label(cells)


@given(
    blanks,
    st.sampled_from([{"judge_label": "true"}, {"judge_label": True}, {"generated_from": ["datasets/a@1#1"]}]),
)
def test_a_judge_that_explained_nothing_is_known_by_its_label_or_by_what_was_generated_for_it(
    blank: str, told: Mapping[str, Any]
) -> None:
    assert has_judges_label({"judge_explanation": blank, "label": "true", **told})
    assert not has_judges_label({"judge_explanation": None, "label": "true", **told})


@pytest.mark.parametrize(
    "cell", ["", " ", "ann", "{", "[]", "1", '{"time": null}', "[" * 100_000, None, {}, []]
)
def test_what_is_no_review_settles_nothing(cell: Any) -> None:
    assert has_judges_label({"judge_explanation": "Because.", "label_review": cell})


# --------------------------------------------------------------------------- measuring an evaluator


async def findings_of(trainer: Trainer, **fields: Any) -> dict[str, Any]:
    """Return what a run finds of its sets, by code."""
    await trainer.upload(jsonl(labelled_rows(300, start=1000)), dataset_id="people")
    run = await trainer.create_run(training_set="datasets/people", allow_small=True, **fields)
    return {finding.code: finding for finding in run.findings}


async def test_a_run_says_how_many_test_rows_have_a_judges_label(judged: Trainer) -> None:
    _, test = await split(judged)
    await reviewed(judged, "test", [1, 2])

    found = await findings_of(judged)

    told = found["TEST_LABELS_OF_A_JUDGE"]
    assert list(told.rows) == list(range(3, test.row_count + 1))
    assert told.message.startswith(f"{test.row_count - 2} of {test.row_count} rows")
    assert "TEST_ROWS_GENERATED" not in found


async def test_a_run_says_nothing_of_a_test_set_that_people_settled(judged: Trainer) -> None:
    _, test = await split(judged)
    await reviewed(judged, "test", range(1, test.row_count + 1))

    assert not TOLD & (await findings_of(judged)).keys()


async def test_a_run_says_how_many_test_rows_a_model_wrote(trainer: Trainer) -> None:
    written = {"generated_from": ["datasets/seeds@1#1"], "judge_explanation": "Because."}
    rows = [row | (written if n % 3 == 0 else {}) for n, row in enumerate(labelled_rows(30))]
    await trainer.upload(jsonl(rows), dataset_id="test")

    found = await findings_of(trainer)

    assert {code: found[code].row_count for code in TOLD} == dict.fromkeys(TOLD, 10)


async def test_a_judges_labels_of_a_training_set_are_no_finding(judged: Trainer) -> None:
    await judged.upload(jsonl(labelled_rows(30, start=5000)), dataset_id="test")
    run = await judged.create_run(training_set="datasets/logs", allow_small=True)

    assert not TOLD & set(codes(run.findings))


# ------------------------------------------------------------------ labels that take others' places


async def test_the_next_training_set_names_the_judge_and_what_a_person_corrected_is_a_persons(
    judged: Trainer, registry: FakeRegistry
) -> None:
    registry.made_by["metrics/toxicity/versions/1"] = "projects/demo/runs/first"
    await judged.upload(jsonl(labelled_rows(30, start=5000)), dataset_id="test")
    await judged.create_run(training_set="datasets/logs", allow_small=True)
    said = resources.Feedback(
        metric_version="metrics/toxicity/versions/1",
        instance=convert.instance_to_proto(
            text_span(input="question 0", output="bad answer 0", kind=SpanKind.LLM)
        ),
        label="false",
        score_label="true",
    )
    await judged.stub.RecordFeedback(pb.RecordFeedbackRequest(entries=[said]))

    request = pb.TrainFromFeedbackRequest(metric_version="metrics/toxicity/versions/1", run_id="second")
    made = run_of(await judged.stub.TrainFromFeedback(request)).training_set

    dataset = await judged.stub.GetDataset(pb.GetDatasetRequest(name=made))
    rows = await rows_of(judged, made)
    assert dataset.labelling == "labellings/first"
    assert [has_judges_label(row) for row in rows] == [False] + [True] * 19
    assert rows[0]["judge_label"] == "true"  # what the judge had said may still be compared with


async def test_a_label_that_a_judge_gives_anew_is_not_one_that_people_settled(judged: Trainer) -> None:
    await reviewed(judged, "logs", range(1, 21))
    downloaded = await rows_of(judged, "datasets/logs")
    unlabelled = [
        {name: cell for name, cell in row.items() if name not in {"label", "label_probabilities"}}
        for row in downloaded
    ]
    await judged.upload(jsonl(unlabelled), dataset_id="anew", unlabelled=True)

    await labelled(judged, "second", dataset="datasets/anew")

    assert all(has_judges_label(row) for row in await rows_of(judged, "datasets/anew"))
