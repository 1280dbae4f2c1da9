"""A real worker with a checkpoint every second: `python -m benchmarks.faults.real_worker`.

In earnest a checkpoint is written every 30 s and may take a twentieth of the time; a training that is over in
seconds would have none.
"""

import sys

from gnomon_trainer.domain.training import Trainer
from gnomon_trainer.settings import TrainerSettings
from gnomon_trainer.worker import main


def fine_tuner(settings: TrainerSettings) -> Trainer:
    """Return the real trainer. An idle worker does without what takes seconds to import."""
    from gnomon_trainer.adapters.fine_tuning import FineTuner, optimizing

    optimizing._CHECKPOINT_COST = 1
    return FineTuner(settings.model_dir, checkpoint_interval_s=1.0)


if __name__ == "__main__":
    sys.exit(main(fine_tuner))
