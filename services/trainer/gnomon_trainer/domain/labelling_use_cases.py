"""What can be done with labellings. Blocking work runs in threads."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from gnomon.errors import LabellingsNotComparableError, WorkStateError
from gnomon.names import LabellingName, OperationName
from gnomon.threads import in_thread
from gnomon_trainer.domain import labellings as parts
from gnomon_trainer.domain import paid_work
from gnomon_trainer.domain.chat_budget import Allowance
from gnomon_trainer.domain.datasets import Request, RowStore
from gnomon_trainer.domain.labelling_orders import LabellingOrder, LabellingPlans
from gnomon_trainer.domain.labellings import LabellingSpec, Purpose, RowJudgement, spec_from
from gnomon_trainer.domain.paid_work import PaidWork, WorkKind, WorkState
from gnomon_trainer.domain.paid_work_store import PaidWorkStore
from gnomon_trainer.domain.rows import row_of
from gnomon_trainer.domain.runs import new_uid
from gnomon_trainer.domain.tracing import Tracing, Untraced
from gnomon_trainer.domain.training import Row

POLL_S = 0.25
MOST_FAILURES = 100
_PAGE = 1_000
_KIND = WorkKind.LABELLING


@dataclass(frozen=True, slots=True)
class FailedRow:
    row: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Labelling:
    """A labelling as it is now, with the first rows that could not be judged."""

    work: PaidWork
    spec: LabellingSpec
    failures: Sequence[FailedRow] = ()


@dataclass(frozen=True, slots=True)
class WrongRow:
    row: Row
    judged: RowJudgement


@dataclass(frozen=True, slots=True)
class Labellings:
    """Use cases of labellings."""

    store: PaidWorkStore
    plans: LabellingPlans
    rows: RowStore
    clock: Callable[[], float]
    random_bytes: Callable[[int], bytes]
    heavy: asyncio.Semaphore
    tracing: Tracing = field(default_factory=Untraced)

    async def create(self, order: LabellingOrder, request: Request | None) -> Labelling:
        """Check everything that can be checked, then have it begun; see `LabellingPlans.spec`."""
        if request and (known := await in_thread(self.store.replayed, request)):
            return await self._told(known)
        spec = await self.plans.spec(order)
        uid = new_uid(self.random_bytes(16), _KIND.letter)
        work = PaidWork(
            uid=uid,
            kind=_KIND,
            work_id=order.labelling or f"labelling-{uid[1:9]}",
            spec=parts.spec_to(replace(spec, trace=self.tracing.here())),
            needs=tuple(filter(None, (spec.dataset, spec.examples_dataset))),
            allowance=order.allowance,
            secret=self.random_bytes(32).hex(),
            create_time=self.clock(),
            progress={"judged": 0, "failures": {}, "total": spec.row_count, "remaining_s": None},
        )
        return await self._told(await in_thread(self.store.create, work, request))

    async def get(self, name: LabellingName | OperationName) -> Labelling:
        return await self._told(await in_thread(self._work, name))

    async def page(self, before: int | None, size: int) -> list[Labelling]:
        """Return labellings, newest first, without the rows that failed."""
        found = await in_thread(self.store.page, [_KIND], before, size)
        return [Labelling(work, spec_from(work)) for work in found]

    async def cancel(self, name: OperationName) -> None:
        now = self.clock()
        work = await in_thread(self._work, name)
        await in_thread(self.store.change, work.uid, lambda found: paid_work.cancelled(found, now))

    async def resume(self, name: LabellingName, allowance: Allowance | None) -> Labelling:
        """Go on with what failed or was cancelled, also with the rows that could not be judged.

        Raises:
            WorkStateError: it has not stopped, or is over.
        """
        work = await in_thread(self._work, name)
        return await self._told(await in_thread(go_on, self.store, work, allowance))

    async def wait(self, name: OperationName, timeout_s: float | None) -> Labelling:
        """Return the labelling once it is done, or as it is when the time is over."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not (work := await in_thread(self._work, name)).is_done:
            left = POLL_S if deadline is None else deadline - time.monotonic()
            if left <= 0:
                break
            await asyncio.sleep(min(POLL_S, left))
        return await self._told(work)

    async def watch(self, name: LabellingName) -> AsyncGenerator[Labelling, None]:
        """Yield the labelling, then again on every change, until it is done."""
        seen = -1
        while True:
            work = await in_thread(self._work, name)
            if work.revision != seen:
                seen = work.revision
                yield await self._told(work)
            if work.is_done:
                return
            await asyncio.sleep(POLL_S)

    async def wrong_rows(self, name: LabellingName, after: int, size: int) -> list[WrongRow]:
        """Return rows, after a number, that the judge labels otherwise than people.

        Raises:
            WorkStateError: the labelling does not validate.
        """
        work = await in_thread(self._work, name)
        spec = spec_from(work)
        if spec.purpose is not Purpose.VALIDATE:
            raise WorkStateError(
                f"{work.name} labels rows that had no labels: there is nothing it could be wrong against. "
                "Validate with a dataset that people labelled.",
                resource=work.name,
                state=parts.STATES[work.state],
            )
        found = await in_thread(self.store.outcomes, work.uid, {parts.WRONG}, after, size)
        numbers = frozenset(place for _, place, _ in found)
        records = await in_thread(self.rows.pick, spec.dataset_digest, numbers)
        return [
            WrongRow(row_of(place, records[place], spec.metric), RowJudgement(**body))
            for _, place, body in found
        ]

    async def compare(
        self, first: LabellingName, second: LabellingName
    ) -> tuple[Labelling, Labelling, Mapping[str, Any]]:
        """Return two labellings, and what a `CompareLabellingsResponse` says of their rows.

        Raises:
            LabellingsNotComparableError: they are not both over, or not of the same rows and classes.
        """
        from gnomon_trainer.domain import validation_report  # NumPy, which nothing else here needs

        a, b = await self.get(first), await self.get(second)
        _check_comparable(a, b)
        async with self.heavy:
            of_a, of_b = await in_thread(self._judged, a.work), await in_thread(self._judged, b.work)
            return a, b, await in_thread(validation_report.compared, a.spec.metric, of_a, of_b)

    def _judged(self, work: PaidWork) -> dict[int, RowJudgement]:
        return {place: RowJudgement(**body) for place, body in self._outcomes(work.uid)}

    def _outcomes(self, uid: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
        after = 0
        while page := self.store.outcomes(uid, {parts.JUDGED, parts.WRONG}, after, _PAGE):
            yield from ((place, body) for _, place, body in page)
            after = page[-1][1]

    def _work(self, name: LabellingName | OperationName) -> PaidWork:
        if isinstance(name, OperationName):
            return self.store.find(name.operation)
        return self.store.get(_KIND, name.labelling)

    async def _told(self, work: PaidWork) -> Labelling:
        found = await in_thread(self.store.outcomes, work.uid, {parts.FAILED}, 0, MOST_FAILURES)
        return Labelling(work, spec_from(work), [FailedRow(place, **body) for _, place, body in found])


def go_on(store: PaidWorkStore, work: PaidWork, allowance: Allowance | None) -> PaidWork:
    """Resume a labelling, also with the rows that could not be judged; WorkStateError as `resumed`."""
    paid_work.resumed(work, allowance)  # refused before anything is forgotten
    store.drop_outcomes(work.uid, {parts.FAILED})

    def change(found: PaidWork) -> PaidWork:
        progress = {**found.progress, "failures": {}, "remaining_s": None}
        return replace(paid_work.resumed(found, allowance), progress=progress)

    return store.change(work.uid, change)


def _check_comparable(first: Labelling, second: Labelling) -> None:
    for each in (first, second):
        if each.spec.purpose is not Purpose.VALIDATE or each.work.state is not WorkState.DONE:
            raise _not_comparable(first, second, f"{each.work.name} is no validation that is over")
    if first.spec.dataset_digest != second.spec.dataset_digest:
        raise _not_comparable(
            first, second, f"one is of {first.spec.dataset}, the other of {second.spec.dataset}: other rows"
        )
    if asdict(first.spec.metric) != asdict(second.spec.metric):
        raise _not_comparable(first, second, "they are of different metrics or classes")
    if not (first.work.progress["judged"] and second.work.progress["judged"]):
        raise _not_comparable(first, second, "one of them judged no row")


def _not_comparable(first: Labelling, second: Labelling, why: str) -> LabellingsNotComparableError:
    return LabellingsNotComparableError(
        f"{first.work.name} and {second.work.name} cannot be compared: {why}. Validate both on the same "
        "dataset version.",
        resource=first.work.name,
        other=second.work.name,
    )
