"""A real worker process whose trainings are short: `python -m benchmarks.faults.short_worker`.

`SHORT_TRAINING_STEPS` steps are taken, each `SHORT_TRAINING_S` long and with a checkpoint behind it. The
weights are made of all steps, so that one that was left out or taken twice makes others.
`SHORT_TRAINING_LOG` is a file that gets a line for every lease: the process, the run, the fence.
"""

import sys

from benchmarks.faults.short_training import ShortTrainer

from gnomon_trainer.worker import main

if __name__ == "__main__":
    sys.exit(main(lambda _settings: ShortTrainer()))
