"""SetFit on the same base model, in a virtual environment of its own."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from benchmarks.quality.clocks import Seconds
from benchmarks.quality.task import Answer, Task, base_model, max_tokens, tokens
from tokenizers import Tokenizer

from gnomon.rendering import Rendered

_HERE = Path(__file__).parent
_VENV = _HERE.parents[2] / "build" / "bench-quality" / "setfit"


def answer(task: Task) -> Answer:
    job = {
        "base_model": str(base_model()),
        "max_tokens": max_tokens(),
        "training": _texts(task.training),
        "labels": task.training_labels.tolist(),
        "test": _texts(task.test),
        "seed": task.seed,
        "seconds": 2.0 if task.quick else task.setfit_seconds,
    }
    given, found = task.work / "job.json", task.work / "found.json"
    given.write_text(json.dumps(job))
    quiet = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_DISABLE_TELEMETRY": "1"}
    # -P: this folder has a setfit of its own.
    command = [
        str(prepare() / "bin" / "python"),
        "-P",
        str(_HERE / "setfit_child.py"),
        str(given),
        str(found),
    ]
    subprocess.run(command, check=True, env=os.environ | quiet, cwd=task.work)
    said = json.loads(found.read_text())
    probabilities = np.zeros((len(task.test), len(task.classes)))
    probabilities[:, said["classes"]] = said["probabilities"]
    fit = Seconds(**said["fit"])
    return Answer(probabilities, fit, said["stepped_rows"], fit, said["notes"])


def _texts(rows: Sequence[Rendered]) -> list[str]:
    """Return texts of what the recipe reads: SetFit knows no pairs, which are joined to one text."""
    tokenizer = Tokenizer.from_file(str(base_model() / "tokenizer.json"))
    return [tokenizer.decode(list(row.ids)) for row in tokens(rows)]


def prepare() -> Path:
    """Return the virtual environment, made from its pinned requirements if it is not there."""
    requirements = _HERE / "setfit.txt"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    mark = _VENV / "requirements.sha256"
    if mark.exists() and mark.read_text() == digest:
        return _VENV
    print("Installing setfit …", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(_VENV)], check=True)
    pip = [str(_VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "install", "--upgrade", "pip"], check=True)
    subprocess.run([*pip, "install", "-r", str(requirements)], check=True)
    mark.write_text(digest)
    return _VENV
