"""Runs one batch, and finds the poison in it: halves it until what fails stands alone. Blocks."""

from collections.abc import Callable, Sequence
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
class Done:
    """Entries that ran together: a row of logits each; when it began, and the seconds it took."""

    entries: list[Waiter]
    rows: Logits
    began: float
    took: float


@dataclass(frozen=True, slots=True)
class Poisonous:
    """An entry that fails alone as in a batch."""

    entry: Waiter


@dataclass(frozen=True, slots=True)
class Broken:
    """The version cannot score any more; these entries were not run."""

    version: LoadedVersion
    entries: list[Waiter]
    error: GnomonError


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nobody wanted the rest any more."""


Ended = Done | Poisonous | Broken | Nothing


@dataclass(frozen=True, slots=True)
class Running:
    """One batch on its way.

    `is_wanted`: the entry's caller is still there. `tell` hears of each part
    that ended, but of the last: that is returned, for the core to have its next
    batch before anybody is told.
    """

    version: LoadedVersion
    run: Callable[[Sequence[Tokens]], Logits]
    is_wanted: Callable[[Waiter], bool]
    tell: Callable[[Ended], object]
    clock: Callable[[], float]


def run_all(running: Running, entries: list[Waiter]) -> Ended:
    """Run a batch; where it fails, in halves. After a failure the version must prove itself."""
    parts = [entries]
    ended: Ended = Nothing()
    while parts:
        part = [entry for entry in parts.pop() if running.is_wanted(entry)]
        if not part:
            continue
        if not isinstance(ended, Nothing):
            running.tell(ended)
        result = _run(running, part)
        if isinstance(result, Done):
            ended = result
            continue
        _log_failure(running.version, part, result)
        if broken := _proof_failure(running.version):
            rest = [entry for other in parts for entry in other]
            return Broken(running.version, [*part, *rest], broken)
        if len(part) == 1:
            ended = Poisonous(part[0])
        else:
            ended, middle = Nothing(), len(part) // 2
            parts += [part[middle:], part[:middle]]
    return ended


def _log_failure(version: LoadedVersion, part: list[Waiter], error: Exception) -> None:
    log.warning("a batch failed", version=str(version.name), size=len(part), error=type(error).__name__)


def _run(running: Running, part: list[Waiter]) -> Done | Exception:
    began = running.clock()
    try:
        rows = running.run([entry.tokens for entry in part])
    except Exception as error:
        return error
    return Done(part, rows, began, running.clock() - began)


def _proof_failure(version: LoadedVersion) -> GnomonError | None:
    """Score a known text: health means *can score*."""
    try:
        version.prove()
    except Exception as error:
        return VersionUnloadableError(
            f"{version.name} fails on a known text: {first_line(error)} It will be loaded again.",
            retry_after_s=1.0,
            metric_version=str(version.name),
        )
    return None
