"""A training that learns nothing and leaves a bundle that can be registered; see `short_worker`."""

import hashlib
import json
import os
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.faults import smallest

from gnomon import bundle
from gnomon.bundle import Calibration, Evaluator, Format, Threshold
from gnomon.rendering import template_for
from gnomon_trainer.domain.training import Reporter, Stage, Trained, TrainingPlan


class ShortTrainer:
    """Learns nothing, and leaves a bundle that can be registered."""

    def train(self, plan: TrainingPlan, work_folder: Path, reporter: Reporter) -> Trained:
        _tell(plan.run, work_folder.name)
        reporter.stage(Stage.FINE_TUNING)
        total = int(os.environ.get("SHORT_TRAINING_STEPS", "2"))
        checkpoints = Checkpoints(work_folder)
        step, weights = checkpoints.read()
        while step < total:
            step += 1
            reporter.checkpoint_allowed()
            time.sleep(float(os.environ.get("SHORT_TRAINING_S", "0.02")))
            weights = hashlib.sha256(f"{weights} {step}".encode()).hexdigest()
            reporter.progress(step, total, None)
            checkpoints.write(step, weights)
        reporter.checkpoint_allowed()
        return _result(plan, work_folder, weights)

    def base_model_problem(self, base_model: str) -> str | None:  # noqa: ARG002
        return None


class Checkpoints:
    """The step that was taken last, and what the weights are made of so far."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "checkpoint.json"

    def read(self) -> tuple[int, str]:
        if not self._file.exists():
            return 0, ""
        step, weights = json.loads(self._file.read_text())
        return int(step), str(weights)

    def write(self, step: int, weights: str) -> None:
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps([step, weights]))
        part.replace(self._file)


def _tell(run: str, fence: str) -> None:
    if path := os.environ.get("SHORT_TRAINING_LOG"):
        with Path(path).open("a") as log:
            log.write(f"{os.getpid()} {run} {fence}\n")


def _result(plan: TrainingPlan, folder: Path, weights: str) -> Trained:
    made, metric = folder / "bundle", plan.metric
    made.mkdir(exist_ok=True)
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
        formats=(Format(bundle.ONNX_FP32, "model.onnx"),),
        lineage=replace(plan.lineage, run=plan.run),
    )
    (made / bundle.EVALUATOR_FILE).write_text(evaluator.to_json())
    (made / bundle.TOKENIZER_FILE).write_text(smallest.TOKENIZER)
    (made / "model.onnx").write_bytes(smallest.model(weights))
    predictions = folder / "predictions.jsonl"
    predictions.write_text("")
    report = {
        "test_rows": len(plan.test_rows),
        "training_rows": len(plan.training_rows),
        "measures": [],
        "warnings": [],
        "formats": [{"format": bundle.ONNX_FP32, "passed": True, "measures": []}],
    }
    return Trained(made, report, predictions)
