"""The smallest model and tokenizer that a registry accepts: nothing is learned in them."""

import json

import numpy as np
from onnx import TensorProto, helper, numpy_helper

TOKENIZER = json.dumps(
    {"version": "1.0", "model": {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"}}
)


def model(salt: str) -> bytes:
    """Return an ONNX model of two classes; each salt makes another one."""
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["ids"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["ids"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("MatMul", ["mean", "weight"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "smallest",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(np.ones((1, 2), np.float32), "weight")],
    )
    made = helper.make_model(
        graph, producer_name=salt, opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    )
    content: bytes = made.SerializeToString()
    return content
