"""The formats beside the reference: made, gated, told."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from google.protobuf import json_format

from gnomon.bundle import ONNX_FP16, OPENVINO_BF16, OPENVINO_FP32, OPENVINO_INT8, Calibration, parse_evaluator
from gnomon.half_precision import write_fp16
from gnomon.tokens import Tokens
from gnomon.v1 import resources_pb2 as pb
from gnomon_trainer.adapters.fine_tuning import further, gate, openvino_runtime, quantizing, stages
from gnomon_trainer.adapters.fine_tuning.onnx_formats import further_formats
from gnomon_trainer.adapters.fine_tuning.openvino_formats import (
    FurtherFormat,
    Quantized,
    ReadsOnnx,
    openvino_formats,
)
from gnomon_trainer.adapters.fine_tuning.openvino_runtime import BF16, F32, OpenVinoEvaluator
from gnomon_trainer.adapters.fine_tuning.scoring import Alone, Logits, OnnxEvaluator, one_by_one
from gnomon_trainer.adapters.fine_tuning.set_up import SetUp
from gnomon_trainer.domain.parity import reduced_limits
from gnomon_trainer.domain.training import RunCancelledError, Stage, Trained
from tests.trainer.fine_tuning import tiny

ROWS = [Tokens(list(range(4, 4 + n)), [0] * n) for n in range(1, 41)]
Undisturbed = tuple[Trained, tiny.Recorder]


@dataclass(frozen=True, slots=True)
class Told:
    """A format that is whatever a test wants."""

    opens: Callable[[Alone], Alone] = lambda onnx: onnx
    exact: bool = False
    makes: Callable[[Callable[[], None]], None] = lambda pause: None
    format: str = "told"
    path: str = "model.onnx"
    runtime: str = "onnxruntime"

    def problem(self) -> str:
        return ""

    def make(self, onnx: Path, rows: Sequence[Tokens], folder: Path, pause: Callable[[], None]) -> None:
        self.makes(pause)

    def open(self, path: Path, max_tokens: int, threads: int) -> Alone:
        return self.opens(OnnxEvaluator(path))


@dataclass(frozen=True, slots=True)
class FourBits:
    """Weights rounded to sixteen steps, all of a matrix by one scale: to be refused."""

    format: str = "onnx-int4"
    path: str = "model.int4.onnx"
    exact: bool = False
    runtime: str = "onnxruntime"

    def problem(self) -> str:
        return ""

    def make(self, file: Path, rows: Sequence[Tokens], folder: Path, pause: Callable[[], None]) -> None:
        model = onnx.load(file)
        for tensor in model.graph.initializer:
            weights = onnx.numpy_helper.to_array(tensor)
            if weights.ndim == 2 and weights.dtype == np.float32:
                scale = np.abs(weights).max() / 7
                rounded = np.clip(np.round(weights / scale), -8, 7) * scale
                tensor.CopyFrom(onnx.numpy_helper.from_array(rounded.astype(np.float32), tensor.name))
        onnx.save(model, folder / self.path)

    def open(self, path: Path, max_tokens: int, threads: int) -> Alone:
        return OnnxEvaluator(path)


class Altered:
    """An evaluator whose logits a test alters, knowing how many rows went together."""

    def __init__(self, true: Alone, alter: Callable[[Logits], Logits]) -> None:
        self._true, self._alter = true, alter

    def logits(self, rows: Sequence[Tokens]) -> Logits:
        return self._alter(self._true.logits(rows))

    def logits_alone(self, rows: Sequence[Tokens], threads: int, pause: Callable[[], None]) -> Logits:
        return one_by_one(self.logits, rows, threads, pause)


def train(
    base_model: Path, work: Path, *formats: FurtherFormat, reporter: tiny.Recorder | None = None
) -> Trained:
    set_up = SetUp(base_model, 1, 60.0, further=formats, profiler=tiny.NoProfiler())
    return stages.train(tiny.plan(rows=40, epochs=1), work, reporter or tiny.Recorder(), set_up)


def told_of(trained: Trained, name: str = "told") -> pb.FormatReport:
    report = json_format.ParseDict(trained.report, pb.EvaluationReport())
    return next(entry for entry in report.formats if entry.format == name)


def published(trained: Trained) -> list[str]:
    evaluator = parse_evaluator((trained.bundle_folder / "evaluator.json").read_bytes())
    return [entry.format for entry in evaluator.formats]


def shifted(name: str, by: float, *, in_company_only: bool = False, exact: bool = False) -> FurtherFormat:
    def shift(logits: Logits) -> Logits:
        size = by * (len(logits) > 1 or not in_company_only)
        return logits + np.array([size, 0.0], dtype=np.float32)

    return Told(lambda true: Altered(true, shift), exact=exact, format=name)


def stumbles(pause: Callable[[], None]) -> None:
    raise RuntimeError("cannot read it\nat frame 7")


@pytest.fixture(scope="module")
def trained(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A training that tried formats of all kinds."""
    return train(
        base_model,
        tmp_path_factory.mktemp("tried"),
        *further_formats("model.onnx"),
        FourBits(),
        Told(),
        shifted("shifted", 40.0),
        shifted("inexact", 2e-4, exact=True),
        shifted("sociable", 0.1, in_company_only=True),
        Told(lambda true: Altered(true, lambda logits: logits * np.float32("nan")), format="numberless"),
        Told(makes=stumbles, format="stumbling"),
    )


def boolean_limits(rows: int) -> dict[str, float]:
    """Return the limits without those on flags, which a boolean metric's labels stand for."""
    return {key: limit for key, limit in reduced_limits(rows).items() if not key.startswith("flagged_")}


@pytest.mark.slow
def test_a_format_that_scores_as_the_reference_is_published_and_measured(trained: Trained) -> None:
    assert "told" in published(trained)
    told = told_of(trained)
    assert told.passed
    assert not told.reason
    assert {m.key: m.value for m in told.measures if m.key != "test_macro_f1"} == {
        "label_flip_share": 0,
        "p99_probability_change": 0,
        "max_probability_change": 0,
        "ece_increase": 0,
        "macro_f1_drop": 0,
        "macro_f1_drop_at_least": 0,
        "batch_invariance_difference": pytest.approx(0, abs=1e-6),
    }
    same = next(m for m in told_of(trained, "onnx-fp32").measures if m.key == "test_macro_f1")
    assert next(m for m in told.measures if m.key == "test_macro_f1") == same
    assert same.value == next(m["value"] for m in trained.report["measures"] if m["key"] == "macro_f1")
    assert "onnxruntime" in told.machine
    assert [point.tokens for point in told.latency_profile] == [32]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("shifted", "label_flip_share is"),
        ("inexact", "max_logit_difference is 0.0002, and may be at most 0.0001"),
        ("sociable", "batch_invariance_difference is"),
        ("numberless", "Some of its logits are no numbers."),
        ("stumbling", "It cannot be made or run: RuntimeError: cannot read it"),
    ],
)
def test_a_format_that_fails_is_refused_with_the_reason_and_the_run_goes_on(
    trained: Trained, name: str, reason: str
) -> None:
    assert name not in published(trained)
    told = told_of(trained, name)
    assert not told.passed
    assert reason in told.reason
    assert not told.latency_profile
    assert (
        f"- `{name}`: not published. {told.reason}" in (trained.bundle_folder / "MODEL_CARD.md").read_text()
    )


def test_every_format_of_openvino_is_made_and_judged(trained: Trained) -> None:
    names = published(trained)
    assert OPENVINO_FP32 in names
    for name in (OPENVINO_FP32, OPENVINO_BF16, OPENVINO_INT8):
        told = told_of(trained, name)
        assert told.passed == (name in names) == (not told.reason)
        assert not told.reason.startswith("It cannot be made or run")
    if openvino_runtime.computes_bf16():
        assert OPENVINO_BF16 in names, told_of(trained, OPENVINO_BF16).reason
        int8 = told_of(trained, OPENVINO_INT8)
        assert {one.key for one in int8.measures} >= set(boolean_limits(1))  # made, and judged by its scores
    files = {"model.int8.xml", "model.int8.bin"}
    found = set(tiny.contents(trained.bundle_folder))
    assert files & found == (files if OPENVINO_INT8 in names else set())


def test_fp16_is_half_as_large_and_passes_with_its_figures(trained: Trained) -> None:
    told = told_of(trained, ONNX_FP16)
    assert told.passed, told.reason
    assert {m.key for m in told.measures} >= {*boolean_limits(1), "macro_f1_drop", "test_macro_f1"}
    assert ONNX_FP16 in published(trained)
    whole, half = (trained.bundle_folder / name for name in ("model.onnx", "model.fp16.onnx"))
    assert half.stat().st_size < 0.75 * whole.stat().st_size  # a tiny model is nearly half graph
    graph = onnx.load(half).graph
    kinds = {tensor.name: tensor.type.tensor_type.elem_type for tensor in (*graph.input, *graph.output)}
    assert kinds["logits"] == onnx.TensorProto.FLOAT
    assert kinds["input_ids"] == onnx.TensorProto.INT64
    weights = {tensor.data_type for tensor in graph.initializer if len(tensor.dims) == 2}
    assert onnx.TensorProto.FLOAT16 in weights
    assert onnx.TensorProto.FLOAT not in weights


def test_a_model_in_fp16_is_the_same_every_time(undisturbed: Undisturbed, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_fp16(undisturbed[0].bundle_folder / "model.onnx", tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_four_bits_that_break_an_evaluator_are_refused_with_their_figures(trained: Trained) -> None:
    told = told_of(trained, "onnx-int4")
    assert not told.passed
    assert "onnx-int4" not in published(trained)
    assert not (trained.bundle_folder / "model.int4.onnx").exists()
    figures = {m.key: m.value for m in told.measures}
    above = {key for key, limit in boolean_limits(told.rows).items() if figures[key] > limit}
    assert "max_probability_change" in above
    for key in above:
        assert f"{key} is {figures[key]:.2g}, and may be at most" in told.reason


@pytest.mark.slow
def test_a_cancel_is_a_cancel_even_if_a_library_hides_it(base_model: Path, tmp_path: Path) -> None:
    def hides(pause: Callable[[], None]) -> None:
        try:
            pause()
        except RunCancelledError:
            raise ValueError("the callback failed") from None

    class CancelledWhileMade(tiny.Recorder):
        is_making = False

        def checkpoint_allowed(self) -> None:
            if self.is_making:
                raise RunCancelledError

    recorder = CancelledWhileMade()

    def makes(pause: Callable[[], None]) -> None:
        recorder.is_making = True
        hides(pause)

    with pytest.raises(RunCancelledError):
        train(base_model, tmp_path, Told(makes=makes), reporter=recorder)
    assert not (tmp_path / "bundle").exists()
    assert published(train(base_model, tmp_path, Told())) == ["onnx-fp32", "told"]


@pytest.mark.slow
def test_a_full_disk_is_no_fault_of_the_format(base_model: Path, tmp_path: Path) -> None:
    def is_full(pause: Callable[[], None]) -> None:
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        train(base_model, tmp_path, Told(makes=is_full))


@pytest.mark.slow
def test_without_openvino_its_formats_say_what_to_install(
    base_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_runtime, "installed", lambda *packages: False)
    trained = train(base_model, tmp_path, *openvino_formats("model.onnx"))
    assert published(trained) == ["onnx-fp32"]
    for name in (OPENVINO_FP32, OPENVINO_BF16, OPENVINO_INT8):
        assert "pip install 'gnomon[trainer]'" in told_of(trained, name).reason


@pytest.mark.slow
@pytest.mark.parametrize("error", ["ImportError", "RuntimeError"])
def test_an_openvino_that_is_broken_costs_its_formats_and_no_run(
    base_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    broken = tmp_path / "packages" / "openvino"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text(f"raise {error}('libopenvino.so: undefined symbol')")
    monkeypatch.syspath_prepend(broken.parent)
    monkeypatch.delitem(sys.modules, "openvino", raising=False)
    trained = train(base_model, tmp_path / "run", *openvino_formats("model.onnx"))
    assert published(trained) == ["onnx-fp32"]
    for name in (OPENVINO_FP32, OPENVINO_BF16, OPENVINO_INT8):
        reason = told_of(trained, name).reason
        assert reason == f"It cannot be made or run: {error}: libopenvino.so: undefined symbol"


def test_a_processor_without_bf16_gets_fp32_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_runtime, "computes_bf16", lambda: False)
    assert not ReadsOnnx(OPENVINO_FP32, "model.onnx", F32).problem()
    assert "does not compute in bf16" in ReadsOnnx(OPENVINO_BF16, "model.onnx", BF16).problem()
    assert "does not compute in bf16" in Quantized().problem()


@pytest.mark.slow
def test_a_quantised_file_is_the_same_every_time_and_names_no_path_and_no_version(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    onnx = undisturbed[0].bundle_folder / "model.onnx"
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        quantizing.quantize(onnx, ROWS, tmp_path / name / "model.int8.xml", lambda: None)
    made = tiny.contents(tmp_path / "a")
    assert sorted(made) == ["model.int8.bin", "model.int8.xml"]
    assert made == tiny.contents(tmp_path / "b")
    text = made["model.int8.xml"].decode()
    assert "nncf" not in text
    assert str(tmp_path) not in text
    assert 'element_type="i8"' in text


def test_quantising_asks_between_rows_whether_to_go_on(undisturbed: Undisturbed, tmp_path: Path) -> None:
    calls = 0

    def pause() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise RunCancelledError

    onnx = undisturbed[0].bundle_folder / "model.onnx"
    with pytest.raises(RunCancelledError):
        quantizing.quantize(onnx, ROWS, tmp_path / "model.int8.xml", pause)
    assert not list(tmp_path.iterdir())


def test_calibration_rows_are_drawn_by_the_seed_alone() -> None:
    many = [Tokens([n], [0]) for n in range(500)]
    drawn = quantizing.calibration_rows(many, 7)
    assert len(drawn) == 200
    assert drawn == quantizing.calibration_rows(many, 7)
    assert drawn != quantizing.calibration_rows(many, 8)
    assert quantizing.calibration_rows(many[:3], 7) != []


def test_openvino_reads_rows_of_any_length_up_to_the_longest(undisturbed: Undisturbed) -> None:
    onnx = undisturbed[0].bundle_folder / "model.onnx"
    rows = [Tokens(list(range(4, 4 + n)), [0] * n) for n in (1, 15, 16, 17, 30, 32)]
    reference = OnnxEvaluator(onnx).logits_alone(rows, 1, lambda: None)
    evaluator = OpenVinoEvaluator(onnx, F32, 30, 2)  # 30 is no multiple of what lengths are padded to
    assert np.allclose(evaluator.logits_alone(rows, 2, lambda: None), reference, atol=1e-4)
    assert np.allclose(evaluator.logits(rows), reference, atol=1e-4)


def test_the_gate_gives_every_row_other_company_and_notices_one_that_minds() -> None:
    class MindsItsNeighbour:
        def logits(self, rows: Sequence[Tokens]) -> Logits:
            odd = any(len(row) == 40 for row in rows)
            return np.array([[0.0, 0.01 * odd * (len(row) == 1)] for row in rows], dtype=np.float32)

        def logits_alone(self, rows: Sequence[Tokens], threads: int, pause: Callable[[], None]) -> Logits:
            return one_by_one(self.logits, rows, threads, pause)

    one = MindsItsNeighbour()
    alone = one.logits_alone(ROWS, 1, lambda: None)
    # The first and the last row are in different batches of 32 until they are shuffled.
    worst = gate.batch_invariance(one, ROWS, alone, Calibration(), threads=2, pause=lambda: None)
    assert worst.value == pytest.approx(0.0025, rel=0.01)


@pytest.mark.slow
def test_no_runtime_is_heard_of_on_the_network_or_leaves_an_id_in_the_home_folder(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    program = """
import socket, sys, warnings
def refuses(*_, **__): raise AssertionError("the network was asked for")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuses
from pathlib import Path
from gnomon.tokens import Tokens
from gnomon_trainer.adapters.fine_tuning import quantizing
rows = [Tokens(list(range(4, 4 + n)), [0] * n) for n in range(1, 9)]
quantizing.quantize(Path(sys.argv[1]), rows, Path(sys.argv[2]), lambda: None)
assert not [name for name, module in sys.modules.items() if name.startswith("openvino_telemetry") and module]
"""
    home = tmp_path / "home"
    home.mkdir()
    onnx = undisturbed[0].bundle_folder / "model.onnx"
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", program, onnx, tmp_path / "model.int8.xml"],
        env={k: v for k, v in os.environ.items() if not k.startswith("ORT_")} | {"HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("", "")
    assert not list(home.iterdir())


@pytest.mark.slow
def test_a_run_cancelled_while_int8_is_made_publishes_the_same_when_resumed(
    base_model: Path, tmp_path: Path
) -> None:
    if problem := Quantized().problem():
        pytest.skip(problem)
    work = tmp_path / "stopped"
    with pytest.raises(RunCancelledError):
        train(base_model, work, Quantized(), reporter=tiny.StopsAt(40, RunCancelledError(), Stage.EXPORTING))
    assert not (work / "bundle").exists()
    resumed = train(base_model, work, Quantized())
    whole = train(base_model, tmp_path / "whole", Quantized())
    assert tiny.contents(resumed.bundle_folder) == tiny.contents(whole.bundle_folder)


def test_formats_are_compared_in_all_test_rows_or_in_512_that_the_seed_draws() -> None:
    assert further.compared(512, seed=1).tolist() == list(range(512))
    drawn = further.compared(5_000, seed=1)
    assert len(set(drawn.tolist())) == 512
    assert (np.diff(drawn) > 0).all()
    assert (
        drawn.tolist() == further.compared(5_000, seed=1).tolist() != further.compared(5_000, seed=2).tolist()
    )
