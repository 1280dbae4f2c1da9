"""Measures one cell: `python -m benchmarks.quality.cell JOB FOLDER`, which `cells` runs."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.quality import cells, clocks, methods, origin
from benchmarks.quality.cells import Cell, Measured
from benchmarks.quality.clocks import Seconds
from benchmarks.quality.sets import (
    SETS,
    Division,
    PublicSet,
    classes_of,
    divisions,
    metric_of,
    rows_of,
    smaller,
)
from benchmarks.quality.task import Answer, Task

_QUICK_ROWS, _QUICK_FOLDS = (80, 40), 2


def main(job: dict[str, Any], folder: Path) -> None:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    public, seed, quick = SETS[job["public"]], int(job["seed"]), job["quick"] == "True"
    parts = divisions(
        public, Path(job["data"]), seed, int(job["shots"]), cache=Path(job["work"]).parent / "unseen"
    )
    if quick:
        parts = [smaller(part, *_QUICK_ROWS) for part in parts[:_QUICK_FOLDS]]
    if same := _kept_training(job, public, parts):
        arrays = {name: getattr(same, name) for name in ("truth", "probabilities", "rows", "fold")}
        cells.write(folder, {**same.facts, "same_as": same.cell.method}, **arrays)
        return
    classes = classes_of([record for part in parts for record in (*part.training, *part.test)])
    truth, probabilities, rows, fold = [], [], [], []
    methods.prepare(job["method"])
    whole, answers = Seconds(), []
    for number, part in enumerate(parts):
        work = folder / "work" / str(number)
        work.mkdir(parents=True)
        task = Task(public, part, classes, seed, work, quick, float(job["setfit_seconds"]) / len(parts))
        began = clocks.now()
        found = methods.answer(job["method"], task)
        whole += clocks.now() - began
        answers.append(found)
        truth.append(task.test_labels)
        probabilities.append(found.probabilities)
        rows.append(np.array(part.test_rows))
        fold.append(np.full(len(part.test), number))
    facts = {
        **spent(answers, whole),
        "training_rows": sum(len(part.training) for part in parts),
        "left_out_rows": sum(part.left_out for part in parts),
        "notes": [found.notes for found in answers],
        "origin": origin.now(quick=quick),
    }
    order = np.argsort(np.concatenate(rows))  # the same for all seeds, however their folds lie
    arrays = {"truth": truth, "probabilities": probabilities, "rows": rows, "fold": fold}
    cells.write(folder, facts, **{name: np.concatenate(values)[order] for name, values in arrays.items()})


def _kept_training(job: dict[str, Any], public: PublicSet, parts: Sequence[Division]) -> Measured | None:
    """Return the kept cell of another method whose trainings are the same as this one's.

    Equal trainings give equal weights, which is tested, so that a recipe that takes another one need not be
    trained again to know how good it is.
    """
    method, options = job["method"], cells.options_of(job)
    others = {methods.same_as(method, metric_of(public, p), rows_of(public, p.training)) for p in parts}
    other = Cell(others.pop(), job["public"], int(job["seed"]), int(job["shots"]))
    if others or other.method == method or not cells.is_kept(other, options):
        return None
    return cells.measure(other, options)


def spent(answers: Sequence[Answer], whole: Seconds) -> dict[str, float | None]:
    """Return what a cell took, by the clock and by processors, and at which rates rows were learned from."""
    fit = sum((found.fit for found in answers), Seconds())
    rows = [found.stepped_rows for found in answers if found.stepped_rows]
    stepping = sum((found.stepping for found in answers if found.stepped_rows), Seconds())
    return {
        "fit_s": fit.wall,
        "fit_processor_s": fit.processor,
        "whole_s": whole.wall,
        "whole_processor_s": whole.processor,
        "rows_per_s": sum(rows) / stepping.wall if rows else None,
        "rows_per_processor_s": sum(rows) / stepping.processor if rows else None,
    }


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), Path(sys.argv[2]))
