"""A generation: a training set that a model writes after rows of a test set. Pure.

It is paid work (`paid_work`): a trainer makes a sample and lets go of it; a
person turns it down with a reason, as often as it takes, or approves it; then
a trainer makes the rest. What is particular to it stands in the work's `spec`,
fixed when it is created, and in its `progress`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from gnomon.errors import WorkStateError
from gnomon.instances import InputShape, OutputType, Step
from gnomon_trainer.domain import paid_work
from gnomon_trainer.domain.chat_budget import Allowance
from gnomon_trainer.domain.generation_origin import Origin, SeedRows
from gnomon_trainer.domain.generation_plan import counts
from gnomon_trainer.domain.generation_round import Round
from gnomon_trainer.domain.generation_wishes import Reason, Wish
from gnomon_trainer.domain.judge_prompt import JudgeClass, Judged
from gnomon_trainer.domain.paid_work import PaidWork, WorkState
from gnomon_trainer.domain.training import MetricDefinition

DEFAULT_SAMPLE_ROWS, MOST_SAMPLE_ROWS = 50, 500
DEFAULT_ROWS, MOST_ROWS = 2_000, 20_000
ROWS_PART = "rows"


class GenerationState(StrEnum):
    """The names are those of `gnomon.v1.Generation.State`."""

    SAMPLING = "sampling"
    AWAITING_REVIEW = "awaiting_review"
    GENERATING = "generating"
    GENERATED = "generated"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Party:
    """A provider as it was when the generation was created."""

    provider: str  # providers/{provider}
    base_url: str
    model: str

    @property
    def said(self) -> str:
        return f"{self.provider} ({self.model})"


@dataclass(frozen=True, slots=True)
class GenerationSpec:
    """What decides the rows. `seeds` begin with those of the test set; `shares` add up to 1."""

    metric: MetricDefinition
    prompt: str
    rubrics: Mapping[str, str]
    generator: Party
    judge: Party
    votes: int
    test_set: str  # datasets/{dataset}@{version}
    test_set_digest: str
    seeds: tuple[SeedRows, ...]
    seed_share: float
    sample_rows: int
    rows: int
    shares: Mapping[str, float]
    dataset: str
    seed: int
    trace: str = ""  # of the call that created the generation, as a `traceparent`; decides nothing

    @property
    def judged(self) -> Judged:
        """What generator and judge are told of the metric."""
        classes = tuple(JudgeClass(label, self.rubrics.get(label, "")) for label in self.metric.classes)
        return Judged(self.metric.name, self.prompt, classes, self.metric.step, self.metric.input_shape)


@dataclass(frozen=True, slots=True)
class GenerationProgress:
    """How far it is. Counts are of the newest sample, and of what came after it was approved.

    `asked`: items asked for by class; `dropped`: items by `generation_sieve.Dropped`;
    `allotments`: how often as many items as may be asked for were granted.
    """

    attempt: int = 1
    approved: bool = False
    round: int = 0
    allotments: int = 1
    asked: Mapping[str, int] = field(default_factory=dict)
    kept: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    wishes: tuple[Wish, ...] = ()
    turned_down: int = 0
    row_seconds: float = 0.0  # for a row that was kept in the last round
    row_cost: float = 0.0

    @property
    def sample_part(self) -> str:
        return f"sample-{self.attempt}"

    @property
    def part(self) -> str:
        """Where rows that are made now are kept."""
        return ROWS_PART if self.approved else self.sample_part

    @property
    def parts(self) -> tuple[str, ...]:
        """Where all rows are kept that count."""
        return (self.sample_part, ROWS_PART)

    @property
    def turned_down_parts(self) -> tuple[str, ...]:
        return tuple(f"sample-{attempt}" for attempt in range(1, self.attempt))

    @property
    def kept_rows(self) -> int:
        return sum(self.kept.values())

    def after(self, found: Round, seconds: float, cost: float) -> "GenerationProgress":
        """Return the progress once a round was played, which took so long and cost so much."""
        kept = [record["label"] for record in found.kept]
        return replace(
            self,
            round=self.round + 1,
            asked=_sum(self.asked, found.asked),
            kept=_sum(self.kept, {label: kept.count(label) for label in kept}),
            dropped=_sum(self.dropped, found.dropped),
            row_seconds=seconds / len(kept) if kept else self.row_seconds,
            row_cost=cost / len(kept) if kept else self.row_cost,
        )


def _sum(known: Mapping[str, int], more: Mapping[Any, int]) -> dict[str, int]:
    found = dict(known)
    for key, count in more.items():
        if count:
            found[str(key)] = found.get(str(key), 0) + count
    return found


def wanted(spec: GenerationSpec, progress: GenerationProgress) -> dict[str, int]:
    """Return how many rows of each class there are to be, in the sample or in all."""
    return counts(spec.rows if progress.approved else spec.sample_rows, spec.shares)


def estimated_cost(work: PaidWork, spec: GenerationSpec, progress: GenerationProgress) -> float:
    """Return what all rows will cost, by those of the last round; 0 while that is not known."""
    if not progress.row_cost:
        return 0.0
    return work.cost + (spec.rows - progress.kept_rows) * progress.row_cost


def remaining_s(work: PaidWork, spec: GenerationSpec, progress: GenerationProgress) -> float | None:
    """Return how long the rest will take, by the pace of the last round; None while that is not known."""
    if not progress.row_seconds or work.state is not WorkState.WORKING:
        return None
    left = sum(wanted(spec, progress).values()) - progress.kept_rows
    return max(0, left) * progress.row_seconds


def state_of(work: PaidWork) -> GenerationState:
    """Return where a generation stands, in its own words."""
    match work.state:
        case WorkState.WAITING:
            return GenerationState.AWAITING_REVIEW
        case WorkState.DONE:
            return GenerationState.GENERATED
        case WorkState.WORKING:
            approved = progress_from(work.progress).approved
            return GenerationState.GENERATING if approved else GenerationState.SAMPLING
        case _:
            return GenerationState(work.state.value)


def origin_of(work: PaidWork) -> Origin:
    spec = spec_from(work.spec)
    return Origin(work.name, spec.generator.said, spec.seeds)


# ------------------------------------------------------- what users can do to a generation


def regenerated(work: PaidWork, wish: Wish, sample: int = 0) -> PaidWork:
    """Turn the sample down: another one is made, as all wishes so far have it.

    `sample` is the one that is meant, the newest if it is 0.

    Raises:
        WorkStateError: there is none to look at, or it is another one by now.
    """
    _check_reviewable(work, sample)
    known = progress_from(work.progress)
    progress = GenerationProgress(
        attempt=known.attempt + 1,
        wishes=(*known.wishes, wish),
        turned_down=known.turned_down + known.kept_rows,
    )
    return _going_on(work, progress)


def approved(work: PaidWork, sample: int = 0) -> PaidWork:
    """Take the sample: its rows are the first of the result. `sample` and errors as in `regenerated`."""
    _check_reviewable(work, sample)
    return _going_on(work, replace(progress_from(work.progress), approved=True, round=0))


def resumed(work: PaidWork, allowance: Allowance | None) -> PaidWork:
    """Go on with what failed or was cancelled; as many items more may be asked for as at first."""
    again = paid_work.resumed(work, allowance)
    known = progress_from(work.progress)
    return replace(again, progress=asdict(replace(known, allotments=known.allotments + 1)))


def _going_on(work: PaidWork, progress: GenerationProgress) -> PaidWork:
    going = replace(work, progress=asdict(progress))
    return paid_work.continued(going, state_of(replace(going, state=WorkState.WORKING)))


def _check_reviewable(work: PaidWork, sample: int) -> None:
    attempt = progress_from(work.progress).attempt
    if sample not in {0, attempt}:
        raise WorkStateError(
            f"{work.name} is at sample {attempt} by now; sample {sample} was turned down.",
            resource=work.name,
            state=state_of(work).upper(),
        )
    if work.state is not WorkState.WAITING:
        state = state_of(work).upper()
        raise WorkStateError(
            f"{work.name} is {state}; a sample can be approved or made again while it is AWAITING_REVIEW.",
            resource=work.name,
            state=state,
        )


# ------------------------------------------------------------------------------- as JSON


def spec_from(raw: Mapping[str, Any]) -> GenerationSpec:
    """Return what `dataclasses.asdict` made of a spec."""
    metric = raw["metric"]
    return GenerationSpec(
        **{
            **raw,
            "metric": MetricDefinition(
                name=metric["name"],
                output_type=OutputType(metric["output_type"]),
                step=Step(metric["step"]),
                input_shape=InputShape(metric["input_shape"]),
                classes=tuple(metric["classes"]),
                flagged_classes=tuple(metric["flagged_classes"]),
            ),
            "generator": Party(**raw["generator"]),
            "judge": Party(**raw["judge"]),
            "seeds": tuple(
                SeedRows(seeds["dataset"], seeds["digest"], tuple(seeds["numbers"])) for seeds in raw["seeds"]
            ),
        }
    )


def progress_from(raw: Mapping[str, Any]) -> GenerationProgress:
    """Return what `dataclasses.asdict` made of a progress; the first one of nothing."""
    wishes = tuple(Wish(Reason(wish["reason"]), wish["words"]) for wish in raw.get("wishes", ()))
    return GenerationProgress(**{**raw, "wishes": wishes})
