"""What an operator allows in bundles. Sizes are in bytes.

A policy is a TOML file of the keys below; what it does not name keeps its
default. `also_…` adds to a default instead of replacing it.

    formats = ["onnx-fp32", "onnx-fp16"]
    base_models = ["sentence-transformers/*"]
    also_operators = ["Einsum", "com.microsoft:Attention"]
    max_total_bytes = 1_000_000_000
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from gnomon.bundle import MAX_FILES, ONNX_FP16, ONNX_FP32, OPENVINO_BF16, OPENVINO_FP32, OPENVINO_INT8
from gnomon.bundle_checks import allowed

_MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be in a bundle. The defaults take what this release exports, and encoders like it."""

    formats: frozenset[str] = frozenset({ONNX_FP32, ONNX_FP16, OPENVINO_FP32, OPENVINO_BF16, OPENVINO_INT8})
    base_models: tuple[str, ...] = ("*",)  # patterns, as in a shell, of `lineage.base_model`
    operators: frozenset[str] = allowed.OPERATORS  # `Op` of ONNX itself, `domain:Op` of others
    layers: frozenset[str] = allowed.LAYERS  # the types of OpenVINO's layers
    patterns: frozenset[str] = allowed.PATTERNS  # regular expressions of tokenizers, as they stand there
    max_files: int = MAX_FILES
    max_total_bytes: int = 8 * 1024**3  # of all files together, and of what an archive unpacks to
    max_tensor_bytes: int = 4 * 1024**3
    max_ratio: int = 200  # unpacked bytes a byte of an archive
    max_json_bytes: int = 4 * _MIB
    max_text_bytes: int = 1 * _MIB
    max_tokenizer_bytes: int = 20 * _MIB
    max_tokens: int = 260_000  # of a tokenizer's vocabulary
    max_nodes: int = 20_000  # of a model's graph
    max_graph_bytes: int = 64 * _MIB  # of a model without its weights

    def allows_base_model(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.base_models)


_ADDING = {"also_operators": "operators", "also_layers": "layers", "also_patterns": "patterns"}


def read_policy(file: Path) -> Policy:
    """Read a policy.

    Raises:
        ValueError: the file is no TOML, or a key or value is not known; the message says which.
        OSError: it cannot be read.
    """
    try:
        return policy_from(tomllib.loads(file.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def policy_from(values: Mapping[str, Any]) -> Policy:
    """Return the default policy with these values in place of its own."""
    default = Policy()
    known = {field.name: getattr(default, field.name) for field in fields(Policy)}
    changes: dict[str, Any] = {}
    for key, value in values.items():
        name = _ADDING.get(key, key)
        if name not in known:
            raise ValueError(
                f"{key} is not a key of a bundle policy; known are {', '.join([*known, *_ADDING])}"
            )
        if isinstance(known[name], int):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{key} must be a whole number of at least 1")
            changes[name] = value
            continue
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise ValueError(f"{key} must be a list of texts")
        before = changes.get(name, known[name]) if key in _ADDING else ()
        changes[name] = type(known[name])((*before, *value))
    return replace(default, **changes)
