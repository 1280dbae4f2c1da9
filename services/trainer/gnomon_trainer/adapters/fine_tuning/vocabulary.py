"""The part of a token embedding table that a training's rows use, in place of the whole.

Of a table's tens of thousands of rows a training set uses a few thousand. The
others get no gradient, yet the optimizer, the norm of the gradient and every
checkpoint would go through them: for MiniLM-L6 they are half of all weights.
"""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from gnomon.tokens import Tokens
from gnomon_trainer.adapters.fine_tuning.network import EvaluatorNetwork, padding_id


class _Whole:
    """Holds the whole table, outside of the module: no weight of it, and none that a copy of it copies."""

    def __init__(self, table: nn.Embedding) -> None:
        self.table = table

    def __deepcopy__(self, memo: object) -> "_Whole":
        return self


class UsedEmbedding(nn.Module):
    """Gives the vectors that `whole` would give, of the tokens in `used` alone."""

    def __init__(self, whole: nn.Embedding, used: Sequence[int]) -> None:
        super().__init__()
        self._whole = _Whole(whole)
        self._used = torch.tensor(used, device=whole.weight.device)
        self.weight = nn.Parameter(whole.weight.detach()[self._used])
        places = torch.full(
            (whole.num_embeddings,), -1, device=whole.weight.device
        )  # -1: an error to look up
        places[self._used] = torch.arange(len(used), device=whole.weight.device)
        self.register_buffer("_places", places, persistent=False)
        self._padding = None if whole.padding_idx is None else used.index(whole.padding_idx)

    def forward(self, ids: Tensor) -> Tensor:
        return embedding(cast(Tensor, self._places)[ids], self.weight, self._padding)

    @torch.no_grad()
    def whole(self) -> nn.Embedding:
        """Return the whole table with the vectors as they are now."""
        table = self._whole.table
        table.weight[self._used] = self.weight
        return table


def narrow(network: EvaluatorNetwork, rows: Iterable[Tokens]) -> None:
    """Let the network keep the vectors only of tokens that occur in `rows`, and of padding.

    Does nothing where the table is not trained, or is of a kind of its own.
    """
    encoder: Any = network.encoder
    table = encoder.get_input_embeddings()
    if type(table) is not nn.Embedding or not table.weight.requires_grad:
        return
    ids = {padding_id(network)} | {token for row in rows for token in row.ids}
    if table.padding_idx is not None:
        ids.add(table.padding_idx)
    encoder.set_input_embeddings(UsedEmbedding(table, sorted(ids)))


def widen(network: EvaluatorNetwork) -> None:
    """Give the network its whole table back, with what the used part has learned."""
    encoder: Any = network.encoder
    table = encoder.get_input_embeddings()
    if isinstance(table, UsedEmbedding):
        encoder.set_input_embeddings(table.whole())
