"""Report, card and page say of the same test rows whose labels they have, and who wrote them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from gnomon import measured_rows, report_page
from gnomon.v1 import resources_pb2
from gnomon_trainer.domain.evaluation import Details, TestSet, decisions, evaluate
from gnomon_trainer.domain.model_card import model_card
from gnomon_trainer.domain.training import ReportOptions, Row
from tests.trainer.fine_tuning import tiny
from tests.trainer.fine_tuning.test_parity import EVALUATOR

PEOPLE: Mapping[str, Any] = {}
ITS_LABEL = "the label of the row"
JUDGE = {"judge_explanation": "", "judge_label": ITS_LABEL}  # a judge may explain nothing
BLANK = {"judge_explanation": "", "judge_label": ""}  # of people, beside rows of a judge in a CSV file
GENERATED = {"judge_explanation": "Gloomy.", "generated_from": ["datasets/test@1#1"]}
SETTLED = {"label_review": {"time": "2026-01-01T00:00:00.000Z"}}


def with_cells(row: Row, kind: Mapping[str, Any]) -> Row:
    return replace(row, extra={n: row.label if cell is ITS_LABEL else cell for n, cell in kind.items()})


def report_of(rows: list[Row]) -> dict[str, Any]:
    truth = np.array([row.label == "true" for row in rows], dtype=np.int64)
    logits = np.eye(2, dtype=np.float32)[truth]
    test = TestSet(EVALUATOR, truth, logits, {}, 0)
    details = Details(rows, tiny.BOOLEAN, ReportOptions())
    measured = evaluate(test, decisions(EVALUATOR, logits), details)
    return measured | {"formats": [], "warnings": [], "training_rows": 80, "validation_rows": 20}


@pytest.mark.parametrize(
    ("kinds", "sentence"),
    [
        ([PEOPLE], "60 rows labelled by people, none of them trained on"),
        ([JUDGE], "60 rows labelled by a judge, none of them trained on"),
        ([JUDGE | SETTLED], "60 rows labelled by people, none of them trained on"),
        (
            [BLANK, JUDGE, JUDGE],
            "60 rows, 20 labelled by people and 40 by a judge, none of them trained on",
        ),
        ([GENERATED], "60 rows labelled by a judge, all of them written by a model, none of them trained on"),
        (
            [PEOPLE, GENERATED | SETTLED],
            "60 rows labelled by people, 30 of them written by a model, none of them trained on",
        ),
    ],
    ids=["people", "judge", "settled", "both", "generated", "half-generated"],
)
def test_card_and_page_say_whose_labels_the_figures_are_of(
    kinds: list[Mapping[str, Any]], sentence: str
) -> None:
    plan = tiny.plan()
    rows = [with_cells(row, kinds[n % len(kinds)]) for n, row in enumerate(plan.test_rows)]
    report = report_of(rows)

    assert f"{sentence}. " in model_card(plan, EVALUATOR, report)
    message = json_format.ParseDict(report, resources_pb2.EvaluationReport())
    assert f"{sentence}; " in report_page.render(message, "metrics/gloom@1")


@given(st.integers(0, 300).flatmap(lambda rows: st.tuples(st.just(rows), st.integers(0, rows))))
def test_people_are_said_to_have_labelled_what_no_judge_did_and_nothing_else(counts: tuple[int, int]) -> None:
    rows, judged = counts
    said = measured_rows.sentence(rows, judged, 0)

    assert ("by people" in said) == (judged < rows or not judged)
    assert ("by a judge" in said) == bool(judged)
    assert said.startswith(f"{rows} rows")
