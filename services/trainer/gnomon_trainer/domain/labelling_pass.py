"""Judging the rows of a labelling, from where it was left. Pure."""

import logging
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from typing import Any

from gnomon.errors import (
    GnomonError,
    InstanceInvalidError,
    NothingJudgedError,
    ProviderAnswerInvalidError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from gnomon.threads import in_thread
from gnomon_trainer.domain.datasets import RowStore
from gnomon_trainer.domain.held_work import HeldWork
from gnomon_trainer.domain.judge_asking import Asker
from gnomon_trainer.domain.judge_use_cases import is_for_all
from gnomon_trainer.domain.judging import Judge
from gnomon_trainer.domain.labelling_progress import LabellingProgress
from gnomon_trainer.domain.labellings import FAILED, JUDGED, WRONG, LabellingSpec, Purpose, RowJudgement
from gnomon_trainer.domain.paid_work_store import Outcome
from gnomon_trainer.domain.row_window import each, read_in_blocks
from gnomon_trainer.domain.rows import row_of

log = logging.getLogger(__name__)

_MOST_UNAVAILABLE = 10  # rows one after another whose every attempt failed: the provider is away
_MOST_FAILED = 50  # rows one after another: going on would cost and give nothing
_OF_ONE_ROW = (InstanceInvalidError, ProviderAnswerInvalidError, ProviderRefusedError)

Numbered = tuple[int, Mapping[str, Any]]


@dataclass(slots=True)
class LabellingPass:
    """Judges the rows that have no outcome yet, a window of them at a time.

    What concerns one row is an outcome of that row; what every other row would
    meet as well ends the pass. Rows at which the provider was away are asked
    again at the end.
    """

    spec: LabellingSpec
    held: HeldWork
    rows: RowStore
    judge: Judge
    asker: Asker
    progress: LabellingProgress
    window: int
    deadline_s: float
    _end: GnomonError | None = None
    _late: list[int] = field(default_factory=list)
    _is_last_try: bool = False
    _unavailable: int = 0  # in a row
    _failed: int = 0  # in a row

    async def run(self, done: bytearray) -> None:
        """Judge all rows but those whose place in `done` is not 0.

        Raises:
            JudgeBudgetSpentError: the budget does not hold another call.
            ProviderUnavailableError: the provider is away.
            NothingJudgedError: row after row gave nothing.
            GnomonError: what every row would meet.
        """
        self.progress.begin()
        await each(self._open_rows(done), self._one, window=self.window, stop=lambda: self._end is not None)
        if self._late and self._end is None:
            self._is_last_try, numbers = True, frozenset(self._late)
            late = await in_thread(self.rows.pick, self.spec.dataset_digest, numbers)
            await each(_given(late), self._one, window=self.window, stop=lambda: self._end is not None)
        if self._end is not None:
            raise self._end

    async def _open_rows(self, done: bytearray) -> AsyncGenerator[Numbered, None]:
        def numbered() -> Iterator[Numbered]:
            records = enumerate(self.rows.read(self.spec.dataset_digest), 1)
            return ((number, record) for number, record in records if not done[number])

        async with aclosing(read_in_blocks(numbered)) as rows:
            async for row in rows:
                yield row

    async def _one(self, numbered: Numbered) -> None:
        number, record = numbered
        try:
            row = row_of(number, record, self.spec.metric)
            judgement = await self.judge.judge(
                row.instance,
                self.spec.votes,
                deadline_s=self.deadline_s,
                asking=self.asker.about(subject(number)),
            )
        except ProviderUnavailableError as error:
            self._was_away(number, error)
        except _OF_ONE_ROW as error:
            if is_for_all(error):
                self._stop(error)
            else:
                self._fail(number, error)
        except GnomonError as error:  # the budget, the database, the lease: no other row fares better
            self._stop(error)
        else:
            self._keep(number, RowJudgement.of(judgement, row.label))

    def _keep(self, number: int, judged: RowJudgement) -> None:
        self._unavailable = self._failed = 0
        is_wrong = self.spec.purpose is Purpose.VALIDATE and judged.label != judged.truth
        self.held.add(Outcome(WRONG if is_wrong else JUDGED, number, asdict(judged), subject(number)))
        self.progress.add_judged()
        self.held.show(self.progress.to_json())

    def _was_away(self, number: int, error: ProviderUnavailableError) -> None:
        self._unavailable += 1
        if self._is_last_try:
            self._fail(number, error)
            return
        self._late.append(number)
        if self._unavailable >= _MOST_UNAVAILABLE:
            self._stop(error)

    def _fail(self, number: int, error: GnomonError) -> None:
        self._failed += 1
        body = {"reason": error.reason, "message": error.message}
        # Where the provider was away, the votes that it gave before are of use to who resumes.
        spoilt = "" if isinstance(error, ProviderUnavailableError) else subject(number)
        self.held.add(Outcome(FAILED, number, body, spoilt))
        self.progress.add_failed(error.reason)
        self.held.show(self.progress.to_json())
        if self._failed >= _MOST_FAILED:
            self._stop(nothing_judged(self.held.work.name, error, f"the last {self._failed} rows"))

    def _stop(self, error: GnomonError) -> None:
        """Begin with no more rows; those under way may still end well."""
        self._end = self._end or error


def subject(number: int) -> str:
    """Return what the answers about a row are kept under."""
    return f"row {number}"


def nothing_judged(name: str, error: GnomonError, which: str) -> NothingJudgedError:
    return NothingJudgedError(
        f"Not one of {which} could be judged. The last reason: {error.message}",
        resource=name,
        row_reason=error.reason,
    )


async def _given(records: Mapping[int, Mapping[str, Any]]) -> AsyncGenerator[Numbered, None]:
    for number in sorted(records):
        yield number, records[number]
