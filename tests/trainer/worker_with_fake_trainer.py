"""A real worker process around the fake trainer: `python -m tests.trainer.worker_with_fake_trainer`."""

import sys

from gnomon_trainer.worker import main
from tests.trainer.fake_trainer import make

if __name__ == "__main__":
    sys.exit(main(make))
