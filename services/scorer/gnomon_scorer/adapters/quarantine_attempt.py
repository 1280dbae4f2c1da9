"""What is tried with a bundle that nobody has opened yet: its tokenizer, and every format, on real passes."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from gnomon.bundle import EVALUATOR_FILE, OPENVINO_FP32, TOKENIZER_FILE, parse_evaluator
from gnomon.names import MetricVersionName
from gnomon.rendering import Rendered
from gnomon_scorer.adapters.engines import Engine
from gnomon_scorer.adapters.onnx_runtime import OnnxRuntime
from gnomon_scorer.adapters.openvino_runtime import OpenVinoRuntime
from gnomon_scorer.adapters.runtimes import Runtimes
from gnomon_scorer.adapters.tokenizers import TokenizerFiles
from gnomon_scorer.domain.loaded import LoadedVersion
from gnomon_scorer.domain.ports import Bundle, Tuning
from gnomon_scorer.domain.probing import known_text

# Texts that patterns which go back and forth take long for: runs of one kind, then something else.
_RUN = 4_000
_PROBES = tuple(run * (_RUN // len(run)) + "!" for run in ("a", " ", "1", "ab", "a ", "\n", "é", "x'", "_-"))


class _NoTunings:
    """Nothing is measured here."""

    def find(self, machine: str, key: str) -> Tuning | None:  # noqa: ARG002
        return None

    def keep(self, key: str, tuning: Tuning) -> None:
        """Forget it."""


def engines() -> list[Engine]:
    return [OpenVinoRuntime(), OnnxRuntime()]


def _ready() -> list[Engine]:
    """Return the engines, their libraries loaded: OpenVINO's is not before it is asked for something."""
    made = engines()
    if importlib.util.find_spec("openvino") is not None:
        made[0].problem(OPENVINO_FP32.replace("fp32", "bf16"))
    return made


_ENGINES = _ready()


def attempt(folder: Path, formats: Sequence[str]) -> None:
    """Open a bundle as a scorer does, once in each format, and let it score texts of several lengths.

    Raises:
        Exception: whatever goes wrong.
    """
    evaluator = parse_evaluator((folder / EVALUATOR_FILE).read_bytes())
    bundle = Bundle(folder, evaluator, folder / TOKENIZER_FILE, "")
    tokenizer = TokenizerFiles().load(bundle.tokenizer_file)
    tokenizer.encode([Rendered(text) for text in _PROBES], evaluator.max_tokens)
    known = known_text(tokenizer, evaluator.max_tokens)
    for format_ in formats:
        runtimes = Runtimes(_ENGINES, 1, _NoTunings(), asked=format_, tuning_s=0)
        opened = runtimes.load(bundle, known)
        version = LoadedVersion(MetricVersionName("quarantine", 1), bundle, tokenizer, opened)
        version.warm()
        version.close()
