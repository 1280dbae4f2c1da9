"""Runs the registry until it is told to stop."""

import sys

from gnomon_registry.settings import RegistrySettings
from gnomon_registry.wiring import build
from gnomon_rpc.run import run

sys.exit(run("registry", RegistrySettings, build))
