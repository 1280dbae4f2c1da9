"""Measures one cell: `python -m benchmarks.quality.cell JOB FOLDER`, which `cells` runs."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.quality import cells, methods, origin
from benchmarks.quality.sets import SETS, classes_of, divisions, smaller
from benchmarks.quality.task import Task

_QUICK_ROWS, _QUICK_FOLDS = (80, 40), 2


def main(job: dict[str, Any], folder: Path) -> None:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    public, seed, quick = SETS[job["public"]], int(job["seed"]), job["quick"] == "True"
    parts = divisions(public, Path(job["data"]), seed, int(job["shots"]))
    if quick:
        parts = [smaller(part, *_QUICK_ROWS) for part in parts[:_QUICK_FOLDS]]
    classes = classes_of([record for part in parts for record in (*part.training, *part.test)])
    truth, probabilities, rows, fold = [], [], [], []
    whole_s = fit_s = 0.0
    rates, notes = [], []
    for number, part in enumerate(parts):
        work = folder / "work" / str(number)
        work.mkdir(parents=True)
        task = Task(public, part, classes, seed, work, quick, float(job["setfit_seconds"]) / len(parts))
        began = time.monotonic()
        found = methods.answer(job["method"], task)
        whole_s += time.monotonic() - began
        fit_s += found.fit_s
        truth.append(task.test_labels)
        probabilities.append(found.probabilities)
        rows.append(np.array(part.test_rows))
        fold.append(np.full(len(part.test), number))
        rates.append(found.rows_per_s)
        notes.append(found.notes)
    known = [rate for rate in rates if rate is not None]
    facts = {
        "fit_s": fit_s,
        "whole_s": whole_s,
        "rows_per_s": sum(known) / len(known) if known else None,
        "training_rows": sum(len(part.training) for part in parts),
        "notes": notes,
        "origin": origin.now(quick=quick),
    }
    order = np.argsort(np.concatenate(rows))  # the same for all seeds, however their folds lie
    arrays = {"truth": truth, "probabilities": probabilities, "rows": rows, "fold": fold}
    cells.write(folder, facts, **{name: np.concatenate(values)[order] for name, values in arrays.items()})


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), Path(sys.argv[2]))
