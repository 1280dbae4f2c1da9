"""Datasets, runs and metrics to test with."""

from dataclasses import replace
from typing import Any

from gnomon.instances import InputShape, OutputType, Step
from gnomon_trainer.domain.datasets import DatasetDraft
from gnomon_trainer.domain.findings import finding
from gnomon_trainer.domain.reviews import Order, Review
from gnomon_trainer.domain.runs import Run, RunSpec, first_state, new_uid
from gnomon_trainer.domain.training import MetricDefinition, Parameters

TOXICITY = MetricDefinition(
    name="metrics/toxicity",
    output_type=OutputType.BOOLEAN,
    step=Step.LLM_SPAN,
    input_shape=InputShape.INPUT_OUTPUT,
    classes=("false", "true"),
    flagged_classes=("true",),
)
PARAMETERS = Parameters(4, 32, 1e-4, 1e-3, 0.01, 0.1, 64, 0.2, 1, 2, 0)


def draft(dataset: str = "train", digest: str = "a" * 64, **fields: Any) -> DatasetDraft:
    values = {
        "metric": "metrics/toxicity",
        "findings": (finding("FEW_ROWS", "Few.", [3, 1]),),
        "row_count": 3,
        "class_counts": {"false": 1, "true": 2},
        "extra_columns": ("source",),
        "size_bytes": 100,
        "source_filename": "rows.csv",
    }
    return DatasetDraft(dataset=dataset, digest=digest, **(values | fields))


def new_run(run: str = "first", project: str = "demo", **fields: Any) -> Run:
    spec = RunSpec(
        metric=TOXICITY,
        training_set="datasets/train@1",
        training_set_digest="a" * 64,
        test_set="datasets/test@1",
        test_set_digest="b" * 64,
        recipe="recipes/quick",
        base_model="somewhere",
        requested={"epochs": 4},
        parameters=PARAMETERS,
        origins={"epochs": "request"},
        findings=(finding("OVERLAP_EXACT", "Some.", [7]),),
        warnings=("Some.",),
    )
    uid = new_uid((project + run).encode().ljust(16, b"."))
    return Run(uid=uid, project=project, run=run, display_name="", spec=spec, create_time=1.0, **fields)


def waiting_run(made_by: str = "labellings/l", run: str = "first", **fields: Any) -> Run:
    """Return a run that waits for its training set."""
    known = new_run(run)
    spec = replace(known.spec, training_set="", training_set_digest="", origins={}, made_by=made_by)
    return replace(known, spec=spec, state=first_state(spec), **fields)


def new_review(review: str = "first", **fields: Any) -> Review:
    values = {
        "dataset": "train",
        "version": 1,
        "metric": "metrics/toxicity",
        "classes": ("false", "true"),
        "order": Order.COMBINED,
        "limit": 10,
        "blind": False,
        "reviewers_per_row": 1,
        "judge_column": "",
        "include_reviewed": False,
        "item_count": 3,
        "create_time": 1.5,
    }
    return Review(review=review, **(values | fields))
