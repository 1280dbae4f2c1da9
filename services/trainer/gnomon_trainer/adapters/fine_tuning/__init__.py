"""Fine-tuning with torch and transformers, behind the port `domain.training.Trainer`.

`stages.py` is the whole training, top to bottom. It is imported when a
training starts: whoever only holds a `FineTuner` does not pay for torch.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from gnomon_trainer.adapters import base_models
from gnomon_trainer.domain.training import Reporter, Trained, TrainingPlan

# Since 1.29 ONNX Runtime tells its maker about models and machine, from its import on, unless told not to.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


@dataclass(frozen=True, slots=True)
class FineTuner:
    """Fine-tunes, evaluates, exports and gates; see `domain.training.Trainer`.

    `model_dir` is an operator's folder of base models. `threads` are the CPU
    threads to train with: the cores this process may use, if None. Between two
    checkpoints lie at least `checkpoint_interval_s` seconds, and at least
    twenty times what the last one took; 0 writes one after every step.
    """

    model_dir: Path | None = None
    threads: int | None = None
    checkpoint_interval_s: float = 30.0

    def train(self, plan: TrainingPlan, work_folder: Path, reporter: Reporter) -> Trained:
        from gnomon_trainer.adapters.fine_tuning import stages
        from gnomon_trainer.adapters.fine_tuning.set_up import SetUp

        folder = base_models.locate(plan.base_model, self.model_dir)
        set_up = SetUp(folder, self.threads, self.checkpoint_interval_s)
        return stages.train(plan, work_folder, reporter, set_up)

    def base_model_problem(self, base_model: str) -> str | None:
        return base_models.problem(base_model, self.model_dir)
