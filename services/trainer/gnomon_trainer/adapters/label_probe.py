"""Asks the probe of labels, which runs in a process of its own."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gnomon.rendering import Rendered
from gnomon_trainer.adapters import probe_process
from gnomon_trainer.domain.label_checks import Opinion, Suspect

_PROBE = (sys.executable, "-m", "gnomon_trainer.adapters.label_probing")


class ProcessProbe:
    """A `LabelProbe`. One probe runs at a time: it takes the cores that trainings need.

    Where the base model is not at hand, the probe does without it, and finds a little less.
    """

    def __init__(self, model_dir: Path | None, command: Sequence[str] = _PROBE) -> None:
        self._model_dir = model_dir
        self._command = command
        self._turn = asyncio.Semaphore(1)

    async def suspects(self, texts: Sequence[Rendered], labels: Sequence[int]) -> Sequence[Suspect]:
        return [Suspect(**raw) for raw in await self._answer(texts, labels, of_every_row=False)]

    async def opinions(self, texts: Sequence[Rendered], labels: Sequence[int]) -> Sequence[Opinion]:
        return [Opinion(**raw) for raw in await self._answer(texts, labels, of_every_row=True)]

    async def _answer(
        self, texts: Sequence[Rendered], labels: Sequence[int], *, of_every_row: bool
    ) -> list[dict[str, Any]]:
        job = {
            "texts": [[t.text, t.pair] for t in texts],
            "labels": list(labels),
            "base_model": await asyncio.to_thread(probe_process.base_model_folder, self._model_dir),
            "of_every_row": of_every_row,
        }
        async with self._turn:
            found: list[dict[str, Any]] = await probe_process.ask(self._command, job, "labels")
        return found
