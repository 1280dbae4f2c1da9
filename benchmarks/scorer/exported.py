"""The evaluator's weights as a Hugging Face folder, so that peers serve the same encoder.

Gnomon's network takes the mean of the token vectors; a BERT classifier takes the
first token's. So the folder holds the tuned encoder and embeddings as they are, a
pooler of ones on its diagonal, and the tuned head: the same computation but for one
vector, and other labels. Labels of peers are therefore not compared.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from safetensors.numpy import save_file

from gnomon.bundle import TOKENIZER_FILE, Evaluator

_ENCODER = "encoder."


def export(bundle: Path, evaluator: Evaluator, base_config: dict[str, Any], folder: Path) -> Path:
    """Write config, weights and tokenizer; return the folder. `base_config`: the base model's config.json."""
    weights = _weights(onnx.load(str(bundle / "model.onnx")))
    hidden = weights["head.weight"].shape[1]
    named = {f"bert.{name.removeprefix(_ENCODER)}": w for name, w in weights.items() if _is_encoder(name)}
    named |= {
        "bert.pooler.dense.weight": np.eye(hidden, dtype=np.float32),
        "bert.pooler.dense.bias": np.zeros(hidden, np.float32),
        "classifier.weight": weights["head.weight"],
        "classifier.bias": weights["head.bias"],
    }
    labels = dict(enumerate(evaluator.classes))
    config = base_config | {
        "architectures": ["BertForSequenceClassification"],
        "id2label": {str(number): label for number, label in labels.items()},
        "label2id": {label: number for number, label in labels.items()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    contiguous = {name: np.ascontiguousarray(w, np.float32) for name, w in named.items()}
    save_file(contiguous, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    tokenizer = {"tokenizer_class": "BertTokenizerFast", "model_max_length": evaluator.max_tokens}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer, indent=2))
    shutil.copy(bundle / TOKENIZER_FILE, folder / "tokenizer.json")
    return folder


def _is_encoder(name: str) -> bool:
    return name.startswith(_ENCODER) and not name.endswith("position_ids")


def _weights(model: Any) -> dict[str, np.ndarray]:
    """Return all parameters by name. A linear layer's weight has lost its name: its bias leads to it."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    made_by = {output: node for node in model.graph.node for output in node.output}
    named = {name: w for name, w in constants.items() if name.startswith((_ENCODER, "head."))}
    for node in model.graph.node:
        bias = next((name for name in node.input if name.endswith(".bias") and name in named), None)
        weight = bias and bias.removesuffix("bias") + "weight"
        if node.op_type != "Add" or weight is None or weight in named:
            continue
        product = next(made_by[name] for name in node.input if name in made_by)
        matrix = next(name for name in product.input if name in constants)
        named[weight] = constants[matrix].T
    return named
