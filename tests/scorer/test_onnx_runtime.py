"""The reference backend on real, tiny models; and the contract of a backend."""

import importlib.metadata
from pathlib import Path

import pytest

from gnomon.bundle import parse_evaluator
from gnomon.errors import VersionUnloadableError
from gnomon.tokens import Tokens
from gnomon_scorer.adapters import onnx_runtime
from gnomon_scorer.adapters.onnx_runtime import ConflictError, OnnxRuntime, check_installation
from gnomon_scorer.adapters.tokenizers import TokenizerFiles
from gnomon_scorer.domain.loaded import BadOutputError, LoadedVersion
from gnomon_scorer.domain.ports import BatchLimits, Bundle
from tests.scorer.evaluators import VOCABULARY, make_bundle, onnx_model
from tests.scorer.fakes import FakeBackend, tokens, version_name


def open_bundle(tmp_path: Path, made) -> Bundle:
    folder = made.write(tmp_path / "bundle")
    evaluator = parse_evaluator((folder / "evaluator.json").read_bytes())
    return Bundle(folder, evaluator, folder / "tokenizer.json", "0" * 64)


def open_version(tmp_path, made) -> LoadedVersion:
    bundle = open_bundle(tmp_path, made)
    format_, backend = OnnxRuntime(threads=2, batch_tokens=256).load(bundle)
    tokenizer = TokenizerFiles().load(bundle.tokenizer_file)
    return LoadedVersion(version_name("toxicity/1"), bundle, tokenizer, backend, format_)


@pytest.fixture(params=["fake", "onnx"])
def backend(request, tmp_path):
    """Every backend keeps this contract."""
    if request.param == "fake":
        return FakeBackend()
    return OnnxRuntime(2, 256).load(open_bundle(tmp_path, make_bundle()))[1]


def test_a_batch_gives_one_row_an_instance_and_one_logit_a_class(backend):
    rows = backend.run([tokens(2, 4, 3), tokens(2, 5, 6, 7, 3)])

    assert [len(row) for row in rows] == [2, 2]
    assert all(isinstance(value, float) for row in rows for value in row)


def test_an_instance_scores_the_same_alone_and_beside_others(backend):
    batch = [tokens(*range(2, 2 + n)) for n in (3, 9, 5, 1)]

    together = backend.run(batch)

    for one, row in zip(batch, together, strict=True):
        assert backend.run([one])[0] == pytest.approx(row, abs=1e-6)


def test_a_backend_tells_its_limits_and_memory_and_can_be_closed(backend):
    assert backend.limits.max_padded_tokens > 0
    assert backend.memory_bytes > 0
    backend.close()


def test_the_runtime_chooses_the_reference_format(tmp_path):
    format_, backend = OnnxRuntime(2, 256).load(open_bundle(tmp_path, make_bundle()))

    assert format_ == "onnx-fp32"
    assert backend.limits == BatchLimits(256)


def test_a_sound_version_is_proven_at_several_lengths_and_batched(tmp_path):
    version = open_version(tmp_path, make_bundle())

    version.warm()

    assert version.limits.max_instances > 1


def test_a_model_exported_for_one_instance_is_served_one_a_call(tmp_path):
    version = open_version(tmp_path, make_bundle(model=onnx_model(fixed_batch=1)))

    version.warm()

    assert version.limits.max_instances == 1


def test_a_model_with_fewer_inputs_is_fed_those(tmp_path):
    open_version(tmp_path, make_bundle(model=onnx_model(inputs=("input_ids", "attention_mask")))).warm()


def test_a_model_with_the_wrong_classes_does_not_pass_warming(tmp_path):
    version = open_version(tmp_path, make_bundle(model=onnx_model(classes=3)))

    with pytest.raises(VersionUnloadableError, match="2 logits"):
        version.warm()


def test_a_model_that_gives_nan_is_bad_output(tmp_path):
    version = open_version(tmp_path, make_bundle())
    nan = VOCABULARY.index("nanword")

    with pytest.raises(BadOutputError):
        version.run([Tokens([2, nan, 3], [0, 0, 0])])


def test_a_model_with_unknown_inputs_is_refused(tmp_path):
    model = onnx_model(inputs=("input_ids", "attention_mask", "pixel_values"))

    with pytest.raises(VersionUnloadableError, match="pixel_values"):
        open_version(tmp_path, make_bundle(model=model))


def test_what_is_no_model_is_refused_by_the_runtime(tmp_path):
    with pytest.raises(Exception, match=r"(?i)protobuf|load|model"):
        open_version(tmp_path, make_bundle(model=b"not a model"))


def test_two_distributions_of_the_runtime_are_refused(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: name)

    with pytest.raises(ConflictError, match="onnxruntime-gpu"):
        check_installation()


def test_another_device_than_asked_for_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(onnx_runtime, "_PROVIDER", "NoSuchProvider")

    with pytest.raises((VersionUnloadableError, ValueError, UserWarning)):
        open_version(tmp_path, make_bundle())
