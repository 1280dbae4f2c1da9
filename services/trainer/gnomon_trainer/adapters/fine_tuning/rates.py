"""Which weights learn how fast."""

import re
from typing import Any

from torch import nn

from gnomon_trainer.adapters.fine_tuning.network import EvaluatorNetwork
from gnomon_trainer.domain.training import Parameters

_LAYER = re.compile(r"(?:^|\.)(?:layer|layers|h|block|blocks)\.(\d+)\.")


def parameter_groups(network: EvaluatorNetwork, parameters: Parameters) -> list[dict[str, Any]]:
    """Return the optimizer's groups: the head has a rate of its own, biases and norms are not decayed.

    With a `layer_decay` below 1, the rate of a layer of the base model is that
    share of the rate of the layer above it (Howard and Ruder, 2018, section
    3.2); what lies below all layers, the embeddings, is a layer more. What is
    in no layer and above them learns at the full rate.
    """
    groups = []
    if parameters.layer_decay == 1:
        parts = [(list(network.encoder.parameters()), parameters.learning_rate)]
    else:
        parts = [
            (weights, parameters.learning_rate * parameters.layer_decay**below)
            for below, weights in sorted(_by_depth(network.encoder).items())
        ]
    parts.append((list(network.head.parameters()), parameters.head_learning_rate))
    for weights, peak in parts:
        for decayed in (True, False):
            chosen = [weight for weight in weights if (weight.ndim >= 2) == decayed]
            decay = parameters.weight_decay if decayed else 0.0
            groups.append({"params": chosen, "lr": peak, "peak": peak, "weight_decay": decay})
    return groups


def share_of_peak(step: int, total: int, warmup_share: float) -> float:
    """Return the share of the peak learning rate: a linear rise, then a linear fall that ends above 0."""
    warmup = round(total * warmup_share)
    if step <= warmup:
        return step / warmup
    return (total - step + 1) / (total - warmup + 1)


def _by_depth(encoder: nn.Module) -> dict[int, list[nn.Parameter]]:
    """Return the weights by how many layers lie above them."""
    named = list(encoder.named_parameters())
    numbers = {name: int(found[1]) for name, _ in named if (found := _LAYER.search(name))}
    top = max(numbers.values(), default=-1)
    first = next((place for place, (name, _) in enumerate(named) if name in numbers), len(named))
    depths: dict[int, list[nn.Parameter]] = {}
    for place, (name, weight) in enumerate(named):
        number = numbers.get(name, -1 if place < first else top)
        depths.setdefault(top - number, []).append(weight)
    return depths
