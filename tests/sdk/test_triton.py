"""A version as a Triton model repository, and scores from a server that runs it."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import model_config_pb2

from gnomon import errors
from gnomon.bundle import Format, Windows, parse_evaluator
from gnomon.decision import Decision, decide
from gnomon.instances import Trace, text_span
from gnomon.rendering import render
from gnomon.tokenizing import JsonTokenizer
from gnomon.triton import Serving, TritonEvaluator, write_repository
from gnomon.triton.repository import _preferred
from gnomon.windows import reduce
from tests.scorer.evaluators import make_bundle, onnx_model, with_data_beside
from tests.sdk.serving import connected, serving
from tests.sdk.test_versions import InMemory
from tests.sdk.triton_server import serving_triton

TEXTS = ["a good movie", "bad", "the movie is very very awful", "fine " * 12, "a movie " * 40]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_bundle(windows=Windows(8)).write(tmp_path / "bundle")


def config_of(model: Path) -> Any:
    return text_format.Parse((model / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())


def in_process(folder: Path, text: str) -> Decision:
    """Score a text as the scorer does: each window alone, by ONNX Runtime."""
    evaluator = parse_evaluator((folder / "evaluator.json").read_bytes())
    tokenizer = JsonTokenizer.read((folder / "tokenizer.json").read_text())
    rendered = render(text_span(output=text), evaluator.template, evaluator.step)
    reading = tokenizer.encode_windows([rendered], evaluator.max_tokens, evaluator.windows)[0]
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    logits = []
    for window in reading.windows:
        values = {
            "input_ids": window.ids,
            "attention_mask": [1] * len(window),
            "token_type_ids": window.type_ids,
        }
        inputs = {name: np.array([row], np.int64) for name, row in values.items()}
        logits.append(session.run(["logits"], inputs)[0][0].tolist())
    assert evaluator.windows is not None
    return decide(evaluator, reduce(logits, evaluator.windows.reducer, [1]).logits)


def test_a_repository_says_what_the_model_reads_and_gives(folder: Path, tmp_path: Path) -> None:
    model = write_repository(folder, tmp_path / "there" / "repository")
    assert model == tmp_path / "there" / "repository" / "toxicity"
    config = config_of(model)
    assert (config.name, config.backend, config.max_batch_size) == ("toxicity", "onnxruntime", 32)
    int64, fp32 = model_config_pb2.TYPE_INT64, model_config_pb2.TYPE_FP32
    assert [(i.name, i.data_type, list(i.dims)) for i in config.input] == [
        ("input_ids", int64, [-1]),
        ("attention_mask", int64, [-1]),
        ("token_type_ids", int64, [-1]),
    ]
    assert [(o.name, o.data_type, list(o.dims)) for o in config.output] == [("logits", fp32, [2])]
    assert (model / config.output[0].label_filename).read_text().splitlines() == ["false", "true"]
    assert list(config.dynamic_batching.preferred_batch_size) == [4, 8, 16, 32]
    assert [(g.count, g.kind) for g in config.instance_group] == [
        (1, model_config_pb2.ModelInstanceGroup.KIND_CPU)
    ]
    assert (model / "1" / "model.onnx").read_bytes() == (folder / "model.onnx").read_bytes()
    for name in ("evaluator.json", "tokenizer.json"):
        assert (model / name).read_bytes() == (folder / name).read_bytes()


def test_warm_up_runs_real_tokens_alone_and_in_the_largest_batch(folder: Path, tmp_path: Path) -> None:
    model = write_repository(folder, tmp_path / "repository")
    warm = config_of(model).model_warmup
    assert [entry.batch_size for entry in warm] == [1, 32]
    for entry in warm:
        for name, value in entry.inputs.items():
            row = np.frombuffer((model / "warmup" / value.input_data_file).read_bytes(), "<i8")
            assert list(value.dims) == [len(row)] == [32]
            assert (row == 1).all() if name == "attention_mask" else row.min() >= 0


def test_devices_instances_and_batches_are_as_asked_for(folder: Path, tmp_path: Path) -> None:
    model = write_repository(folder, tmp_path, name="tone-gpu", serving=Serving("gpu", 2, 6))
    config = config_of(model)
    assert (config.name, config.max_batch_size) == ("tone-gpu", 6)
    assert list(config.dynamic_batching.preferred_batch_size) == [4, 6]
    assert config.instance_group[0].count == 2
    assert config.instance_group[0].kind == model_config_pb2.ModelInstanceGroup.KIND_GPU


@given(st.integers(1, 1024))
def test_preferred_batches_grow_and_end_with_the_largest(most: int) -> None:
    sizes = _preferred(most)
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == most


def test_a_model_with_its_weights_beside_it_keeps_them(tmp_path: Path) -> None:
    model, weights = with_data_beside(onnx_model(), "model.onnx.data")
    made = make_bundle(model=model)
    made.contents["model.onnx.data"] = weights
    exported = write_repository(made.write(tmp_path / "bundle"), tmp_path / "repository")
    assert (exported / "1" / "model.onnx.data").read_bytes() == weights
    onnxruntime.InferenceSession(exported / "1" / "model.onnx")


def test_another_format_of_onnx_is_exported_under_the_name_that_triton_looks_for(tmp_path: Path) -> None:
    made = make_bundle().publishing(Format("onnx-fp32", "model.onnx"), Format("onnx-fp16", "model.fp16.onnx"))
    made.contents["model.fp16.onnx"] = onnx_model(seed=5)
    folder = made.write(tmp_path / "bundle")
    exported = write_repository(folder, tmp_path / "repository", format="onnx-fp16")
    assert (exported / "1" / "model.onnx").read_bytes() == made.contents["model.fp16.onnx"]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"format": "openvino-int8"}, "format"),
        ({"name": "../out"}, "name"),
        ({"serving": Serving(device="tpu")}, "device"),
        ({"serving": Serving(instances=0)}, "instances"),
        ({"serving": Serving(max_batch_size=0)}, "max_batch_size"),
    ],
)
def test_what_cannot_be_exported_is_refused_by_name_and_leaves_nothing(
    folder: Path, tmp_path: Path, arguments: dict[str, Any], field: str
) -> None:
    with pytest.raises(errors.InvalidRequestError) as caught:
        write_repository(folder, tmp_path / "repository", **arguments)
    assert [violation.field for violation in caught.value.violations] == [field]
    assert not (tmp_path / "repository").exists()


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (b"nothing of the kind", "is no ONNX model"),
        (onnx_model(fixed_batch=1), "has a fixed size for input_ids"),
        (onnx_model(classes=3), r"gives logits of shape \(-1, 3\), not \(-1, 2\)"),
    ],
)
def test_a_model_that_is_no_evaluator_is_refused(tmp_path: Path, model: bytes, says: str) -> None:
    folder = make_bundle(model=model).write(tmp_path / "bundle")
    with pytest.raises(errors.BundleInvalidError, match=says):
        write_repository(folder, tmp_path / "repository")
    assert not (tmp_path / "repository").exists()


def test_a_disk_that_fills_leaves_nothing_half_done(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_full(source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(shutil, "copyfile", is_full)
    with pytest.raises(OSError, match="No space left"):
        write_repository(folder, tmp_path / "repository")
    assert not [path for path in tmp_path.rglob("*") if "repository" in path.parts and path.is_file()]


def test_a_model_that_is_there_is_not_overwritten_and_others_are_left_alone(
    folder: Path, tmp_path: Path
) -> None:
    repository = tmp_path / "repository"
    write_repository(folder, repository)
    write_repository(folder, repository, name="second")
    assert {path.name for path in repository.iterdir()} == {"toxicity", "second"}
    with pytest.raises(FileExistsError, match="toxicity"):
        write_repository(folder, repository)


async def test_a_version_is_exported_from_the_registry(kind: str, folder: Path, tmp_path: Path) -> None:
    store = InMemory()
    async with serving(**store.methods()) as address, connected(kind, address) as client:
        await client.versions.create("toxicity", folder)
        model = await client.versions.export_triton("toxicity@1", tmp_path / "repository", name="tone")
    assert model == tmp_path / "repository" / "tone"
    assert config_of(model).name == "tone"


def test_scores_through_triton_are_those_in_process(folder: Path, tmp_path: Path) -> None:
    model = write_repository(folder, tmp_path / "repository")
    with (
        serving_triton(tmp_path / "repository") as (fake, address),
        TritonEvaluator(address, model) as evaluator,
    ):
        scores = evaluator.score([text_span(output=text) for text in TEXTS])
    for text, score in zip(TEXTS, scores, strict=True):
        expected = in_process(folder, text)
        assert isinstance(score, Decision)
        assert (score.label, score.flagged) == (expected.label, expected.flagged)
        assert score.probabilities == pytest.approx(expected.probabilities, abs=1e-5)
    assert all(width % 8 == 0 for _, width in fake.shapes)  # so that Triton can batch them with others'
    assert max(size for size, _ in fake.shapes) > 1  # the windows of the long one


def test_no_request_is_larger_than_the_server_takes(folder: Path, tmp_path: Path) -> None:
    model = write_repository(folder, tmp_path, serving=Serving(max_batch_size=2))
    with serving_triton(tmp_path) as (fake, address), TritonEvaluator(address, model) as evaluator:
        scores = evaluator.score([text_span(output="good")] * 5)
    assert fake.shapes == [(2, 8), (2, 8), (1, 8)]
    assert len({score.probabilities for score in scores if isinstance(score, Decision)}) == 1


def test_an_instance_that_cannot_be_scored_spares_its_neighbours(folder: Path, tmp_path: Path) -> None:
    model = write_repository(folder, tmp_path)
    with serving_triton(tmp_path) as (_, address), TritonEvaluator(address, model) as evaluator:
        empty, session, nan, good = evaluator.score(
            [text_span(output=" "), Trace(()), text_span(output="nanword"), text_span(output="good")]
        )
        assert evaluator.score([]) == []
    assert isinstance(empty, errors.InstanceInvalidError)
    assert isinstance(session, errors.InstanceInvalidError)
    assert isinstance(nan, errors.EvaluatorFailedError)
    assert isinstance(good, Decision)


def test_a_server_that_fails_is_a_typed_error(folder: Path, tmp_path: Path) -> None:
    model = write_repository(folder, tmp_path)
    one = [text_span(output="good")]
    with serving_triton(tmp_path) as (fake, address):
        with (
            TritonEvaluator(address, model, name="other") as evaluator,
            pytest.raises(errors.NotFoundError, match="unknown model"),
        ):
            evaluator.score(one)
        fake.alter = lambda logits: logits[:0]
        with TritonEvaluator(address, model) as evaluator, pytest.raises(errors.EvaluatorFailedError):
            evaluator.score(one)
    with (
        TritonEvaluator("127.0.0.1:1", model) as evaluator,
        pytest.raises(errors.ServiceUnavailableError, match="Triton could not score with toxicity"),
    ):
        evaluator.score(one)


@pytest.mark.parametrize("module", ["onnx", "tritonclient", "tokenizers"])
def test_without_the_extra_the_error_says_what_to_install(folder: Path, tmp_path: Path, module: str) -> None:
    program = f"""
import sys
sys.modules["{module}"] = None
from gnomon.triton import write_repository
from gnomon.errors import InvalidRequestError
try:
    write_repository(sys.argv[1], sys.argv[2])
except InvalidRequestError as error:
    assert "{module}: pip install 'gnomon[triton]'" in str(error), str(error)
else:
    raise SystemExit("it was written")
"""
    command = [sys.executable, "-c", program, str(folder), str(tmp_path / "repository")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_labels_stand_one_a_line_whatever_is_in_them(tmp_path: Path) -> None:
    made = make_bundle(classes=("a b", "c", "d"))
    evaluator = replace(made.evaluator, classes=("a\nb", "c", "d"), flagged_classes=("c",))
    made = made.replacing("evaluator.json", evaluator.to_json().encode())
    model = write_repository(made.write(tmp_path / "bundle"), tmp_path / "repository")
    assert (model / "labels.txt").read_text().splitlines() == ["a b", "c", "d"]
