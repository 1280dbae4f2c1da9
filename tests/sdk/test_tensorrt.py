"""Engines in their cache, with a TensorRT that is ONNX Runtime behind the port."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from gnomon import errors
from gnomon.arrays import filled
from gnomon.bundle import Format
from gnomon.instances import Trace, text_span
from gnomon.tensorrt import build_engine
from gnomon.tensorrt.ports import Shapes
from gnomon.tokens import Tokens
from tests.scorer.evaluators import make_bundle
from tests.sdk.serving import connected, serving
from tests.sdk.test_versions import InMemory

SAMPLES = [
    text_span(output=text) for text in ("a good movie", "bad", "awful " * 9, "fine fine", "the movie is bad")
]
Alter = Callable[[Any], Any]


class Runner:
    def __init__(self, content: bytes, alter: Alter) -> None:
        self._session = onnxruntime.InferenceSession(content)
        self._alter = alter
        self.is_closed = False

    def logits(self, rows: Sequence[Tokens]) -> list[list[float]]:
        width = max(map(len, rows))
        names = (entry.name for entry in self._session.get_inputs())
        inputs = {name: filled(name, rows, width, "int64") for name in names}
        found: list[list[float]] = self._alter(self._session.run(None, inputs)[0]).tolist()
        return found

    def close(self) -> None:
        self.is_closed = True


class Toolkit:
    """Keeps the ONNX as the engine. `built`: the weights' types and the shapes of each build."""

    def __init__(
        self, version: str = "11.4.0", architecture: str = "sm_90", alter: Alter = lambda x: x
    ) -> None:
        self.version, self.architecture, self._alter = version, architecture, alter
        self.built: list[tuple[set[int], Shapes]] = []
        self.runners: list[Runner] = []

    def build(self, file: Path, shapes: Shapes) -> bytes:
        weights = onnx.load(file).graph.initializer
        self.built.append(({tensor.data_type for tensor in weights if len(tensor.dims) == 2}, shapes))
        return file.read_bytes()

    def open(self, engine: Path) -> Runner:
        self.runners.append(Runner(engine.read_bytes(), self._alter))
        return self.runners[-1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_bundle().write(tmp_path / "bundle")


def test_an_engine_is_built_of_typed_onnx_gated_and_kept(folder: Path, tmp_path: Path) -> None:
    toolkit = Toolkit()
    engine = build_engine(folder, tmp_path / "cache", max_batch_size=4, samples=SAMPLES, toolkit=toolkit)
    assert engine.is_new
    assert toolkit.built == [({onnx.TensorProto.FLOAT16}, Shapes(4, 32))]
    assert toolkit.runners[0].is_closed
    gate = engine.about["gate"]
    assert gate["rows"] == len(SAMPLES)
    assert gate["reason"] == ""
    assert 0 < gate["measures"]["max_probability_change"] < 0.01
    assert engine.file.is_file()
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [engine.file.parent.name]


def test_fp32_is_the_reference_s_own_file_and_must_be_exact(folder: Path, tmp_path: Path) -> None:
    toolkit = Toolkit()
    engine = build_engine(folder, tmp_path, precision="fp32", samples=SAMPLES, toolkit=toolkit)
    assert toolkit.built[0][0] == {onnx.TensorProto.FLOAT}
    assert engine.about["gate"]["measures"]["max_logit_difference"] < 1e-4
    shifted = Toolkit(alter=lambda logits: logits + np.float32([3e-4, 0]))
    with pytest.raises(errors.GateFailedError, match=r"max_logit_difference is 0\.0003"):
        build_engine(folder, tmp_path / "other", precision="fp32", samples=SAMPLES, toolkit=shifted)


def test_a_published_fp16_file_is_taken_as_it_is(tmp_path: Path) -> None:
    made = make_bundle().publishing(Format("onnx-fp32", "model.onnx"), Format("onnx-fp16", "model.fp16.onnx"))
    made.contents["model.fp16.onnx"] = made.contents["model.onnx"]  # typed otherwise, so that it shows
    toolkit = Toolkit()
    build_engine(made.write(tmp_path / "b"), tmp_path / "cache", samples=SAMPLES, toolkit=toolkit)
    assert toolkit.built[0][0] == {onnx.TensorProto.FLOAT}


def test_an_engine_is_found_again_by_onnx_version_architecture_precision_and_batch(
    folder: Path, tmp_path: Path
) -> None:
    cache, toolkit = tmp_path / "cache", Toolkit()
    first = build_engine(folder, cache, samples=SAMPLES, toolkit=toolkit)
    again = build_engine(folder, cache, samples=SAMPLES, toolkit=toolkit)
    assert (again.file, again.about, again.is_new) == (first.file, first.about, False)
    assert len(toolkit.built) == 1
    other = make_bundle(seed=3).write(tmp_path / "other")
    files = {
        build_engine(folder, cache, samples=SAMPLES, toolkit=Toolkit(version="11.5.0")).file,
        build_engine(folder, cache, samples=SAMPLES, toolkit=Toolkit(architecture="sm_86")).file,
        build_engine(folder, cache, samples=SAMPLES, toolkit=toolkit, precision="fp32").file,
        build_engine(folder, cache, samples=SAMPLES, toolkit=toolkit, max_batch_size=8).file,
        build_engine(other, cache, samples=SAMPLES, toolkit=toolkit).file,
    }
    assert len(files | {first.file}) == 6


def test_an_engine_that_was_altered_is_built_again(folder: Path, tmp_path: Path) -> None:
    toolkit = Toolkit()
    first = build_engine(folder, tmp_path, samples=SAMPLES, toolkit=toolkit)
    first.file.write_bytes(b"cut")
    assert build_engine(folder, tmp_path, samples=SAMPLES, toolkit=toolkit).is_new
    assert len(toolkit.built) == 2


@pytest.mark.parametrize(
    ("alter", "reason"),
    [
        (lambda logits: logits[:, ::-1], "label_flip_share is"),
        (lambda logits: logits + np.float32([0.1, 0]) * (len(logits) > 1), "batch_invariance_difference is"),
        (lambda logits: logits * np.float32("nan"), "some of its logits are no numbers"),
    ],
)
def test_an_engine_that_scores_otherwise_is_refused_with_its_figures_and_not_kept(
    folder: Path, tmp_path: Path, alter: Alter, reason: str
) -> None:
    cache, toolkit = tmp_path / "cache", Toolkit(alter=alter)
    with pytest.raises(errors.GateFailedError, match=reason):
        build_engine(folder, cache, samples=SAMPLES, toolkit=toolkit)
    assert not list(cache.iterdir())
    assert toolkit.runners[0].is_closed


def test_without_samples_the_packaged_examples_are_compared_on(folder: Path, tmp_path: Path) -> None:
    engine = build_engine(folder, tmp_path, toolkit=Toolkit())
    assert engine.about["gate"]["rows"] == 256


def test_a_sample_of_another_kind_is_refused_before_anything_is_built(folder: Path, tmp_path: Path) -> None:
    toolkit = Toolkit()
    with pytest.raises(errors.InstanceInvalidError):
        build_engine(folder, tmp_path / "cache", samples=[Trace(())], toolkit=toolkit)
    assert not toolkit.built
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.parametrize("argument", [{"precision": "int8"}, {"max_batch_size": 0}])
def test_arguments_out_of_range_are_refused_by_name(
    folder: Path, tmp_path: Path, argument: dict[str, Any]
) -> None:
    with pytest.raises(errors.InvalidRequestError) as caught:
        build_engine(folder, tmp_path, toolkit=Toolkit(), **argument)
    assert [violation.field for violation in caught.value.violations] == list(argument)


def test_without_tensorrt_the_error_says_what_to_install(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(errors.InvalidRequestError, match="needs tensorrt: pip install tensorrt cuda-python"):
        build_engine(folder, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_tensorrt_without_a_gpu_says_that_one_is_missing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trt, cuda, bindings, runtime = (
        ModuleType(n) for n in ("tensorrt", "cuda", "cuda.bindings", "cuda.bindings.runtime")
    )
    trt.__dict__.update(
        __version__="11.4.0", Logger=type("Logger", (), {"ERROR": 1, "__init__": lambda s, _: None})
    )
    no_device = SimpleNamespace(name="cudaErrorNoDevice")
    runtime.__dict__.update(
        cudaError_t=SimpleNamespace(cudaSuccess=0), cudaGetDeviceCount=lambda: (no_device, 0)
    )
    for module in (trt, cuda, bindings, runtime):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(errors.InvalidRequestError, match=r"cudaErrorNoDevice.*NVIDIA GPU and its driver"):
        build_engine(folder, tmp_path)


async def test_a_version_s_engine_is_built_from_the_registry(
    kind: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gnomon.tensorrt.toolkit.TensorRt", Toolkit)
    store = InMemory()
    async with serving(**store.methods()) as address, connected(kind, address) as client:
        await client.versions.create("toxicity", folder)
        engine = await client.versions.build_engine("toxicity@1", tmp_path / "cache", samples=SAMPLES)
    assert engine.is_new
    assert engine.file.is_file()
