"""Runs in SetFit's own environment: `python setfit_child.py JOB.json FOUND.json`."""

import json
import sys
import time
from pathlib import Path

import torch
from datasets import Dataset
from setfit import SetFitModel, Trainer, TrainingArguments

_ITERATIONS, _BATCH = 20, 16  # SetFit's usual ones
_TIMED = 3  # steps


def model_of(job: dict) -> SetFitModel:
    model = SetFitModel.from_pretrained(job["base_model"])
    model.model_body.max_seq_length = job["max_tokens"]
    return model


def train(job: dict, steps: int) -> tuple[SetFitModel, dict[str, float]]:
    """Return the trained model and what it took: seconds of the clock and of processors."""
    rows = Dataset.from_dict({"text": job["training"], "label": job["labels"]})
    began, worked = time.monotonic(), time.process_time()
    model = model_of(job)
    arguments = TrainingArguments(
        batch_size=_BATCH,
        num_iterations=_ITERATIONS,
        max_steps=steps,
        seed=job["seed"],
        report_to="none",
        save_strategy="no",
        output_dir="checkpoints",
    )
    Trainer(model=model, args=arguments, train_dataset=rows).train()
    return model, {"wall": time.monotonic() - began, "processor": time.process_time() - worked}


def train_body_briefly(job: dict) -> float:
    """Return the seconds that one step of the encoder takes where nothing else runs, from a try.

    By seconds of processors: beside other work SetFit shall not get fewer steps.
    """
    few = job | {"training": job["training"][:512], "labels": job["labels"][:512]}
    took = []
    for steps in (1, 1 + _TIMED):
        model = model_of(few)
        arguments = TrainingArguments(
            batch_size=_BATCH,
            num_iterations=_ITERATIONS,
            max_steps=steps,
            seed=job["seed"],
            report_to="none",
            save_strategy="no",
            output_dir="checkpoints",
        )
        trainer = Trainer(model=model, args=arguments)
        began = time.process_time()
        trainer.train_embeddings(few["training"], few["labels"], args=arguments)
        took.append((time.process_time() - began) / torch.get_num_threads())
    return max((took[1] - took[0]) / _TIMED, 1e-3)


def main(given: Path, found: Path) -> None:
    job = json.loads(given.read_text())
    usual = -(-2 * _ITERATIONS * len(job["training"]) // _BATCH)
    step_s = train_body_briefly(job)
    steps = max(1, min(usual, int(job["seconds"] / step_s)))
    model, fit = train(job, steps)
    probabilities = model.predict_proba(job["test"], as_numpy=True)
    said = {
        "classes": [int(label) for label in model.model_head.classes_],
        "probabilities": probabilities.tolist(),
        "fit": fit,
        "stepped_rows": 2 * _BATCH * steps,
        "notes": {"steps": steps, "usual_steps": usual, "seconds_a_step": step_s},
    }
    found.write_text(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
