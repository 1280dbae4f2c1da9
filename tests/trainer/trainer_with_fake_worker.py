"""A real trainer process whose workers run the fake trainer."""

import sys

from gnomon_rpc.run import run
from gnomon_trainer.settings import TrainerSettings
from gnomon_trainer.wiring import build
from tests.trainer.running import WORKER

if __name__ == "__main__":
    sys.exit(run("trainer", TrainerSettings, lambda settings: build(settings, WORKER)))
