"""Real engines on tiny bundles."""

from pathlib import Path

import pytest

from gnomon.bundle import Format, parse_evaluator
from gnomon_scorer.adapters.onnx_runtime import OnnxRuntime
from gnomon_scorer.adapters.openvino_runtime import OpenVinoRuntime
from gnomon_scorer.adapters.runtimes import Runtimes
from gnomon_scorer.adapters.tokenizers import TokenizerFiles
from gnomon_scorer.domain.loaded import LoadedVersion
from gnomon_scorer.domain.ports import Bundle, Opened
from gnomon_scorer.domain.probing import known_text
from tests.scorer.evaluators import MadeBundle
from tests.scorer.fakes import FakeTunings, version_name

ONNX_FORMATS = ("onnx-fp32", "openvino-fp32", "openvino-bf16")  # those that read model.onnx
OPENVINO = OpenVinoRuntime()


def skip_without(format_: str) -> None:
    """Skip a test of a format that this machine cannot run."""
    if format_.startswith("openvino") and (problem := OPENVINO.problem(format_)):
        pytest.skip(problem)


def open_bundle(folder: Path, made: MadeBundle, *formats: str) -> Bundle:
    """Write a bundle that publishes formats, all of them reading `model.onnx`."""
    formats = formats or ("onnx-fp32",)
    made = made.publishing(*(Format(name, "model.onnx") for name in formats))
    folder = made.write(folder / "bundle")
    evaluator = parse_evaluator((folder / "evaluator.json").read_bytes())
    return Bundle(folder, evaluator, folder / "tokenizer.json", "0" * 64)


def runtimes(format_: str = "auto", cores: int = 2, **settings) -> Runtimes:
    engines = [OPENVINO, OnnxRuntime()]
    return Runtimes(engines, cores, FakeTunings(), **{"asked": format_, "tuning_s": 0} | settings)


def load(runtime: Runtimes, bundle: Bundle) -> Opened:
    tokenizer = TokenizerFiles().load(bundle.tokenizer_file)
    return runtime.load(bundle, known_text(tokenizer, bundle.evaluator.max_tokens))


def open_version(folder: Path, made: MadeBundle, format_: str = "onnx-fp32", cores: int = 2) -> LoadedVersion:
    bundle = open_bundle(folder, made, *{"onnx-fp32": None, format_: None})
    opened = load(runtimes(format_, cores), bundle)
    tokenizer = TokenizerFiles().load(bundle.tokenizer_file)
    return LoadedVersion(version_name("toxicity/1"), bundle, tokenizer, opened)
