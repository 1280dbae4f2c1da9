"""What is particular to ONNX Runtime; see test_backends.py for what all engines keep."""

import importlib.metadata

import pytest

from gnomon.errors import VersionUnloadableError
from gnomon_scorer.adapters import onnx_runtime
from gnomon_scorer.adapters.onnx_runtime import ConflictError, OnnxRuntime, check_installation
from tests.scorer.backends import open_version
from tests.scorer.evaluators import make_bundle


def test_a_call_of_one_thread_computes_where_it_is_made(tmp_path):
    make_bundle().write(tmp_path / "bundle")
    engine = OnnxRuntime()

    models = [engine.open(tmp_path / "bundle/model.onnx", "onnx-fp32", threads, 4, 32) for threads in (1, 4)]

    assert [model.has_threads for model in models] == [False, True]
    assert engine.threads(4) == (1, 4)
    assert engine.threads(1) == (1,)


def test_two_distributions_of_the_runtime_are_refused(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: name)

    with pytest.raises(ConflictError, match="onnxruntime-gpu"):
        check_installation()


def test_another_device_than_asked_for_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(onnx_runtime, "_PROVIDER", "NoSuchProvider")

    with pytest.raises((VersionUnloadableError, ValueError, UserWarning)):
        open_version(tmp_path, make_bundle())
