"""Tiny real evaluator bundles: an embedding, a masked mean, a linear layer.

The words below are the vocabulary. `nanword` makes the score of its own
instance NaN; `crash` has an ID that the embedding lacks, so the whole batch
fails in ONNX Runtime.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from gnomon.bundle import AbstainBand, BundleFile, Calibration, Evaluator, Format, Threshold, Windows, digest
from gnomon.instances import InputShape, OutputType, Step
from gnomon.rendering import template_for

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
WORDS = ("good", "bad", "fine", "awful", "the", "a", "movie", "is", "very", "nanword")
VOCABULARY = (*SPECIALS, *WORDS, "crash")  # the last one is out of the embedding's range


@dataclass(frozen=True)
class MadeBundle:
    """A bundle as a folder's content."""

    evaluator: Evaluator
    contents: dict[str, bytes]

    @property
    def files(self) -> tuple[BundleFile, ...]:
        return tuple(
            BundleFile(path, hashlib.sha256(content).hexdigest(), len(content))
            for path, content in sorted(self.contents.items())
        )

    def replacing(self, path: str, content: bytes) -> "MadeBundle":
        return MadeBundle(self.evaluator, self.contents | {path: content})

    def publishing(self, *formats: Format) -> "MadeBundle":
        evaluator = replace(self.evaluator, formats=formats)
        return MadeBundle(evaluator, self.contents | {"evaluator.json": evaluator.to_json().encode()})

    @property
    def digest(self) -> str:
        return digest(self.files)

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True)
        for path, content in self.contents.items():
            (folder / path).write_bytes(content)
        return folder


def tokenizer_json() -> bytes:
    template = {
        "type": "TemplateProcessing",
        "single": [_special("[CLS]", 0), _text("A", 0), _special("[SEP]", 0)],
        "pair": [
            _special("[CLS]", 0),
            _text("A", 0),
            _special("[SEP]", 0),
            _text("B", 1),
            _special("[SEP]", 1),
        ],
        "special_tokens": {
            token: {"id": token, "ids": [VOCABULARY.index(token)], "tokens": [token]}
            for token in ("[CLS]", "[SEP]")
        },
    }
    return json.dumps(
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [],
            "normalizer": {
                "type": "BertNormalizer",
                "clean_text": True,
                "handle_chinese_chars": True,
                "strip_accents": None,
                "lowercase": True,
            },
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": template,
            "decoder": None,
            "model": {
                "type": "WordLevel",
                "vocab": {word: index for index, word in enumerate(VOCABULARY)},
                "unk_token": "[UNK]",
            },
        }
    ).encode()


def _special(token: str, type_id: int) -> dict[str, Any]:
    return {"SpecialToken": {"id": token, "type_id": type_id}}


def _text(name: str, type_id: int) -> dict[str, Any]:
    return {"Sequence": {"id": name, "type_id": type_id}}


def onnx_model(
    *,
    classes: int = 2,
    seed: int = 0,
    inputs: tuple[str, ...] = (),
    fixed_batch: int | None = None,
    all_nan: bool = False,
) -> bytes:
    """Return a model whose logits are linear in the mean embedding of an instance's tokens."""
    random = np.random.default_rng(seed)
    table = random.normal(size=(len(VOCABULARY) - 1, 8)).astype(np.float32)
    table[slice(None) if all_nan else VOCABULARY.index("nanword")] = np.nan
    weight = random.normal(size=(8, classes)).astype(np.float32)
    constants = {"table": table, "weight": weight, "axis1": np.array([1]), "axis2": np.array([2])}
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["embedded"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "axis2"], ["mask3"]),
        helper.make_node("Cast", ["mask3"], ["keep"], to=TensorProto.BOOL),
        helper.make_node("Where", ["keep", "embedded", "zero"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "axis1"], ["total"], keepdims=0),
        helper.make_node("ReduceSum", ["mask", "axis1"], ["count"], keepdims=1),
        helper.make_node("Div", ["total", "count"], ["mean"]),
        helper.make_node("MatMul", ["mean", "weight"], ["logits"]),
    ]
    constants["zero"] = np.zeros((), np.float32)
    shape = [fixed_batch or "batch", "length"]
    names = inputs or ("input_ids", "attention_mask", "token_type_ids")
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in names],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [fixed_batch or "batch", classes])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def with_data_beside(model: bytes, name: str) -> tuple[bytes, bytes]:
    """Return a model whose largest tensor is in a file of this name, and that file's content."""
    proto = onnx.load_from_string(model)
    tensor = max(proto.graph.initializer, key=lambda one: len(one.raw_data))
    data = tensor.raw_data
    onnx.external_data_helper.set_external_data(tensor, name, offset=0, length=len(data))
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    return proto.SerializeToString(), data


def make_bundle(
    *,
    metric: str = "toxicity",
    classes: tuple[str, ...] = ("false", "true"),
    input_shape: InputShape = InputShape.OUTPUT,
    step: Step = Step.LLM_SPAN,
    max_tokens: int = 32,
    threshold: float = 0.5,
    seed: int = 0,
    model: bytes | None = None,
    tokenizer: bytes | None = None,
    windows: Windows | None = None,
    calibration: Calibration = Calibration(temperature=1.5),  # noqa: B008  frozen
    abstain_band: AbstainBand | None = None,
) -> MadeBundle:
    """Return a sound bundle; `model` and `tokenizer` replace what it would hold."""
    evaluator = Evaluator(
        metric=f"metrics/{metric}",
        output_type=OutputType.BOOLEAN if classes == ("false", "true") else OutputType.CATEGORICAL,
        step=step,
        input_shape=input_shape,
        classes=classes,
        flagged_classes=classes[1:2],
        template=template_for(input_shape),
        max_tokens=max_tokens,
        calibration=calibration,
        threshold=Threshold(threshold),
        formats=(Format("onnx-fp32", "model.onnx"),),
        windows=windows,
        abstain_band=abstain_band,
    )
    contents = {
        "evaluator.json": evaluator.to_json().encode(),
        "tokenizer.json": tokenizer or tokenizer_json(),
        "model.onnx": model if model is not None else onnx_model(classes=len(classes), seed=seed),
    }
    return MadeBundle(evaluator, contents)
