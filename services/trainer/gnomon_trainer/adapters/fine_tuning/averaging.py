"""Weights averaged over the steps: less of the last batches' chance.

An exponential moving average (Polyak and Juditsky, 1992; as in
`torch.optim.swa_utils`), held in a network beside the one that learns.
"""

from collections.abc import Mapping
from typing import cast

from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gnomon_trainer.adapters.fine_tuning.network import EvaluatorNetwork


class Averaging:
    """`network` has the averaged weights: `decay` of them stays at every step, the rest is the newest."""

    def __init__(self, learning: EvaluatorNetwork, decay: float) -> None:
        self._learning = learning
        self._average = AveragedModel(learning, multi_avg_fn=get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call]

    @property
    def network(self) -> EvaluatorNetwork:
        return cast(EvaluatorNetwork, self._average.module)

    def after_step(self) -> None:
        self._average.update_parameters(self._learning)

    def begin(self) -> None:
        """Take the weights that are learned from here on as the first average."""
        self._average.n_averaged.zero_()
        self._average.update_parameters(self._learning)

    def restore(self, learned: Mapping[str, Tensor]) -> None:
        """Go on with the average that a checkpoint holds."""
        self.begin()
        self.network.restore(learned)
