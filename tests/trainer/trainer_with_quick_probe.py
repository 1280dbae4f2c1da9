"""A real trainer process whose probe of drift answers at once."""

import sys
from collections.abc import Sequence
from pathlib import Path

from gnomon_rpc.run import run
from gnomon_trainer import judging_wiring
from gnomon_trainer.domain.diversity import Drift
from gnomon_trainer.settings import TrainerSettings
from gnomon_trainer.wiring import build


class QuickProbe:
    """A `DriftProbe` that says how many texts it was asked about; the real one takes seconds to start."""

    def __init__(self, model_dir: Path | None) -> None:
        pass

    async def drift(self, generated: Sequence[str], seeds: Sequence[str]) -> Drift:
        return Drift(auroc=0.75, spread=len(generated) / 100, spread_of_seeds=len(seeds) / 100)


if __name__ == "__main__":
    judging_wiring.ProcessDriftProbe = QuickProbe  # type: ignore[assignment,misc]
    sys.exit(run("trainer", TrainerSettings, build))
