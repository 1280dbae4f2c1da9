"""Mean-pooled, L2-normalised embeddings of the untouched base model + logistic regression."""

from collections.abc import Sequence

import numpy as np
import torch
from benchmarks.quality import clocks
from benchmarks.quality.methods.regression import chosen
from benchmarks.quality.task import Answer, Task, base_model, tokens
from numpy.typing import NDArray
from transformers import AutoModel

from gnomon.tokens import Tokens

_STRENGTHS = (0.1, 1.0, 10.0, 100.0)
_TOGETHER = 32


def answer(task: Task) -> Answer:
    began = clocks.now()
    encoder = AutoModel.from_pretrained(base_model()).eval()
    model = chosen(_embedded(encoder, tokens(task.training)), task, _STRENGTHS)
    fitted = clocks.now()
    found = model.predict_proba(_embedded(encoder, tokens(task.test)))
    return Answer(found, fitted - began, notes={"C": model.C, "class_weight": model.class_weight})


@torch.inference_mode()
def _embedded(encoder: torch.nn.Module, rows: Sequence[Tokens]) -> NDArray[np.float32]:
    vectors = np.empty((len(rows), encoder.config.hidden_size), dtype=np.float32)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    for start in range(0, len(order), _TOGETHER):
        indices = order[start : start + _TOGETHER]
        inputs = _padded([rows[i] for i in indices])
        states = encoder(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(-1)
        mean = (states * mask).sum(1) / mask.sum(1)
        vectors[indices] = torch.nn.functional.normalize(mean).numpy()
    return vectors


def _padded(rows: Sequence[Tokens]) -> dict[str, torch.Tensor]:
    longest = max(map(len, rows))
    parts = {
        "input_ids": [list(row.ids) for row in rows],
        "attention_mask": [[1] * len(row) for row in rows],
        "token_type_ids": [list(row.type_ids) for row in rows],
    }
    return {
        name: torch.tensor([values + [0] * (longest - len(values)) for values in part])
        for name, part in parts.items()
    }
