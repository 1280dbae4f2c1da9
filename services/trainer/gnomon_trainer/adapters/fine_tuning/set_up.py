"""What one training works with: how to train, and what every stage of it needs to know."""

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gnomon.windows import reduce
from gnomon_trainer.adapters.fine_tuning.exporting import Exporter, OnnxExporter
from gnomon_trainer.adapters.fine_tuning.judging import Reduce
from gnomon_trainer.adapters.fine_tuning.onnx_formats import further_formats
from gnomon_trainer.adapters.fine_tuning.openvino_formats import FurtherFormat
from gnomon_trainer.adapters.fine_tuning.preparing import Prepared
from gnomon_trainer.adapters.fine_tuning.profiling import LatencyProfiler, Profiler
from gnomon_trainer.domain.training import Reporter, TrainingPlan


@dataclass(frozen=True, slots=True)
class SetUp:
    """How to train, as far as the plan does not say it."""

    base_model: Path
    threads: int | None
    checkpoint_interval_s: float
    exporter: Exporter = field(default_factory=OnnxExporter)
    further: Sequence[FurtherFormat] = field(default_factory=lambda: further_formats(OnnxExporter.path))
    profiler: Profiler = field(default_factory=LatencyProfiler)
    clock: Callable[[], float] = time.monotonic  # for what is limited in time


@dataclass(frozen=True, slots=True)
class Training:
    """One call of `train`: what every stage needs to know."""

    plan: TrainingPlan
    work: Path
    reporter: Reporter
    set_up: SetUp
    model_digest: str
    digest: str  # of all that the evaluator depends on


def reducer(training: Training, prepared: Prepared) -> Reduce:
    """Return how the logits of a row's windows become those of the row."""
    metric, windows = training.plan.metric, prepared.encoder.windows
    flagged = [metric.classes.index(label) for label in metric.flagged_classes]
    return functools.partial(reduce, reducer=windows.reducer if windows else "", flagged=flagged)
