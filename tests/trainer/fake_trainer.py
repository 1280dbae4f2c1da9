"""A trainer that learns nothing, slowly, and leaves a bundle that can be registered."""

import errno
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from gnomon.bundle import (
    EVALUATOR_FILE,
    ONNX_FP32,
    TOKENIZER_FILE,
    Calibration,
    Evaluator,
    Format,
    Threshold,
)
from gnomon.rendering import template_for
from gnomon_trainer.domain import parameter_search, settled_parameters
from gnomon_trainer.domain.parameter_search import Trial
from gnomon_trainer.domain.rule_report import with_service
from gnomon_trainer.domain.training import Point, Reporter, Stage, Trained, TrainingPlan
from gnomon_trainer.settings import TrainerSettings

_PROFILE = [{"tokens": 64, "alone_p50_ms": 9.0, "alone_p99_ms": 10.0, "capacity_per_second": 100.0}]


class FakeTrainer:
    """Takes `epochs` steps of `step_s`, with a checkpoint after each.

    `batch_size` 13 makes it fail with an unforeseen error, 14 with a full disk,
    15 with the death of its process.
    """

    def __init__(self, step_s: float = 0.0) -> None:
        self._step_s = step_s

    def train(self, plan: TrainingPlan, work_folder: Path, reporter: Reporter) -> Trained:
        reporter.stage(Stage.PREPARING)
        if plan.parameters.search_minutes:
            reporter.stage(Stage.SEARCHING)
            reporter.progress(500, 900, 60.0)
        reporter.stage(Stage.FINE_TUNING)
        total = plan.parameters.epochs
        for step in range(_checkpoint(work_folder) + 1, total + 1):
            reporter.checkpoint_allowed()
            time.sleep(self._step_s)
            _misbehave(plan.parameters.batch_size)
            reporter.progress(step, total, (total - step) * self._step_s)
            reporter.point(Point(step, loss=1.0 / step, learning_rate=1e-4))
            if step % 2 == 0:
                reporter.point(Point(step, validation_macro_f1=step / total))
            _take_step(work_folder, step)
        reporter.stage(Stage.EVALUATING)
        reporter.checkpoint_allowed()
        return _result(plan, work_folder)

    def base_model_problem(self, base_model: str) -> str | None:
        return None


def make(settings: TrainerSettings) -> FakeTrainer:
    return FakeTrainer(float(os.environ.get("TEST_STEP_S", "0")))


def _checkpoint(folder: Path) -> int:
    path = folder / "checkpoint.json"
    return int(json.loads(path.read_text())["step"]) if path.exists() else 0


def _take_step(folder: Path, step: int) -> None:
    part = folder / "checkpoint.part"
    part.write_text(json.dumps({"step": step}))
    if path := os.environ.get("TEST_STEPS_LOG"):  # before the checkpoint: a kill in between repeats the step
        with Path(path).open("a") as log:
            log.write(f"{os.getpid()} {step}\n")
    part.replace(folder / "checkpoint.json")


def _misbehave(batch_size: int) -> None:
    match batch_size:
        case 13:
            raise ValueError("a text of a user")
        case 14:
            raise OSError(errno.ENOSPC, "No space left on device")
        case 15:
            os._exit(9)


def _result(plan: TrainingPlan, folder: Path) -> Trained:
    bundle = folder / "bundle"
    bundle.mkdir(exist_ok=True)
    metric = plan.metric
    evaluator = Evaluator(
        metric=metric.name,
        output_type=metric.output_type,
        step=metric.step,
        input_shape=metric.input_shape,
        classes=metric.classes,
        flagged_classes=metric.flagged_classes,
        template=template_for(metric.input_shape),
        max_tokens=plan.parameters.max_tokens,
        calibration=Calibration(),
        threshold=Threshold(0.25),
        formats=(Format(ONNX_FP32, "model.onnx"),),
        lineage=plan.lineage,
    )
    (bundle / EVALUATOR_FILE).write_text(evaluator.to_json())
    (bundle / TOKENIZER_FILE).write_text("{}")
    (bundle / "model.onnx").write_bytes(b"weights")
    predictions = folder / "predictions.jsonl"
    with predictions.open("w") as file:
        for row in plan.test_rows:
            said = metric.classes[plan.parameters.seed % len(metric.classes)]
            file.write(json.dumps(_prediction(row.number, row.label, metric.classes, said)) + "\n")
    report: dict[str, Any] = {
        "test_rows": len(plan.test_rows),
        "training_rows": len(plan.training_rows),
        "measures": [{"key": "macro_f1", "value": 0.5, "low": 0.4, "high": 0.6}],
        "warnings": list(plan.warnings),
    }
    if plan.parameters.search_minutes:
        twice = 2 * plan.parameters.learning_rate
        report[parameter_search.REPORTED] = parameter_search.reported(
            [Trial({"learning_rate": rate}, 1e-4 / rate, 0.5, 10, 2.0) for rate in (twice / 2, twice)]
        )
    if plan.parameters.pooling == "auto":
        read = replace(plan.parameters, pooling="contrast", layers=5)
        origins = {**plan.origins, "pooling": "data", "layers": "data"}
        report = settled_parameters.with_settled(report, replace(plan, parameters=read, origins=origins))
    report["formats"] = [{"format": ONNX_FP32, "passed": True, "measures": [], "latency_profile": _PROFILE}]
    report = with_service(report, plan.service_objective, evaluator, cores=1)
    return Trained(bundle, report, predictions)


def _prediction(number: int, label: str, classes: tuple[str, ...], said: str) -> dict[str, object]:
    """Every row is found to be of the class that the seed picks."""
    share = 1 / len(classes)
    return {
        "row": number,
        "true_label": label,
        "logits": [0.0] * len(classes),
        "probabilities": [share] * len(classes),
        "label": said,
        "flagged": False,
        "token_count": 7,
        "truncated": False,
    }
