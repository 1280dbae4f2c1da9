"""What can be done with reviews. Blocking work runs in threads."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gnomon.errors import InvalidRequestError, ReviewStateError, Violation
from gnomon.names import DatasetName, MetricName, ReviewName
from gnomon.threads import in_thread
from gnomon_trainer.domain.catalog import Catalog
from gnomon_trainer.domain.datasets import Dataset, DatasetStore, Request, RowStore, check_labelled
from gnomon_trainer.domain.label_checks import LabelProbe
from gnomon_trainer.domain.review_agreement import Progress
from gnomon_trainer.domain.review_applying import next_draft
from gnomon_trainer.domain.review_blinding import shown_columns
from gnomon_trainer.domain.review_order import queue
from gnomon_trainer.domain.review_reading import Questioned, ReviewOrder, questioned, with_opinions
from gnomon_trainer.domain.review_store import ReviewStore
from gnomon_trainer.domain.reviews import (
    DEFAULT_ITEMS,
    MOST_ITEMS,
    Decision,
    Item,
    Order,
    Outcome,
    Review,
    Said,
    check_open,
    check_person,
)
from gnomon_trainer.domain.rows import row_of
from gnomon_trainer.domain.runs import new_uid
from gnomon_trainer.domain.training import MetricDefinition, Row
from gnomon_trainer.domain.wanted_work import while_wanted

MOST_HANDED_OUT = 100
HOLD_S = 900.0  # a person who has not answered by then has left
MOST_REVIEWERS = 2


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry of a queue with its row. `columns` are those beside what the metric reads that may be seen."""

    review: Review
    item: Item
    row: Row
    columns: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Disagreement:
    shown: Shown
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, slots=True)
class Reviews:
    """Use cases of reviews."""

    store: ReviewStore
    datasets: DatasetStore
    rows: RowStore
    catalog: Catalog
    probe: LabelProbe
    clock: Callable[[], float]
    random_bytes: Callable[[int], bytes]
    heavy: asyncio.Semaphore

    async def create(self, order: ReviewOrder, request: Request | None) -> Review:
        """Order the rows of a dataset for review.

        Raises:
            InvalidRequestError: the limit or the number of reviewers cannot be.
            NotFoundError: there is no such dataset, or no metric of its labels.
            DatasetUnlabelledError: it has no labels to review.
            DatasetUnsuitableError: its rows carry labels that the metric has no longer.
            InternalError: the probe broke down.
        """
        _check(order)
        if request and (known := await asyncio.to_thread(self.store.replayed, request)):
            return known
        dataset = check_labelled(await asyncio.to_thread(self.datasets.get, order.dataset))
        metric = await self.catalog.metric(MetricName.parse(dataset.metric))
        async with self.heavy:
            found = await while_wanted(lambda pause: questioned(dataset, metric, order, self.rows, pause))
        if order.order is not Order.JUDGE_DISAGREEMENT:
            found = await self._with_opinions(found, metric)
        items = queue(found.signals, order.order, order.limit or DEFAULT_ITEMS, found.judged)
        review = self._review(order, dataset, metric, len(items))
        return await asyncio.to_thread(self.store.create, review, items, request)

    async def _with_opinions(self, found: Questioned, metric: MetricDefinition) -> Questioned:
        texts, labels = found.to_probe()
        if len(set(labels)) < 2:
            return found
        return with_opinions(found, await self.probe.opinions(texts, labels), metric)

    def _review(
        self, order: ReviewOrder, dataset: Dataset, metric: MetricDefinition, item_count: int
    ) -> Review:
        return Review(
            dataset=dataset.dataset,
            review=order.review or new_uid(self.random_bytes(16)),
            version=dataset.version,
            metric=metric.name,
            classes=metric.classes,
            order=order.order,
            limit=order.limit or DEFAULT_ITEMS,
            blind=order.blind,
            reviewers_per_row=order.reviewers_per_row or 1,
            judge_column=order.judge_column,
            include_reviewed=order.include_reviewed,
            item_count=item_count,
            create_time=self.clock(),
        )

    async def progress(self, name: ReviewName) -> Progress:
        return await asyncio.to_thread(self.store.progress, name)

    async def page(self, dataset: str | None, before: int | None, size: int) -> Sequence[Review]:
        return await asyncio.to_thread(self.store.page, dataset, before, size)

    async def hand_out(self, name: ReviewName, reviewer: str, count: int) -> tuple[list[Shown], int]:
        """Return the next rows of a person, and how many are left to this person with these."""
        person = check_person(reviewer, "reviewer")
        if not 0 <= count <= MOST_HANDED_OUT:
            raise InvalidRequestError(
                f"count is {count}; at most {MOST_HANDED_OUT} rows are handed out at once.",
                violations=[Violation("count", f"must be 0 to {MOST_HANDED_OUT}")],
            )
        review, dataset, metric = await self._open(name)
        handed = await asyncio.to_thread(
            self.store.hand_out, name, person, count or 1, now=self.clock(), hold_s=HOLD_S
        )
        return await self._shown(review, dataset, metric, handed.items), handed.left

    async def record(self, name: ReviewName, said: Said, request: Request | None) -> Decision:
        """Keep what a person says; see `ReviewStore.record`."""
        await self._dataset(await asyncio.to_thread(self.store.get, name))
        return await asyncio.to_thread(self.store.record, name, said, request, self.clock())

    async def withdraw(
        self, name: ReviewName, reviewer: str, row: int | None, request: Request | None
    ) -> tuple[Decision, Shown]:
        """Take a decision back; return it, and its row to look at again."""
        person = check_person(reviewer, "reviewer")
        review, dataset, metric = await self._open(name)
        decision = await asyncio.to_thread(self.store.withdraw, name, person, row, request, self.clock())
        item = await asyncio.to_thread(self.store.item, name, decision.row)
        (shown,) = await self._shown(review, dataset, metric, [item])
        return decision, shown

    async def decisions(self, name: ReviewName, reviewer: str, after: int, size: int) -> Sequence[Decision]:
        """Return who said what. While the review is open, one person sees nothing of the others.

        Raises:
            ReviewStateError: it is open, and no person was named.
        """
        review = await asyncio.to_thread(self.store.get, name)
        if not reviewer and review.applied_version is None:
            raise ReviewStateError(
                f"{name} is open: name the reviewer whose decisions to list. Those of all can be seen "
                "once it is applied.",
                resource=str(name),
                state="OPEN",
            )
        return await asyncio.to_thread(self.store.decisions, name, reviewer or None, after, size)

    async def disagreements(
        self, name: ReviewName, adjudicator: str, after: int, size: int
    ) -> list[Disagreement]:
        """Return rows that people answered differently, and that this person did not answer, after a rank."""
        person = check_person(adjudicator, "adjudicator")
        review, dataset, metric = await self._open(name)
        found = await in_thread(_disputed, await self.progress(name), person, after)
        shown = await self._shown(review, dataset, metric, list(found)[:size])
        return [Disagreement(entry, found[entry.item]) for entry in shown]

    async def apply(self, name: ReviewName, request: Request | None) -> tuple[Dataset, Progress]:
        """Make the next version of the dataset by what was settled, and end the review.

        Raises:
            ReviewStateError: nothing was settled, it was applied, or other rows
                were uploaded since.
            EtagMismatchError: somebody decided meanwhile.
        """
        if request and (known := await asyncio.to_thread(self.datasets.replayed, request)):
            return known[0], await self.progress(name)
        progress = await self.progress(name)
        check_open(progress.review)
        base = await self._dataset(progress.review)
        metric = await self.catalog.metric(MetricName.parse(base.metric))
        async with self.heavy:
            newest = await asyncio.to_thread(self.datasets.get, DatasetName(base.dataset))
            between = [
                await asyncio.to_thread(self.datasets.get, DatasetName(base.dataset, version))
                for version in range(base.version + 1, newest.version + 1)
            ]
            draft = await while_wanted(
                lambda pause: next_draft(
                    progress, newest, between, metric=metric, rows=self.rows, pause=pause
                )
            )
        made = await asyncio.to_thread(
            self.store.apply, progress.review, newest, draft, request, self.clock()
        )
        return made, await self.progress(name)

    async def _open(self, name: ReviewName) -> tuple[Review, Dataset, MetricDefinition]:
        review = await asyncio.to_thread(self.store.get, name)
        check_open(review)
        dataset = await self._dataset(review)
        return review, dataset, await self.catalog.metric(MetricName.parse(review.metric))

    async def _dataset(self, review: Review) -> Dataset:
        return await asyncio.to_thread(self.datasets.get, review.reviewed)

    async def _shown(
        self, review: Review, dataset: Dataset, metric: MetricDefinition, items: Sequence[Item]
    ) -> list[Shown]:
        numbers = {item.row for item in items}
        records: Mapping[int, dict[str, Any]] = await asyncio.to_thread(
            self.rows.pick, dataset.digest, numbers
        )
        found = [(item, row_of(item.row, records[item.row], metric)) for item in items]
        return [Shown(review, item, row, shown_columns(review, row, metric)) for item, row in found]


def _disputed(progress: Progress, person: str, after: int) -> dict[Item, tuple[Decision, ...]]:
    """Return the rows after a rank that others disagree on, in the order of the queue, and what they said."""
    return {
        item: reached.decisions
        for item, reached in progress.verdicts()
        if reached.outcome is Outcome.DISPUTED
        and item.rank > after
        and all(decision.reviewer != person for decision in reached.decisions)
    }


def _check(order: ReviewOrder) -> None:
    if not 0 <= order.limit <= MOST_ITEMS:
        raise InvalidRequestError(
            f"limit is {order.limit}; a review has at most {MOST_ITEMS} rows.",
            violations=[Violation("review.limit", f"must be 0 to {MOST_ITEMS}")],
        )
    if not 0 <= order.reviewers_per_row <= MOST_REVIEWERS:
        raise InvalidRequestError(
            f"reviewers_per_row is {order.reviewers_per_row}; it must be 1 or 2.",
            violations=[Violation("review.reviewers_per_row", "must be 1 or 2")],
        )
