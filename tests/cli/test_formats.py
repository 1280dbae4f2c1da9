"""`gnomon versions export-triton` and `build-engine`, with a client that remembers what it was asked."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gnomon.cli import session
from gnomon.errors import GateFailedError
from gnomon.instances import SpanKind, text_span
from gnomon.triton import Serving
from gnomon.v1 import resources_pb2 as pb


class Remembers:
    """Stands for `gnomon.Client`, as far as these commands go."""

    def __init__(self) -> None:
        self.asked: tuple[Any, ...] = ()
        self.failure: Exception | None = None
        self.versions = self.metrics = self

    def export_triton(self, version: str, repository: Path, **options: Any) -> Path:
        self.asked = (version, repository, options)
        return repository / "tone"

    def build_engine(self, version: str, cache: Path, **options: Any) -> Any:
        if self.failure:
            raise self.failure
        self.asked = (version, cache, options)
        return SimpleNamespace(file=cache / "model.engine", about={"tensorrt": "11.4.0"}, is_new=True)

    def get(self, name: str) -> Any:
        if name.startswith("metrics/"):
            return pb.Metric(name=name, step=pb.Metric.LLM_SPAN)
        return pb.MetricVersion(name="metrics/tone/versions/3")

    def close(self) -> None: ...


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Remembers]:
    client = Remembers()
    monkeypatch.setattr(session, "connect", lambda addresses: client)
    return client


def test_a_repository_is_asked_for_as_the_options_say(gnomon: Callable[..., Any], client: Remembers) -> None:
    ran = gnomon("versions", "export-triton", "tone@3", "repository")
    assert ran.status == 0, ran.err
    assert "repository/tone" in ran.out
    options = {"name": None, "format": "onnx-fp32", "serving": Serving()}
    assert client.asked == ("tone@3", Path("repository"), options)
    words = [
        "--format",
        "onnx-fp16",
        "--device",
        "gpu",
        "--instances",
        "2",
        "--max-batch-size",
        "8",
        "--name",
        "t",
    ]
    assert gnomon("versions", "export-triton", "tone@3", "r", *words, "--json").json["folder"] == "r/tone"
    assert client.asked[2] == {"name": "t", "format": "onnx-fp16", "serving": Serving("gpu", 2, 8)}


def test_an_engine_is_asked_for_with_the_rows_of_a_file_as_samples(
    gnomon: Callable[..., Any], client: Remembers, tmp_path: Path
) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"output": "good"}\n{"output": "bad", "label": "true"}\nno row\n')
    words = ["--precision", "fp32", "--samples", str(file), "--cache", str(tmp_path)]
    ran = gnomon("versions", "build-engine", "tone@3", *words, "--json")
    assert ran.json == {"version": "tone@3", "file": str(tmp_path / "model.engine"), "tensorrt": "11.4.0"}
    assert client.asked == (
        "tone@3",
        tmp_path,
        {
            "precision": "fp32",
            "max_batch_size": 32,
            "samples": [text_span(output=text, kind=SpanKind.LLM) for text in ("good", "bad")],
        },
    )


def test_an_engine_that_fails_its_gate_ends_with_the_figures(
    gnomon: Callable[..., Any], client: Remembers
) -> None:
    client.failure = GateFailedError("label_flip_share is 0.1", label_flip_share="0.1")
    ran = gnomon("versions", "build-engine", "tone@3")
    assert ran.status == 1
    assert "label_flip_share is 0.1" in ran.err
