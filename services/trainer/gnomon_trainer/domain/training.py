"""The port between a run's worker and the machine learning. Pure.

The worker builds a `TrainingPlan`, gives it to a `Trainer` with a work folder
and a `Reporter`, and publishes what comes back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from gnomon.bundle import LineageRecord
from gnomon.instances import InputShape, Instance, OutputType, Step
from gnomon_trainer.domain.service_objective import ServiceObjective


class TrainingInterruptedError(Exception):
    """The training must stop between two steps. Write a checkpoint, if that is quick, and raise on."""


class RunCancelledError(TrainingInterruptedError):
    """Someone cancelled the run. It may be resumed later."""


class WorkerStoppingError(TrainingInterruptedError):
    """The worker process is going away; another will go on from the last checkpoint."""


class Stage(StrEnum):
    """What a worker is doing; the names are those of `gnomon.v1.RunProgress.Stage`."""

    PREPARING = "preparing"
    BASELINE = "baseline"
    SEARCHING = "searching"
    FINE_TUNING = "fine_tuning"
    EVALUATING = "evaluating"
    EXPORTING = "exporting"
    REGISTERING = "registering"


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled row of a dataset; `number` counts from 1. `label` is a class of the metric."""

    number: int
    instance: Instance
    label: str
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """What the trainer needs to know of a metric. `classes` are in the order of the logits."""

    name: str  # metrics/{metric}
    output_type: OutputType
    step: Step
    input_shape: InputShape
    classes: tuple[str, ...]
    flagged_classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Parameters:
    """All of `gnomon.v1.TrainingParameters`, resolved."""

    epochs: int
    batch_size: int
    learning_rate: float
    head_learning_rate: float
    weight_decay: float
    warmup_share: float
    max_tokens: int
    validation_share: float
    evaluations_per_epoch: int
    patience: int
    seed: int
    window_stride: int = 0  # no windows: what is too long is cut
    max_windows: int = 8
    window_reducer: str = "max"
    threshold_aim: str = "best_f1"
    threshold_target: float = 0.0  # none
    threshold_confidence: float = 0.9
    abstain_error_rate: float = 0.0  # never abstains
    class_weight_power: float = 0.5
    layer_decay: float = 1.0  # all layers learn at one rate
    pooling: str = "mean"
    layers: int = 0  # all of the base model's
    weight_averaging: float = 0.0  # none
    contrastive_epochs: int = 0
    final_rows: str = "learned"
    adapter_rank: int = 0  # no adapters: the base model's own weights learn
    search_minutes: float = 0.0  # no search


JUDGE_LABEL = "judge_label"
JUDGE_EXPLANATION = "judge_explanation"


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What a report shows beside what it always shows; see `gnomon.v1.ReportOptions`.

    Without `slice_columns`, columns of few short values divide the test set;
    without a `judge_column` it is `judge_label`, where there is one.
    """

    slice_columns: tuple[str, ...] = ()
    judge_column: str = ""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """All that decides what evaluator comes out. Overlapping rows are gone already.

    `origins` says of each parameter where it came from: request, recipe, data
    or search. `lineage` lacks `base_model_digest` and `code_version`, which the
    trainer fills in. `warnings` belong into the report.
    """

    run: str  # projects/{project}/runs/{run}
    metric: MetricDefinition
    training_rows: Sequence[Row]
    test_rows: Sequence[Row]
    recipe: str  # recipes/{recipe}: the one that is trained by
    base_model: str
    parameters: Parameters
    origins: Mapping[str, str]
    lineage: LineageRecord
    warnings: tuple[str, ...] = ()
    service_objective: ServiceObjective | None = None
    report_options: ReportOptions = ReportOptions()
    recipe_reason: str = ""  # why this recipe, where the user left that to the data


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a run's curves; None for what was not measured at this step."""

    step: int
    loss: float | None = None
    learning_rate: float | None = None
    gradient_norm: float | None = None
    validation_loss: float | None = None
    validation_macro_f1: float | None = None


class Reporter(Protocol):
    """How a training tells where it is. Called from the thread that trains; all calls are cheap.

    Each call may raise `LeaseLostError` (gnomon.errors): another worker has the
    run. Then nothing more may be written to the work folder.
    """

    def stage(self, stage: Stage) -> None: ...

    def progress(self, step: int, total_steps: int, remaining_s: float | None) -> None: ...

    def point(self, point: Point) -> None:
        """Add a point; report it before the checkpoint of its step.

        Points of the same step are merged; what an earlier attempt reported
        after it is dropped.
        """
        ...

    def checkpoint_allowed(self) -> None:
        """Return if the training may go on; call it between steps and before files are written.

        Raises:
            RunCancelledError: the run was cancelled.
            WorkerStoppingError: the process is going away.
            LeaseLostError: another worker has the run.
        """
        ...


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished training: all in the work folder, nothing to be written any more.

    `bundle_folder` holds exactly the bundle's files. `report` is a
    `gnomon.v1.EvaluationReport` as JSON with the proto's field names.
    `predictions_path` is JSON Lines, in the order of the test rows: row,
    true_label, logits, label, flagged, abstained, probabilities, token_count, truncated,
    window_count, deciding_window.
    """

    bundle_folder: Path
    report: Mapping[str, Any]
    predictions_path: Path


class Trainer(Protocol):
    """Fine-tunes, evaluates, exports and gates."""

    def train(self, plan: TrainingPlan, work_folder: Path, reporter: Reporter) -> Trained:
        """Make an evaluator; blocks for as long as it takes.

        Called again after a crash, it goes on from the last checkpoint in
        `work_folder`. The folder may have moved in between: keep no absolute
        path in it.

        Raises:
            TrainingInterruptedError: `reporter` said so.
            LeaseLostError: `reporter` said so.
            GnomonError: what is wrong and what to do; the run fails with it.
        """
        ...

    def base_model_problem(self, base_model: str) -> str | None:
        """Return None if the base model is at hand, else what to do."""
        ...
