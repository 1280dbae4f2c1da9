"""From an fp32 ONNX model to one in fp16.

Needs the libraries `onnx` and `onnxruntime`, whose converter does the work;
nothing imports this before it is asked for.
"""

import logging
import warnings
from pathlib import Path


def write_fp16(source: Path, target: Path) -> None:
    """Write a model whose weights and computations are fp16, and whose inputs and outputs stay as they are.

    The file is half as large. What is larger than fp16 holds, such as the
    masks of attention, becomes the largest that it does; the gate says what
    that changes. The same model gives the same bytes.

    Raises:
        ImportError: a library is missing.
        OSError: the disk is full or away.
        Exception: the converter cannot do it, as with a model beyond 2 GiB.
    """
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    log = logging.getLogger("onnxruntime.transformers.float16")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of every constant that fp16 holds inexactly
            model = convert_float_to_float16(onnx.load(source), keep_io_types=True)
    finally:
        log.setLevel(level)
    model.graph.ClearField("value_info")  # shapes that the converter inferred; no runtime needs them
    onnx.save(model, target)
