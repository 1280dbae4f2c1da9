"""A real worker with a checkpoint every second: `python -m benchmarks.faults.real_worker`.

In earnest a checkpoint is written every 30 s and may take a twentieth of the time; a training that is over in
seconds would have none.
"""

import sys

from gnomon_trainer.adapters.fine_tuning import FineTuner, optimizing
from gnomon_trainer.worker import main

optimizing._CHECKPOINT_COST = 1

if __name__ == "__main__":
    sys.exit(main(lambda settings: FineTuner(settings.model_dir, checkpoint_interval_s=1.0)))
