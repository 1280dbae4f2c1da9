"""Model runtimes without a server: what the machine gives at most. Independent of the scorer's adapters."""

import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gnomon.bundle import ONNX_FP32, Format
from gnomon.tokens import Tokens

Batch = dict[str, Any]  # arrays of shape (instances, tokens)
Call = Callable[[Batch], Any]  # → logits of shape (instances, classes); from several threads at once

_PRECISIONS = {"openvino-fp32": "f32", "openvino-bf16": "bf16", "openvino-int8": "bf16"}


def opened(folder: Path, format_: Format, lanes: int, threads: int) -> Call:
    """Open a bundle's file for `lanes` calls at once of `threads` threads each."""
    path = folder / format_.path
    return _onnx(path, threads) if format_.format == ONNX_FP32 else _openvino(path, format_, lanes, threads)


def _onnx(path: Path, threads: int) -> Call:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]
    return lambda batch: session.run(None, {name: batch[name] for name in names})[0]


def _openvino(path: Path, format_: Format, lanes: int, threads: int) -> Call:
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # it would write and send
    import openvino

    # Its first look at an array locks up the process for ever if two threads take it at once (2026.4).
    openvino.Tensor(np.zeros(1, np.int64))
    core = openvino.Core()
    settings = {
        "INFERENCE_PRECISION_HINT": _PRECISIONS[format_.format],
        "NUM_STREAMS": lanes,
        "INFERENCE_NUM_THREADS": lanes * threads,
        "ENABLE_CPU_PINNING": False,
    }
    model = core.compile_model(core.read_model(path), "CPU", settings)
    names = [entry.get_any_name() for entry in model.inputs]
    own = threading.local()

    def call(batch: Batch) -> Any:
        if not hasattr(own, "request"):
            own.request = model.create_infer_request()
        own.request.infer({name: batch[name] for name in names}, share_inputs=True)
        return own.request.get_output_tensor(0).data.copy()

    return call


def padded(tokens: Sequence[Tokens], step: int) -> Batch:
    width = -(-max(len(t) for t in tokens) // step) * step
    batch = {
        name: np.zeros((len(tokens), width), np.int64)
        for name in ("input_ids", "attention_mask", "token_type_ids")
    }
    for row, read in enumerate(tokens):
        batch["input_ids"][row, : len(read)] = read.ids
        batch["attention_mask"][row, : len(read)] = 1
        batch["token_type_ids"][row, : len(read)] = read.type_ids
    return batch


def batches(lengths: Sequence[int], budget: int, most: int = 64) -> list[list[int]]:
    """Cut the instances, sorted by length, into batches of at most `budget` padded tokens; 0: one a batch."""
    groups: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        full = not groups or len(groups[-1]) >= most or lengths[index] * (len(groups[-1]) + 1) > budget
        if full:
            groups.append([])
        groups[-1].append(index)
    return groups
