"""Runs one batch, and finds the poison in it: halves it until what fails stands alone."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import structlog

from gnomon.errors import GnomonError, VersionUnloadableError
from gnomon.tokens import Tokens
from gnomon_scorer.domain.batching import Entry
from gnomon_scorer.domain.loaded import LoadedVersion, first_line
from gnomon_scorer.domain.ports import Logits

log = structlog.get_logger(__name__)

Waiter = Entry[LoadedVersion]


@dataclass(frozen=True, slots=True)
class Running:
    """One batch on its way. `is_wanted`: the entry's caller is still there.

    Each entry ends in one of `ran` (entries, rows, when it began, seconds),
    `failed` (alone as in a batch), or `broken` (the version cannot score).
    `free` is called as soon as nothing is left to run: the cores must have
    their next batch before anybody is told of this one.
    """

    version: LoadedVersion
    run: Callable[[Sequence[Tokens]], Logits]
    threads: Executor
    is_wanted: Callable[[Waiter], bool]
    ran: Callable[[list[Waiter], Logits, float, float], None]
    failed: Callable[[Waiter], None]
    broken: Callable[[LoadedVersion, list[Waiter], GnomonError], None]
    free: Callable[[], None]
    clock: Callable[[], float]


async def run_all(running: Running, entries: list[Waiter]) -> None:
    """Run a batch; where it fails, in halves. After a failure the version must prove itself."""
    parts = [entries]
    while parts:
        part = [entry for entry in parts.pop() if running.is_wanted(entry)]
        if not part:
            continue
        error = await _run(running, part, is_last=not parts)
        if error is None:
            continue
        log.warning(
            "a batch failed", version=str(running.version.name), size=len(part), error=type(error).__name__
        )
        if broken := await _proof_failure(running):
            rest = [entry for other in parts for entry in other]
            running.broken(running.version, [*part, *rest], broken)
            return
        if len(part) == 1:
            running.failed(part[0])
        else:
            middle = len(part) // 2
            parts += [part[middle:], part[:middle]]


async def _run(running: Running, part: list[Waiter], is_last: bool) -> Exception | None:
    began = running.clock()
    tokens = [entry.tokens for entry in part]
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[tuple[Logits | Exception, float]] = loop.create_future()

    def take(result: Logits | Exception, took: float) -> None:
        try:
            if is_last and not isinstance(result, Exception):
                running.free()
        finally:
            ended.set_result((result, took))

    def compute() -> None:
        result: Logits | Exception
        try:
            result = running.run(tokens)
        except Exception as error:
            result = error
        loop.call_soon_threadsafe(take, result, running.clock() - began)

    running.threads.submit(compute)
    result, took = await ended
    if isinstance(result, Exception):
        return result
    running.ran(part, result, began, took)
    return None


async def _proof_failure(running: Running) -> GnomonError | None:
    """Score a known text: health means *can score*."""
    version = running.version
    try:
        await asyncio.get_running_loop().run_in_executor(running.threads, version.prove)
    except Exception as error:
        return VersionUnloadableError(
            f"{version.name} fails on a known text: {first_line(error)} It will be loaded again.",
            retry_after_s=1.0,
            metric_version=str(version.name),
        )
    return None
