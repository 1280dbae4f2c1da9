"""A real worker process whose trainings are over at once: `python -m benchmarks.faults.short_worker`.

`SHORT_TRAINING_S` is how long one takes, `SHORT_TRAINING_LOG` a file that gets a line for every lease that
is trained under: the process, the run, the fence.
"""

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from gnomon import bundle
from gnomon.bundle import Calibration, Evaluator, Format, Threshold
from gnomon.rendering import template_for
from gnomon_trainer.domain.training import Reporter, Stage, Trained, TrainingPlan
from gnomon_trainer.worker import main


class ShortTrainer:
    """Learns nothing, and leaves a bundle that can be registered."""

    def train(self, plan: TrainingPlan, work_folder: Path, reporter: Reporter) -> Trained:
        _tell(plan.run, work_folder.name)
        reporter.stage(Stage.FINE_TUNING)
        end = time.monotonic() + float(os.environ.get("SHORT_TRAINING_S", "0.05"))
        while time.monotonic() < end:
            reporter.checkpoint_allowed()
            time.sleep(0.02)
        reporter.checkpoint_allowed()
        return _result(plan, work_folder)

    def base_model_problem(self, base_model: str) -> str | None:  # noqa: ARG002
        return None


def _tell(run: str, fence: str) -> None:
    if path := os.environ.get("SHORT_TRAINING_LOG"):
        with Path(path).open("a") as log:
            log.write(f"{os.getpid()} {run} {fence}\n")


def _result(plan: TrainingPlan, folder: Path) -> Trained:
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
    (made / bundle.TOKENIZER_FILE).write_text("{}")
    (made / "model.onnx").write_bytes(f"weights of {plan.run}".encode())
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


if __name__ == "__main__":
    sys.exit(main(lambda _settings: ShortTrainer()))
