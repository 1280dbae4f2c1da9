"""Whether a service can do its job: asked again and again, told to health checks and to the log."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[object]]
"""Raises what keeps the service from its job."""


class Readiness:
    """Runs checks beside each other, every `every_s` seconds, until it is stopped.

    `tell` is called with whether all pass, first when all have been made once
    and then whenever that changes. A check that takes longer than `patience_s`
    has failed. The log has a line for each check that begins to fail, and for
    each that passes again: the kind of the error, as its words may quote a user.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        tell: Callable[[bool], Awaitable[None]],
        every_s: float,
        patience_s: float = 5.0,
    ) -> None:
        self._checks = checks
        self._tell = tell
        self._every_s = every_s
        self._patience_s = patience_s
        self._failing: dict[str, str] = {}
        self._told: bool | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="readiness")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> None:
        """Make all checks once."""
        found = await asyncio.gather(*(self._problem(check) for check in self._checks.values()))
        failing = {name: problem for name, problem in zip(self._checks, found, strict=True) if problem}
        for name in failing.keys() - self._failing.keys():
            log.error("cannot do its job", check=name, error=failing[name])
        for name in self._failing.keys() - failing.keys():
            log.info("can do its job again", check=name)
        self._failing = failing
        if self._told is not (not failing):
            self._told = not failing
            await self._tell(self._told)

    async def _problem(self, check: Check) -> str:
        try:
            await asyncio.wait_for(check(), self._patience_s)
        except Exception as error:
            return type(error).__name__
        return ""

    async def _run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._every_s)
