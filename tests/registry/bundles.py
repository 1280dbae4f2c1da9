"""Valid bundles, small: the files of a folder as bytes by path."""

import dataclasses
import hashlib
import json

from gnomon.bundle import (
    ONNX_FP32,
    BundleFile,
    Calibration,
    Evaluator,
    Format,
    LineageRecord,
    Threshold,
)
from gnomon.instances import InputShape, OutputType, Step
from tests.scorer.evaluators import onnx_model, tokenizer_json

TOKENIZER = tokenizer_json()

EVALUATOR = Evaluator(
    metric="metrics/tox",
    output_type=OutputType.BOOLEAN,
    step=Step.LLM_SPAN,
    input_shape=InputShape.OUTPUT,
    classes=("false", "true"),
    flagged_classes=("true",),
    template="output/1",
    max_tokens=256,
    calibration=Calibration(1.5, rows=100),
    threshold=Threshold(0.625, rows=100),
    formats=(Format(ONNX_FP32, "model.onnx"),),
    lineage=LineageRecord(run="projects/p/runs/r", recipe="small", seed=7),
)


def model(salt=""):
    """Return a model; each salt makes another."""
    note = str(salt).encode()
    return _models[2] + b"\x12" + bytes([len(note)]) + note  # producer_name, again: the last one counts


_models = {2: onnx_model(classes=2)}


def files(metric="tox", salt="", report=None, **changes):
    """Return a bundle's contents by path; `salt` makes another model, `changes` another evaluator."""
    evaluator = dataclasses.replace(EVALUATOR, metric=f"metrics/{metric}", **changes)
    report = report if report is not None else {"test_rows": 160, "warnings": ["small"]}
    return {
        "evaluator.json": evaluator.to_json().encode(),
        "tokenizer.json": TOKENIZER,
        "model.onnx": model(salt),
        "report.json": report if isinstance(report, bytes) else json.dumps(report).encode(),
        "MODEL_CARD.md": b"# Card\n",
    }


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def listed(contents):
    """Return the bundle files of contents by path."""
    return [BundleFile(path, sha256(content), len(content)) for path, content in contents.items()]
