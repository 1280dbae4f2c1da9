"""Children that will not end, and what is said of them."""

import asyncio
import errno
import sys
from asyncio.subprocess import Process
from pathlib import Path
from typing import Any

import pytest

from gnomon_trainer.adapters import worker_processes
from gnomon_trainer.adapters.worker_processes import WorkerProcesses

DEAF = (
    "import pathlib, signal, sys, time;"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "pathlib.Path(sys.argv[1]).touch();"
    "time.sleep(600)"
)


def workers(folder: Path, program: str, ends: list[tuple[str, bool]]) -> WorkerProcesses:
    async def on_death(worker: str, stopped: bool) -> None:
        ends.append((worker, stopped))

    command = (sys.executable, "-c", program, str(folder / "ready"))
    return WorkerProcesses(command, {}, count=1, on_death=on_death, grace_s=0.2)


async def test_a_worker_that_had_to_be_killed_at_the_stop_did_not_crash(tmp_path: Path) -> None:
    ends: list[tuple[str, bool]] = []
    processes = workers(tmp_path, DEAF, ends)
    processes.start()
    async with asyncio.timeout(20):
        while not (tmp_path / "ready").exists():
            await asyncio.sleep(0.02)
    (worker,) = processes.pids

    await processes.stop()

    assert ends == [(worker, True)]


async def test_a_worker_that_ends_by_itself_crashed(tmp_path: Path) -> None:
    ends: list[tuple[str, bool]] = []
    processes = workers(tmp_path, "raise SystemExit(9)", ends)
    processes.start()
    async with asyncio.timeout(20):
        while not ends:
            await asyncio.sleep(0.02)
    await processes.stop()

    assert ends[0][1] is False


async def test_a_worker_that_could_not_be_started_is_started_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = [OSError(errno.EAGAIN, "no process"), OSError(errno.ENOMEM, "no memory")]
    start = asyncio.create_subprocess_exec

    async def scarce(*command: str, **how: Any) -> Process:
        if refusals:
            raise refusals.pop()
        return await start(*command, **how)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", scarce)
    monkeypatch.setattr(worker_processes, "_FIRST_WAIT_S", 0.01)
    processes = workers(tmp_path, DEAF, [])
    processes.start()
    async with asyncio.timeout(20):
        while not processes.pids:
            await asyncio.sleep(0.02)

    await processes.stop()

    assert not refusals


async def test_the_stop_goes_on_where_no_worker_could_ever_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = asyncio.Event()

    async def none_left(*_: str, **__: Any) -> Process:
        tried.set()
        raise OSError(errno.EMFILE, "no file")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", none_left)
    processes = workers(tmp_path, DEAF, [])
    processes.start()
    async with asyncio.timeout(20):
        await tried.wait()

    await processes.stop()

    assert not processes.pids
