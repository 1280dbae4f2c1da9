"""Runs the trainer: `python -m gnomon_trainer`."""

import sys

from gnomon_rpc.run import run
from gnomon_trainer.settings import TrainerSettings
from gnomon_trainer.wiring import build

if __name__ == "__main__":
    sys.exit(run("trainer", TrainerSettings, build))
