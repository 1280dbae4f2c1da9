"""Worker processes as children of the trainer: started, watched, started again."""

import asyncio
import contextlib
import secrets
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

log = structlog.get_logger(__name__)

_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 30.0
_LIVED_LONG_S = 60.0


class WorkerProcesses:
    """Keeps `count` workers running until `stop`. `environment` is all that they get.

    `on_death` hears the ID of a worker that has ended, so that its runs need
    not wait for their leases to expire, and whether `stop` ended it: that is
    no fault of its runs, even of one that had to be killed.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        count: int,
        on_death: Callable[[str, bool], Awaitable[None]],
        grace_s: float,
    ) -> None:
        self._command = command
        self._environment = environment
        self._count = count
        self._on_death = on_death
        self._grace_s = grace_s
        self._processes: dict[str, Process] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()

    @property
    def pids(self) -> dict[str, int]:
        """The process of each worker that runs."""
        return {worker: process.pid for worker, process in self._processes.items()}

    def start(self) -> None:
        self._keepers = [asyncio.create_task(self._keep()) for _ in range(self._count)]

    async def stop(self) -> None:
        """Let the workers write a checkpoint and end; kill those that do not."""
        self._stopping.set()
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        if self._keepers:
            await asyncio.wait(self._keepers, timeout=self._grace_s)
        for process in self._processes.values():
            log.warning("worker killed", pid=process.pid)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await asyncio.gather(*self._keepers)

    async def _keep(self) -> None:
        wait_s = _FIRST_WAIT_S
        while not self._stopping.is_set():
            started = time.monotonic()
            how = await self._run_one()
            if self._stopping.is_set():
                return
            lived_s = time.monotonic() - started
            wait_s = _FIRST_WAIT_S if lived_s > _LIVED_LONG_S else wait_s
            log.warning("worker ended", **how, lived_s=round(lived_s, 1), next_in_s=wait_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    async def _run_one(self) -> dict[str, object]:
        """Run a worker until it ends; return how it ended, for the log."""
        worker = f"w-{secrets.token_hex(6)}"
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, "--id", worker, env=self._environment, stdin=DEVNULL
            )
        except OSError as error:  # no memory, process or file is left: there may be later
            return {"not_started": str(error)}
        self._processes[worker] = process
        if self._stopping.is_set():  # told to stop while this one was being started
            process.terminate()
        try:
            status = await process.wait()
        finally:
            del self._processes[worker]
        try:
            await self._on_death(worker, self._stopping.is_set())
        except Exception:
            log.exception("the runs of a dead worker wait for their leases to expire")
        return {"status": status}
