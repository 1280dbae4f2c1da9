"""`gnomon feedback` against services that answer from memory."""

import json
from pathlib import Path
from typing import Any

import pytest

from gnomon.cli import feedback_files
from gnomon.errors import GnomonError, InvalidRequestError
from gnomon.v1 import resources_pb2 as pb
from tests.cli.conftest import Gnomon
from tests.cli.fake_services import FakeServices

LINE = {"input": "Refund?", "output": "It is on your card."}


@pytest.fixture
def metric(gnomon: Gnomon) -> None:
    gnomon("metrics", "create", "commitment", "--output-type", "boolean", "--input-shape", "input_output")


def written(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_one_correction_is_recorded_from_the_command_line(gnomon: Gnomon, fake: FakeServices) -> None:
    ran = gnomon(
        "feedback", "record", "commitment@3", "--input", "Refund?", "--output", "Done.", "--label", "true",
        "--score-label", "false", "--score-probability", "0.7", "--reviewer", "ann", "--id", "row 7",
        "--json",
    )  # fmt: skip

    assert ran.status == 0, ran.err
    (said,) = fake.feedback
    assert said.metric_version == "metrics/commitment/versions/3"
    assert (said.label, said.score_label, said.score_probability) == ("true", "false", 0.7)
    assert (said.reviewer, said.external_id) == ("ann", "row 7")
    assert ran.json["name"] == "metrics/commitment/feedback/f1"


def test_feedback_is_listed_with_what_the_score_said(gnomon: Gnomon, fake: FakeServices) -> None:
    fake.feedback.append(pb.Feedback(label="true", score_label="false", reviewer="ann", held_out=True))
    ran = gnomon("feedback", "list", "commitment")

    assert ran.status == 0, ran.err
    assert "ann" in ran.out
    assert "held out" in ran.out


@pytest.mark.usefixtures("metric")
def test_a_scored_file_with_labels_tells_scores_versions_and_what_is_right(
    gnomon: Gnomon, fake: FakeServices, tmp_path: Path
) -> None:
    told = {
        "commitment.label": "false", "commitment.flagged": False, "commitment.false": 0.8,
        "commitment.true": 0.2, "commitment.version": "metrics/commitment/versions/4",
    }  # fmt: skip
    file = written(
        tmp_path / "scored.jsonl",
        LINE | told | {"label": True, "reviewer": "ann", "review_time": "2026-11-22T09:30:00", "id": 7},
        LINE | told,  # nobody looked at it
        LINE | {"label": "false", "score_label": "true"},
    )

    ran = gnomon("feedback", "import", file, "commitment", "--json")

    assert ran.status == 0, ran.err
    assert ran.json == {"recorded": 2, "failed": []}
    first, second = fake.feedback
    assert first.metric_version == "metrics/commitment/versions/4"
    assert (first.label, first.score_label, first.score_probability) == ("true", "false", 0.8)
    assert (first.review_time.ToJsonString(), first.external_id) == ("2026-11-22T09:30:00Z", "7")
    assert second.metric_version == "metrics/commitment/versions/production"
    assert (second.label, second.score_label) == ("false", "true")


@pytest.mark.usefixtures("metric")
def test_rows_that_cannot_be_recorded_are_named_and_the_others_are_recorded(
    gnomon: Gnomon, fake: FakeServices, tmp_path: Path
) -> None:
    file = written(
        tmp_path / "rows.jsonl",
        LINE | {"label": "maybe"},
        LINE | {"label": "true"},
        {"label": "true"},
        LINE | {"label": "true", "review_time": "yesterday"},
        LINE | {"label": "true", "score_probability": "high"},
    )
    ran = gnomon("feedback", "import", file, "commitment", "--json")

    assert ran.status == 1
    assert ran.json["recorded"] == len(fake.feedback) == 1
    assert [failed["place"] for failed in ran.json["failed"]] == ["Line 1", "Line 3", "Line 4", "Line 5"]


@pytest.mark.usefixtures("metric")
@pytest.mark.parametrize("said", [{}, {"label": ""}, {"label": None}, {"verdict": "true"}])
def test_a_file_in_which_nobody_says_what_is_right_is_no_success(
    gnomon: Gnomon, fake: FakeServices, tmp_path: Path, said: dict[str, Any]
) -> None:
    ran = gnomon("feedback", "import", written(tmp_path / "rows.jsonl", LINE | said), "commitment")

    assert ran.status == 1
    assert "has no row with a label, so nothing was recorded" in ran.err
    assert "--column FILECOL=label" in ran.err
    assert fake.feedback == []


@pytest.mark.usefixtures("metric")
def test_of_two_columns_that_are_read_as_one_nothing_is_recorded(
    gnomon: Gnomon, fake: FakeServices, tmp_path: Path
) -> None:
    file = written(tmp_path / "rows.jsonl", LINE | {"label": "true", "verdict": "false"})

    ran = gnomon("feedback", "import", file, "commitment", "--column", "verdict=label")

    assert ran.status != 0
    assert "more than one column as 'label'" in ran.err
    assert fake.feedback == []


BOOLEAN = pb.Metric(name="metrics/toxic", step="LLM_SPAN", output_type="BOOLEAN")


def read_one(folder: Path, **cells: Any) -> pb.Feedback | GnomonError:
    file = folder / "rows.jsonl"
    file.write_text(json.dumps({"input": "a", "label": True} | cells) + "\n")
    ((_, entry),) = feedback_files.read(file, {}, BOOLEAN, "toxic@3")
    return entry


def test_a_score_of_false_and_of_nought_is_a_score(tmp_path: Path) -> None:
    entry = read_one(tmp_path, score_label=False, score_probability=0.0)

    assert isinstance(entry, pb.Feedback)
    assert (entry.label, entry.score_label) == ("true", "false")
    assert entry.HasField("score_probability")
    assert entry.score_probability == 0.0


def test_what_a_row_says_of_its_score_goes_before_what_a_scored_file_says(tmp_path: Path) -> None:
    scored = {"toxic.label": "true", "toxic.true.probability": 0.9, "toxic.version": "toxic@2"}

    own, written = read_one(tmp_path, score_label=False, **scored), read_one(tmp_path, **scored)

    assert isinstance(own, pb.Feedback)
    assert isinstance(written, pb.Feedback)
    assert (own.score_label, own.HasField("score_probability")) == ("false", False)
    assert (written.score_label, written.score_probability) == ("true", 0.9)
    assert own.metric_version == written.metric_version == "metrics/toxic/versions/2"


@pytest.mark.parametrize(
    "cells",
    [
        {"review_time": 1e20},
        {"review_time": "0001-01-01T00:00:00+05:00"},
        {"review_time": "yesterday"},
        {"score_probability": "nan"},
        {"score_probability": [1]},
    ],
)
def test_a_cell_that_cannot_be_read_is_named_and_ends_nothing(tmp_path: Path, cells: dict[str, Any]) -> None:
    entry = read_one(tmp_path, **cells)

    assert isinstance(entry, InvalidRequestError)
    assert next(iter(cells)) in entry.message
