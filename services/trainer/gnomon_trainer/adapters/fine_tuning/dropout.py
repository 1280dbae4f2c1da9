"""Dropout that draws a byte a number, where torch draws a whole random number for each, on one thread."""

import torch
from torch import Tensor, nn

_LEVELS = 256


class ByteDropout(nn.Dropout):
    """Drops a share `p`, rounded to 256ths, and scales up the rest by exactly what was dropped.

    On a CPU with MiniLM-L6 in bf16, torch's own took an eighth of a training step.
    Elsewhere it is torch's own.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  torch's own name
        dropped = round(self.p * _LEVELS)
        if not self.training or input.device.type != "cpu" or not 0 < dropped < _LEVELS:
            return super().forward(input)
        count = input.numel()
        words = torch.empty((count + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
        kept = words.view(torch.uint8)[:count].view(input.shape) >= dropped
        return input * (kept.to(input.dtype) * (_LEVELS / (_LEVELS - dropped)))


def quicken(module: nn.Module) -> None:
    """Put `ByteDropout` in the place of every dropout within a module that drops anything."""
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Dropout and child.p > 0:
                setattr(parent, name, ByteDropout(child.p).train(child.training))
