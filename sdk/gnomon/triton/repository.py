"""From an evaluator's bundle to a model repository that a Triton server serves as it is.

toxicity/config.pbtxt         what it reads and gives, batching, instances, warm-up
toxicity/1/model.onnx         the bundle's own file
toxicity/labels.txt           the classes in the order of the logits
toxicity/warmup/…             sample inputs, run before the model counts as ready
toxicity/evaluator.json, tokenizer.json    what a client needs; Triton does not look at them
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gnomon._files import NewFolder
from gnomon.bundle import EVALUATOR_FILE, ONNX_FP32, TOKENIZER_FILE, Evaluator, Format, parse_evaluator
from gnomon.errors import BundleInvalidError, InvalidRequestError, Violation
from gnomon.triton.libraries import library
from gnomon.triton.signature import Signature, signature_of
from gnomon.triton.warmup import Sample, samples

LABELS_FILE = "labels.txt"
MODEL_FILE = "model.onnx"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SMALLEST_PREFERRED = 4
_DEVICES = ("cpu", "gpu")


@dataclass(frozen=True, slots=True)
class Serving:
    """How Triton runs the model: on `cpu` or `gpu`, so many instances of it (on each GPU), and its batches.

    Requests are batched as they wait, with no delay: the largest batch is
    `max_batch_size`, and powers of two below it are preferred.
    """

    device: str = "cpu"
    instances: int = 1
    max_batch_size: int = 32


def write_repository(
    bundle: str | Path,
    repository: str | Path,
    *,
    name: str | None = None,
    format: str = ONNX_FP32,  # noqa: A002  the design's word
    serving: Serving | None = None,
) -> Path:
    """Add an evaluator to a model repository: the whole folder of its model, or nothing.

    Args:
        bundle: the folder of a version's bundle.
        repository: may hold other models already; made if it is missing.
        name: what Triton calls the model; the metric's ID if it is not given.
        format: one that ONNX Runtime reads.

    Returns:
        The folder of the model, `repository/name`.

    Raises:
        InvalidRequestError: an argument is out of its range, the bundle lacks
            the format, or `gnomon[triton]` is not installed.
        BundleInvalidError: the bundle is broken.
        FileExistsError: the repository holds a model of that name.
    """
    bundle, serving = Path(bundle), serving or Serving()
    evaluator = parse_evaluator((bundle / EVALUATOR_FILE).read_bytes())
    name = name or evaluator.metric.rpartition("/")[2]
    _check(name, serving)
    chosen = _chosen(evaluator, format)
    signature = signature_of(bundle / chosen.path, len(evaluator.classes))
    tokenizer = (bundle / TOKENIZER_FILE).read_text(encoding="utf-8")
    warm = samples(tokenizer, signature, evaluator.max_tokens, serving.max_batch_size)
    folder = NewFolder(Path(repository) / name)
    try:
        _copy(bundle, chosen.path, folder.path)
        (folder.path / LABELS_FILE).write_text(
            "".join(" ".join(label.split()) + "\n" for label in evaluator.classes), encoding="utf-8"
        )
        _write_samples(warm, folder.path / "warmup")
        config = _config(name, evaluator, signature, warm, serving)
        (folder.path / "config.pbtxt").write_text(config, encoding="utf-8")
        folder.publish()
    finally:
        folder.discard()
    return Path(repository) / name


def _check(name: str, serving: Serving) -> None:
    problems = []
    if not _NAME.fullmatch(name):
        problems.append(Violation("name", "must be letters, digits, '.', '_' and '-'"))
    if serving.device not in _DEVICES:
        problems.append(Violation("device", f"must be {' or '.join(_DEVICES)}"))
    if not 1 <= serving.instances <= 64:
        problems.append(Violation("instances", "must be 1 to 64"))
    if not 1 <= serving.max_batch_size <= 1024:
        problems.append(Violation("max_batch_size", "must be 1 to 1024"))
    if problems:
        raise InvalidRequestError(f"{problems[0].field} {problems[0].description}.", violations=problems)


def _chosen(evaluator: Evaluator, wanted: str) -> Format:
    """Return the format if the bundle has it and Triton's ONNX Runtime reads it."""
    readable = {entry.format: entry for entry in evaluator.formats if entry.format.startswith("onnx-")}
    if wanted not in readable:
        raise InvalidRequestError(
            f"The version has no {wanted} that Triton's ONNX Runtime reads; it has {', '.join(readable)}.",
            violations=[Violation("format", f"must be one of {', '.join(readable)}")],
        )
    return readable[wanted]


def _copy(bundle: Path, model: str, folder: Path) -> None:
    """Copy the model as `model.onnx`, and beside it, under their own names, the files of its weights."""
    version = folder / "1"
    version.mkdir()
    main = bundle / model
    shutil.copyfile(main, version / MODEL_FILE)
    for weights in main.parent.glob(f"{main.name}.*"):
        shutil.copyfile(weights, version / weights.name)
    for file in (EVALUATOR_FILE, TOKENIZER_FILE):
        shutil.copyfile(bundle / file, folder / file)


def _write_samples(warm: tuple[Sample, ...], folder: Path) -> None:
    folder.mkdir()
    for sample in warm:
        for name, content in sample.contents.items():
            (folder / sample.file(name)).write_bytes(content)


def _config(
    name: str, evaluator: Evaluator, signature: Signature, warm: tuple[Sample, ...], serving: Serving
) -> str:
    """Return `config.pbtxt`: an `inference.ModelConfig` as text."""
    pb = library("tritonclient.grpc.model_config_pb2")
    utils = library("tritonclient.utils")
    kind = pb.ModelInstanceGroup.KIND_GPU if serving.device == "gpu" else pb.ModelInstanceGroup.KIND_CPU
    config = pb.ModelConfig(
        name=name,
        backend="onnxruntime",
        default_model_filename=MODEL_FILE,
        max_batch_size=serving.max_batch_size,
        input=[
            pb.ModelInput(name=tensor.name, data_type=_type(pb, utils, tensor.dtype), dims=[-1])
            for tensor in signature.inputs
        ],
        output=[
            pb.ModelOutput(
                name=signature.logits.name,
                data_type=_type(pb, utils, signature.logits.dtype),
                dims=[len(evaluator.classes)],
                label_filename=LABELS_FILE,
            )
        ],
        instance_group=[pb.ModelInstanceGroup(count=serving.instances, kind=kind)],
        dynamic_batching=pb.ModelDynamicBatching(preferred_batch_size=_preferred(serving.max_batch_size)),
        model_warmup=[_warm_up(pb, utils, signature, sample) for sample in warm],
    )
    text: str = library("google.protobuf.text_format").MessageToString(config)
    return text


def _preferred(most: int) -> list[int]:
    """Return the powers of two from 4 on, below the largest batch, and that one."""
    sizes = [2**power for power in range(2, most.bit_length()) if _SMALLEST_PREFERRED <= 2**power < most]
    return [*sizes, most]


def _warm_up(pb: Any, utils: Any, signature: Signature, sample: Sample) -> Any:
    return pb.ModelWarmup(
        name=sample.name,
        batch_size=sample.batch_size,
        inputs={
            tensor.name: pb.ModelWarmup.Input(
                data_type=_type(pb, utils, tensor.dtype),
                dims=[sample.tokens],
                input_data_file=sample.file(tensor.name),
            )
            for tensor in signature.inputs
        },
    )


def _type(pb: Any, utils: Any, dtype: str) -> int:
    """Return Triton's number of a type that NumPy names so."""
    name = utils.np_to_triton_dtype(library("numpy").dtype(dtype))
    if name is None:
        raise BundleInvalidError(f"The model gives {dtype}, which Triton has no type for.")
    number: int = pb.DataType.Value(f"TYPE_{name}")
    return number
