"""Imported traces are rows of a dataset once they have a label: by the real command, over the real wire."""

import json
from pathlib import Path
from typing import Any

import pytest

from gnomon.cli.main import main
from gnomon.v1 import resources_pb2 as resources
from tests.sdk.traffic.made import GOLDEN
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.running import Trainer, jsonl

Metric = resources.Metric
WITH_SESSIONS = (
    "otlp_genai.json",
    "otlp_older.jsonl",
    "openinference_otlp.jsonl",
    "phoenix.jsonl",
    "langfuse_trace.json",
    "langsmith.jsonl",
)
CASES = [
    *(
        ("spans", name, "LLM_SPAN", "INPUT_OUTPUT", "llm")
        for name in (*WITH_SESSIONS, "langfuse_observations.csv")
    ),
    ("spans", "otlp_genai.json", "RETRIEVER_SPAN", "DOCUMENTS_INPUT", "retriever"),
    ("spans", "openinference_otlp.jsonl", "TOOL_SPAN", "INPUT_OUTPUT", "tool"),
    ("spans", "langsmith.jsonl", "LLM_SPAN", "TOOLS_INPUT_OUTPUT", "llm"),
    *(
        ("traces", name, "TRACE", "WHOLE_TRACE", "")
        for name in (*WITH_SESSIONS, "langfuse_observations.json")
    ),
    *(("sessions", name, "SESSION", "WHOLE_SESSION", "") for name in WITH_SESSIONS),
]


@pytest.mark.parametrize(("into", "file", "step", "shape", "kind"), CASES)
async def test_rows_of_every_format_are_taken_as_they_are_once_they_have_a_label(
    trainer: Trainer,
    registry: FakeRegistry,
    tmp_path: Path,
    into: str,
    file: str,
    step: Any,
    shape: Any,
    kind: str,
) -> None:
    out = tmp_path / "rows.jsonl"
    chosen = ["--kind", kind] if kind else []
    assert main(["traffic", "import", str(GOLDEN / file), "--as", into, "--out", str(out), *chosen]) == 0
    rows = [json.loads(line) | {"label": True} for line in out.read_text().splitlines()]
    classes = registry.metrics["metrics/toxicity"].classes
    registry.metrics["metrics/m"] = Metric(
        name="metrics/m", output_type="BOOLEAN", step=step, input_shape=shape, classes=classes
    )

    uploaded = await trainer.upload(jsonl(rows), metric="metrics/m")

    assert uploaded.dataset.row_count == len(rows) > 0
    assert not uploaded.rejected_rows
