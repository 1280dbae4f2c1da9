"""What a trainer does with a labelling: judge the rows, try the canaries, then end it. Pure."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gnomon.errors import GnomonError, LeaseLostError, NothingJudgedError
from gnomon.threads import in_thread
from gnomon_trainer.domain import canaries, paid_work
from gnomon_trainer.domain.datasets import DatasetStore, Request, RowStore
from gnomon_trainer.domain.held_work import HeldWork
from gnomon_trainer.domain.judge_asking import Asker, PaidAsking
from gnomon_trainer.domain.judging import Judge
from gnomon_trainer.domain.labelled_rows import labelled_draft
from gnomon_trainer.domain.labelling_pass import LabellingPass, Numbered
from gnomon_trainer.domain.labelling_progress import LabellingProgress
from gnomon_trainer.domain.labellings import (
    CANARY,
    FAILED,
    JUDGED,
    WRONG,
    LabellingSpec,
    Purpose,
    RowJudgement,
    spec_from,
)
from gnomon_trainer.domain.paid_work import PaidWork, WorkKind
from gnomon_trainer.domain.paid_work_store import Change, Outcome, PaidWorkStore
from gnomon_trainer.domain.row_window import each
from gnomon_trainer.domain.rows import row_of

_PAGE = 1_000
_GIVE_UP = 10  # canaries one after another without an answer: the rest are left
_WINDOW = 4  # rows for each call that may be under way: retries of some do not idle the others


@dataclass(slots=True)
class LabellingWorker:
    """A `PaidWorker` for labellings."""

    store: PaidWorkStore
    datasets: DatasetStore
    rows: RowStore
    asking: PaidAsking
    clock: Callable[[], float]  # seconds since the epoch
    stopwatch: Callable[[], float]  # seconds that only grow
    deadline_s: float  # for one answer
    heavy: asyncio.Semaphore
    kind: WorkKind = WorkKind.LABELLING

    async def work(self, held: HeldWork) -> Change:
        """See `PaidWorker.work` and `LabellingPass.run`."""
        spec = spec_from(held.work)
        endpoint = await self.asking.endpoint(spec.provider, spec.base_url, spec.model)
        asker = self.asking.asker(held, spec.provider)
        judge = Judge(asker.chat, endpoint, spec.judged, asker.about("nobody").random_bytes)
        done, progress = await in_thread(self._left, held.work, spec)
        held.show(progress.to_json())
        await LabellingPass(
            spec=spec,
            held=held,
            rows=self.rows,
            judge=judge,
            asker=asker,
            progress=progress,
            window=_WINDOW * self.asking.concurrency,
            deadline_s=self.deadline_s,
        ).run(done)
        await held.flush()
        if not progress.judged:
            raise await in_thread(self._nothing, held.work)
        await self._try_canaries(held, spec, judge, asker)
        await held.flush()
        result = await self._result(held, spec)
        return lambda work: paid_work.done(work, result, self.clock())

    def _left(self, work: PaidWork, spec: LabellingSpec) -> tuple[bytearray, LabellingProgress]:
        """Return which rows have an outcome, and how far the work is by them."""
        done = bytearray(spec.row_count + 1)
        progress = LabellingProgress(spec.row_count, self.stopwatch)
        for part, place, body in self._outcomes(work.uid, {JUDGED, WRONG, FAILED}):
            done[place] = 1
            if part == FAILED:
                progress.failures[body["reason"]] += 1
            else:
                progress.judged += 1
        return done, progress

    def _outcomes(self, uid: str, parts: set[str]) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
        after = 0
        while page := self.store.outcomes(uid, parts, after, _PAGE):
            yield from page
            after = page[-1][1]

    def _nothing(self, work: PaidWork) -> NothingJudgedError:
        _, _, body = self.store.outcomes(work.uid, {FAILED}, 0, 1)[0]
        return NothingJudgedError(
            f"Not one row of {work.name} could be judged. The first reason: {body['message']}",
            resource=work.name,
            row_reason=body["reason"],
        )

    # ------------------------------------------------------------------------ canaries

    async def _try_canaries(self, held: HeldWork, spec: LabellingSpec, judge: Judge, asker: Asker) -> None:
        """Judge some rows once more with an instruction in them. What goes wrong here ends no labelling."""
        numbers = canaries.rows_for(spec.row_count, spec.canary_count, spec.seed)
        tried = {place for _, place, _ in await in_thread(self._all, held.work.uid, {CANARY})}
        said = await in_thread(self._said, held.work.uid, frozenset(numbers) - tried)
        records = await in_thread(self.rows.pick, spec.dataset_digest, frozenset(said))

        unanswered = 0  # one after another

        async def one(numbered: Numbered) -> None:
            nonlocal unanswered
            number, record = numbered
            place = numbers.index(number)
            canary = canaries.canary(place, number, said[number], spec.metric.classes, spec.seed)
            followed: bool | None = None
            try:
                judgement = await judge.judge(
                    row_of(number, record, spec.metric).instance,
                    1,
                    deadline_s=self.deadline_s,
                    asking=asker.about(f"canary {number}", canary.text),
                )
                followed, unanswered = judgement.label == canary.label, 0
            except LeaseLostError:
                raise
            except GnomonError:  # such as a budget that is spent: it is counted as not answered
                unanswered += 1
            body = {"kind": canary.kind, "label": canary.label, "followed": followed}
            held.add(Outcome(CANARY, number, body, f"canary {number}"))

        await each(
            _in_order(records), one, window=self.asking.concurrency, stop=lambda: unanswered >= _GIVE_UP
        )

    def _all(self, uid: str, parts: set[str]) -> list[tuple[str, int, Mapping[str, Any]]]:
        return list(self._outcomes(uid, parts))

    def _said(self, uid: str, numbers: frozenset[int]) -> dict[int, str]:
        """Return the judge's label of some rows; those that have none are left out."""
        found = self._outcomes(uid, {JUDGED, WRONG})
        return {place: body["label"] for _, place, body in found if place in numbers}

    # ------------------------------------------------------------------------- the end

    async def _result(self, held: HeldWork, spec: LabellingSpec) -> dict[str, Any]:
        async with self.heavy:
            return await in_thread(self._ended, held.work, spec)

    def _ended(self, work: PaidWork, spec: LabellingSpec) -> dict[str, Any]:
        judged = (
            (place, RowJudgement(**body)) for _, place, body in self._outcomes(work.uid, {JUDGED, WRONG})
        )
        canary_report = canaries.report(body for _, _, body in self._outcomes(work.uid, {CANARY}))
        result: dict[str, Any] = {"canaries": canary_report}
        if spec.purpose is Purpose.LABEL:
            draft, doubtful = labelled_draft(work.name, spec, judged, self.rows)
            request = Request(str(version_id(work.uid, draft.digest)), draft.digest)
            (dataset,) = self.datasets.add([draft], request, self.clock())
            return result | {"dataset": str(dataset.name), "doubtful": doubtful}
        from gnomon_trainer.domain import validation_report  # NumPy, which nothing else here needs

        found = list(judged)
        doubtful = sum(row.is_doubtful for _, row in found)
        report = validation_report.report(spec.metric, [row for _, row in found], work)
        return result | {"report": report, "doubtful": doubtful}


def version_id(uid: str, digest: str) -> uuid.UUID:
    """Return the request ID under which a labelling stores rows, the same for whoever does it.

    A labelling may be stopped after its rows are stored and before it is done.
    Resumed, it judges those that failed once more, which may make other rows.
    """
    return uuid.uuid5(uuid.NAMESPACE_URL, f"https://gnomon.dev/operations/{uid}/{digest}")


async def _in_order(records: Mapping[int, Mapping[str, Any]]) -> AsyncGenerator[Numbered, None]:
    for number in sorted(records):
        yield number, records[number]
