"""Small bundles that a registry accepts: nobody can score with them."""

import hashlib
import json
from dataclasses import replace

from benchmarks.faults import smallest

from gnomon import bundle
from gnomon.bundle import Calibration, Evaluator, Format, LineageRecord, Threshold
from gnomon.instances import InputShape, OutputType, Step
from gnomon.rendering import template_for
from gnomon.v1 import registry_service_pb2 as rpc
from gnomon.v1 import resources_pb2 as pb

EVALUATOR = Evaluator(
    metric="",
    output_type=OutputType.BOOLEAN,
    step=Step.LLM_SPAN,
    input_shape=InputShape.INPUT_OUTPUT,
    classes=("false", "true"),
    flagged_classes=("true",),
    template=template_for(InputShape.INPUT_OUTPUT),
    max_tokens=64,
    calibration=Calibration(),
    threshold=Threshold(0.5),
    formats=(Format(bundle.ONNX_FP32, "model.onnx"),),
    lineage=LineageRecord(run="projects/p/runs/r", recipe="small", seed=7),
)


def files(metric: str, salt: str = "") -> dict[str, bytes]:
    """Return a bundle's contents by path; `salt` makes another model."""
    return {
        bundle.EVALUATOR_FILE: replace(EVALUATOR, metric=f"metrics/{metric}").to_json().encode(),
        bundle.TOKENIZER_FILE: smallest.TOKENIZER.encode(),
        "model.onnx": smallest.model(salt),
        bundle.REPORT_FILE: json.dumps({"test_rows": 160, "warnings": []}).encode(),
    }


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def create_request(
    metric: str, contents: dict[str, bytes], request_id: str
) -> rpc.CreateMetricVersionRequest:
    listed = [
        pb.BundleFile(path=path, sha256=sha256(content), size_bytes=len(content))
        for path, content in contents.items()
    ]
    version = pb.MetricVersion(bundle=pb.Bundle(files=listed))
    return rpc.CreateMetricVersionRequest(
        parent=f"metrics/{metric}", metric_version=version, request_id=request_id
    )
