"""`python -m gnomon_scorer`: serve until a signal."""

import sys

from gnomon_rpc.run import run
from gnomon_scorer.settings import ScorerSettings
from gnomon_scorer.wiring import build

if __name__ == "__main__":
    sys.exit(run("scorer", ScorerSettings, build))
