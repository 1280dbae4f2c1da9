"""Asks the probe of drift, which runs in a process of its own."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from gnomon_trainer.adapters import probe_process
from gnomon_trainer.domain.diversity import Drift

_PROBE = (sys.executable, "-m", "gnomon_trainer.adapters.drift_probing")


class ProcessDriftProbe:
    """A `DriftProbe`. One runs at a time; where the base model is not at hand, it does without vectors."""

    def __init__(self, model_dir: Path | None, command: Sequence[str] = _PROBE) -> None:
        self._model_dir = model_dir
        self._command = command
        self._turn = asyncio.Semaphore(1)

    async def drift(self, generated: Sequence[str], seeds: Sequence[str]) -> Drift:
        folder = await asyncio.to_thread(probe_process.base_model_folder, self._model_dir)
        job = {"generated": list(generated), "seeds": list(seeds), "base_model": folder}
        async with self._turn:
            return Drift(**await probe_process.ask(self._command, job, "drift"))
