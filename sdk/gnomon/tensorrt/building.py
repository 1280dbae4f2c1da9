"""From a version's bundle to an engine in a cache: typed ONNX, build, gate; what fails has no place there."""

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gnomon._files import NewFolder
from gnomon.bundle import EVALUATOR_FILE, ONNX_FP16, ONNX_FP32, TOKENIZER_FILE, Evaluator, parse_evaluator
from gnomon.errors import GateFailedError, InvalidRequestError, Violation
from gnomon.instances import Instance
from gnomon.optional import required
from gnomon.rendering import render
from gnomon.tensorrt import gating
from gnomon.tensorrt.ports import Shapes, Toolkit
from gnomon.tokens import Tokens

FP16, FP32 = "fp16", "fp32"
_ENGINE, _ABOUT = "model.engine", "engine.json"


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine in the cache. `about`: the content of its `engine.json`, with what the gate measured."""

    file: Path
    about: dict[str, Any]
    is_new: bool


def build_engine(
    bundle: str | Path,
    cache: str | Path,
    *,
    precision: str = FP16,
    max_batch_size: int = 32,
    samples: Sequence[Instance] = (),
    toolkit: Toolkit | None = None,
) -> Engine:
    """Return the engine of a bundle for this machine's GPU, from the cache or newly built.

    The cache's key is the digest of the ONNX file, TensorRT's version, the
    GPU's architecture, the precision, and the largest batch. A new engine is
    held against the fp32 reference, which ONNX Runtime runs on the processor.

    Args:
        bundle: the folder of a version's bundle.
        cache: made if it is missing.
        precision: `fp16` or `fp32`; what the ONNX that TensorRT reads is typed in.
        samples: what the gate compares on; texts of the packaged examples if there are none.
        toolkit: TensorRT of this machine if it is not given.

    Raises:
        GateFailedError: the engine scores too differently; the figures are in the message. It is not kept.
        InvalidRequestError: TensorRT, a library or a GPU is missing, or an argument is out of its range.
        VersionUnloadableError: TensorRT cannot build it.
        BundleInvalidError: the bundle is broken.
        InstanceInvalidError: a sample is no instance of the metric's kind.
    """
    _check(precision, max_batch_size)
    bundle, cache = Path(bundle), Path(cache)
    evaluator = parse_evaluator((bundle / EVALUATOR_FILE).read_bytes())
    if toolkit is None:
        from gnomon.tensorrt.toolkit import TensorRt

        toolkit = TensorRt()
    about = _about(bundle, evaluator, toolkit, precision, max_batch_size)
    place = cache / _key(about)
    if found := _cached(place):
        return found
    folder = NewFolder(place)
    try:
        rows = _tokenized(bundle, evaluator, samples)
        with tempfile.TemporaryDirectory() as work:
            typed = _typed(bundle, evaluator, precision, Path(work))
            content = toolkit.build(typed, Shapes(max_batch_size, evaluator.max_tokens))
        (folder.path / _ENGINE).write_bytes(content)
        gate = _gated(bundle, evaluator, toolkit, folder.path / _ENGINE, rows=rows, about=about)
        about |= {"sha256": hashlib.sha256(content).hexdigest(), "gate": gate.as_dict()}
        (folder.path / _ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        folder.publish()
    finally:
        folder.discard()
    return Engine(place / _ENGINE, about, is_new=True)


def _check(precision: str, max_batch_size: int) -> None:
    problems = []
    if precision not in (FP16, FP32):
        problems.append(Violation("precision", f"must be {FP16} or {FP32}"))
    if not 1 <= max_batch_size <= 1024:
        problems.append(Violation("max_batch_size", "must be 1 to 1024"))
    if problems:
        raise InvalidRequestError(f"{problems[0].field} {problems[0].description}.", violations=problems)


def _source(evaluator: Evaluator, precision: str) -> tuple[str, bool]:
    """Return the bundle's file that the engine is made from, and whether it has the precision already."""
    paths = {entry.format: entry.path for entry in evaluator.formats}
    if precision == FP16 and ONNX_FP16 in paths:
        return paths[ONNX_FP16], True
    return paths[ONNX_FP32], precision == FP32


def _about(
    bundle: Path, evaluator: Evaluator, toolkit: Toolkit, precision: str, max_batch_size: int
) -> dict[str, Any]:
    path, _ = _source(evaluator, precision)
    digest = hashlib.sha256()
    for file in sorted((bundle / path).parent.glob(f"{Path(path).name}*")):  # weights may have their own
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return {
        "onnx_sha256": digest.hexdigest(),
        "tensorrt": toolkit.version,
        "architecture": toolkit.architecture,
        "precision": precision,
        "max_batch_size": max_batch_size,
        "max_tokens": evaluator.max_tokens,
    }


def _key(about: dict[str, Any]) -> str:
    return "-".join(
        [
            about["onnx_sha256"][:32],
            f"trt{about['tensorrt']}",
            about["architecture"],
            about["precision"],
            f"{about['max_batch_size']}x{about['max_tokens']}",
        ]
    )


def _cached(place: Path) -> Engine | None:
    """Return the engine that is there, if it is whole; remove one that is not."""
    try:
        about = json.loads((place / _ABOUT).read_text(encoding="utf-8"))
        with (place / _ENGINE).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == about["sha256"]:
                return Engine(place / _ENGINE, about, is_new=False)
    except (OSError, ValueError, KeyError):
        pass
    for name in (_ENGINE, _ABOUT):
        (place / name).unlink(missing_ok=True)
    return None


def _typed(bundle: Path, evaluator: Evaluator, precision: str, work: Path) -> Path:
    """Return an ONNX file in the engine's precision: TensorRT computes in the types that it finds."""
    path, is_typed = _source(evaluator, precision)
    if is_typed:
        return bundle / path
    install = "pip install onnx onnxruntime"
    for module in ("onnx", "onnxruntime"):
        required(module, "An engine in fp16", install)
    from gnomon.half_precision import write_fp16

    write_fp16(bundle / path, work / "model.onnx")
    return work / "model.onnx"


def _tokenized(bundle: Path, evaluator: Evaluator, samples: Sequence[Instance]) -> list[Tokens]:
    """Return the first window of each sample, as far as it holds anything to read."""
    tokenizing = required("gnomon.tokenizing", "The gate of an engine", "pip install tokenizers")
    tokenizer = tokenizing.JsonTokenizer.read((bundle / TOKENIZER_FILE).read_text(encoding="utf-8"))
    own = [render(instance, evaluator.template, evaluator.step) for instance in samples[: gating.MOST_ROWS]]
    texts = own or gating.packaged_samples(gating.MOST_ROWS)
    readings = tokenizer.encode_windows(texts, evaluator.max_tokens, evaluator.windows)
    return [reading.windows[0] for reading in readings if reading.token_count]


def _gated(
    bundle: Path,
    evaluator: Evaluator,
    toolkit: Toolkit,
    engine: Path,
    *,
    rows: Sequence[Tokens],
    about: dict[str, Any],
) -> gating.GateReport:
    """Return what the gate measured of an engine that passed it.

    Raises:
        GateFailedError: it did not.
    """
    reference = gating.reference_logits(bundle / _source(evaluator, FP32)[0], rows)
    runner = toolkit.open(engine)
    try:
        report = gating.check(
            evaluator, reference, runner, rows, about["max_batch_size"], exact=about["precision"] == FP32
        )
    finally:
        runner.close()
    if report.reason:
        figures = ", ".join(f"{key} {value:.2g}" for key, value in report.measures.items())
        raise GateFailedError(
            f"The engine does not score as the reference does, on {report.rows} samples: {report.reason}. "
            "It is not kept. Build one in fp32, or serve onnx-fp32.",
            figures=figures,
        )
    return report
