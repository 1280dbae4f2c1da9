"""Bundles are opened in a process of their own before this one opens them; what passed is remembered.

A bundle is known by its digest, so each is tried once a machine and release of
the runtimes, however often it is loaded.
"""

import asyncio
import contextlib
import hashlib
import json
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from gnomon.errors import VersionUnloadableError
from gnomon_rpc.children import bare_environment
from gnomon_scorer.adapters import cgroups
from gnomon_scorer.adapters.engines import Engine
from gnomon_scorer.domain.ports import Bundle

log = structlog.get_logger(__name__)

_METHOD = 1  # to be raised when what passed has to be tried again
_MEMORY_BYTES = 1024**3  # beside eight times the bundle: weights are read, packed and packed again
_TIMES = 8
_RESERVE_BYTES = 256 * 1024**2  # of what the container has left: calls go on beside a first load
_OF_ITS_OWN = {"MALLOC_ARENA_MAX": "2", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
_MOST_ANSWER = 64 * 1024


class ProcessQuarantine:
    """Implements `Quarantine` with a child process. `folder`: where digests that passed are noted.

    `asked`: the format that this scorer is told to use, or `auto`. `most_s`:
    how long a bundle may take, in processor time, and thrice that by the clock.
    """

    def __init__(self, folder: Path, engines: Sequence[Engine], asked: str, most_s: float) -> None:
        self._folder = folder
        self._engines: Mapping[str, Engine] = {f: engine for engine in engines for f in engine.formats}
        self._asked = asked
        self._most_s = most_s
        self._versions = ", ".join(engine.version for engine in engines)
        self._passed: set[str] = set()

    async def check(self, bundle: Bundle) -> None:
        formats = self._formats(bundle)
        key = hashlib.sha256(repr((_METHOD, bundle.digest, formats, self._versions)).encode()).hexdigest()
        if not formats or key in self._passed or await asyncio.to_thread((self._folder / key).exists):
            return
        if problem := await self._tried(bundle, formats):
            raise VersionUnloadableError(
                f"The bundle did not pass its first load, in a process of its own: {problem} "
                "Register a new version from a sound bundle.",
                rule="first-load",
            )
        self._passed.add(key)
        await asyncio.to_thread(self._note, key)

    def _formats(self, bundle: Bundle) -> list[str]:
        published = sorted({entry.format for entry in bundle.evaluator.formats} & self._engines.keys())
        wanted = published if self._asked == "auto" else [f for f in published if f == self._asked]
        return [format_ for format_ in wanted if self._engines[format_].problem(format_) is None]

    async def _tried(self, bundle: Bundle, formats: Sequence[str]) -> str | None:
        """Return why a bundle did not pass; None if it did."""
        memory = await asyncio.to_thread(_memory, bundle.folder)
        limits = [str(memory), str(max(1, round(self._most_s)))]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "gnomon_scorer.adapters.quarantine_child",
            str(bundle.folder.resolve()), ",".join(formats), *limits,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=bundle.folder,
            env=bare_environment(_OF_ITS_OWN),
            start_new_session=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            async with asyncio.timeout(3 * self._most_s):
                said = await process.stdout.read(_MOST_ANSWER)
                code = await process.wait()
        except TimeoutError:
            return f"it took more than {3 * self._most_s:.0f} s."
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        problem = _verdict(said, code, self._most_s)
        if problem and memory < await asyncio.to_thread(_wanted, bundle.folder):
            problem += (
                f" It had {memory // 1_000_000} MB of memory, what was left here; with more it may pass."
            )
        return problem

    def _note(self, key: str) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / key).touch()
        except OSError as error:
            log.warning("a bundle that passed cannot be noted", error=type(error).__name__)


def _verdict(said: bytes, code: int, most_s: float) -> str | None:
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return f"it took more than {most_s:.0f} s of processor time, or more memory than there is."
    if code < 0:
        return f"the runtime crashed on it, by {signal.Signals(-code).name}."
    try:
        answer = json.loads(said)
        error = answer["error"]
    except (ValueError, KeyError, TypeError):
        return f"its process ended with status {code} and no answer."
    log.info("a bundle was tried", import_s=answer.get("import_s"), bundle_s=answer.get("bundle_s"))
    return None if error is None else str(error)


def _memory(folder: Path) -> int:
    """Return what a first load may use: less than a container has left, as past its limit all of it ends."""
    wanted = _wanted(folder)
    free = cgroups.free_bytes()
    if free is None or free - _RESERVE_BYTES >= wanted:
        return wanted
    left = max(0, free - _RESERVE_BYTES)
    log.warning("a first load has less memory than it should", wanted_bytes=wanted, left_bytes=left)
    return left


def _wanted(folder: Path) -> int:
    return _MEMORY_BYTES + _TIMES * _size(folder)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
