"""Labellings: what a judge is to do with the rows of a dataset. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from gnomon.instances import InputShape, OutputType, Step
from gnomon_trainer.domain.judge_examples import Example
from gnomon_trainer.domain.judge_prompt import JudgeClass, Judged
from gnomon_trainer.domain.judging import Judgement, SoftLabelSource
from gnomon_trainer.domain.paid_work import PaidWork, WorkState
from gnomon_trainer.domain.training import MetricDefinition

NARROW = 0.2  # of two likeliest classes that are nearer to each other, a person should decide

# The parts of a labelling's outcomes; `place` is the row's number.
JUDGED = "judged"
WRONG = "wrong"  # judged, and otherwise than people labelled it
FAILED = "failed"
CANARY = "canary"


class Purpose(StrEnum):
    """What a labelling ends in; the names are those of `gnomon.v1.Labelling.Purpose`."""

    LABEL = "label"
    VALIDATE = "validate"


# The names are those of `gnomon.v1.Labelling.State`.
STATES: Mapping[WorkState, str] = {
    WorkState.WORKING: "LABELLING",
    WorkState.WAITING: "LABELLING",
    WorkState.DONE: "LABELLED",
    WorkState.FAILED: "FAILED",
    WorkState.CANCELLED: "CANCELLED",
}


@dataclass(frozen=True, slots=True)
class LabellingSpec:
    """What decides how rows are judged; fixed when the labelling is created."""

    purpose: Purpose
    dataset: str  # datasets/{dataset}@{version}
    dataset_digest: str
    row_count: int
    metric: MetricDefinition
    judged: Judged
    provider: str
    base_url: str
    model: str
    votes: int
    canary_count: int
    seed: int
    examples_dataset: str = ""  # datasets/{dataset}@{version}
    target: str = ""  # the ID of the dataset that gets the rows
    trace: str = ""  # of the call that created the labelling, as a `traceparent`; decides nothing


def spec_to(spec: LabellingSpec) -> dict[str, Any]:
    """Return a spec as JSON."""
    return asdict(spec)


def spec_from(work: PaidWork) -> LabellingSpec:
    """Return what a labelling is to do."""
    raw = work.spec
    return LabellingSpec(
        **{
            **raw,
            "purpose": Purpose(raw["purpose"]),
            "metric": _metric_from(raw["metric"]),
            "judged": _judged_from(raw["judged"]),
        }
    )


def _metric_from(raw: Mapping[str, Any]) -> MetricDefinition:
    return MetricDefinition(
        name=raw["name"],
        output_type=OutputType(raw["output_type"]),
        step=Step(raw["step"]),
        input_shape=InputShape(raw["input_shape"]),
        classes=tuple(raw["classes"]),
        flagged_classes=tuple(raw["flagged_classes"]),
    )


def _judged_from(raw: Mapping[str, Any]) -> Judged:
    return Judged(
        metric=raw["metric"],
        prompt=raw["prompt"],
        classes=tuple(JudgeClass(**each) for each in raw["classes"]),
        step=Step(raw["step"]),
        input_shape=InputShape(raw["input_shape"]),
        examples=tuple(Example(**each) for each in raw["examples"]),
    )


@dataclass(frozen=True, slots=True)
class RowJudgement:
    """What a judge said of a row, as it is stored. `truth` is the label of people, if there is one."""

    label: str
    explanation: str
    shares: Mapping[str, float]
    source: str
    votes: int
    truth: str = ""

    @classmethod
    def of(cls, judgement: Judgement, truth: str) -> "RowJudgement":
        shares = dict(judgement.soft_label)
        return cls(judgement.label, judgement.explanation, shares, judgement.source, judgement.votes, truth)

    @property
    def margin(self) -> float:
        return margin(self.shares)

    @property
    def is_doubtful(self) -> bool:
        """Whether votes differ, or the two likeliest classes are near each other."""
        differ = self.source == SoftLabelSource.VOTES and max(self.shares.values()) < 1.0
        return differ or self.margin < NARROW


def margin(shares: Mapping[str, float]) -> float:
    """Return by how much the likeliest class is ahead of the second."""
    first, second = sorted(shares.values(), reverse=True)[:2]
    return first - second
