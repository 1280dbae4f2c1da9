"""Low-rank adapters: the weights of a base model stay as they are, and small matrices beside them learn.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022; by
peft. A layer of weights W computes (W + 2 · B · A) x, where A has `rank` rows
and B `rank` columns. B starts at zero, so that what is first measured is the
base model.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn


def adapt(model: nn.Module, rank: int) -> None:
    """Freeze a model and put an adapter beside each of its linear layers, the same one every time."""
    from peft import LoraConfig, inject_adapter_in_model  # slow to import, and most trainings do without

    config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules="all-linear")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        inject_adapter_in_model(config, model)
    for layer in _adapted(model):
        layer.cast_input_dtype_enabled = False  # autocast sees to it


@contextlib.contextmanager
def merged(model: nn.Module) -> Iterator[None]:
    """Add the adapters to the weights beside them, so that all layers are plain ones; then take them out."""
    layers = _adapted(model)
    for layer in layers:
        layer.merge()
    try:
        yield
    finally:
        for layer in layers:
            layer.unmerge()


def _adapted(model: nn.Module) -> list[Any]:
    return [module for module in model.modules() if hasattr(module, "lora_A")]
