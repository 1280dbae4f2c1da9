"""Reviews in memory. They pass the same contract suite as those in SQL."""

from collections.abc import Sequence
from dataclasses import replace

from gnomon.names import DatasetName, ReviewName
from gnomon_trainer.domain import reviews as rules
from gnomon_trainer.domain.datasets import Dataset, DatasetDraft, Request
from gnomon_trainer.domain.review_agreement import Progress
from gnomon_trainer.domain.review_store import HandedOut, check_applicable, rows_left
from gnomon_trainer.domain.reviews import Decision, Item, Review, Said
from tests.trainer.fakes import FakeStores


class FakeReviewStore:
    def __init__(self, stores: FakeStores) -> None:
        self._stores = stores
        self._reviews: dict[ReviewName, Review] = {}
        self._items: dict[ReviewName, list[Item]] = {}
        self._decisions: dict[int, tuple[ReviewName, Decision]] = {}
        self._holds: dict[tuple[ReviewName, int, str], float] = {}

    def replayed(self, request: Request) -> Review | None:
        name = self._stores.find(request)
        return name and self._reviews[name]

    def create(self, review: Review, items: Sequence[Item], request: Request | None) -> Review:
        if request and (known := self.replayed(request)):
            return known
        self._stores.datasets.get(review.reviewed)
        if review.name in self._reviews:
            raise rules.taken(review.name)
        self._reviews[review.name] = replace(review, number=len(self._reviews) + 1)
        self._items[review.name] = list(items)
        self._keep(request, review.name)
        return self._reviews[review.name]

    def get(self, name: ReviewName) -> Review:
        if name not in self._reviews:
            raise rules.no_review(name)
        return self._reviews[name]

    def page(self, dataset: str | None, before: int | None, size: int) -> Sequence[Review]:
        found = sorted(self._reviews.values(), key=lambda review: -review.number)
        return [
            review
            for review in found
            if dataset in (None, review.dataset) and (before is None or review.number < before)
        ][:size]

    def progress(self, name: ReviewName) -> Progress:
        return Progress(self.get(name), self._items[name], self._live(name))

    def item(self, name: ReviewName, row: int) -> Item:
        review = self.get(name)
        for item in self._items[name]:
            if item.row == row:
                return item
        raise rules.no_item(review, row)

    def hand_out(
        self, name: ReviewName, reviewer: str, count: int, *, now: float, hold_s: float
    ) -> HandedOut:
        progress = self.progress(name)
        held = [(row, who) for (of, row, who), expires in self._holds.items() if of == name and expires > now]
        rows = [item.row for item in progress.items]
        left = rows_left(progress.review, rows, progress.live, held, reviewer=reviewer)
        for row in left[:count]:
            self._holds[name, row, reviewer] = now + hold_s
        return HandedOut(tuple(self.item(name, row) for row in left[:count]), len(left))

    def record(self, name: ReviewName, said: Said, request: Request | None, now: float) -> Decision:
        if request and (known := self._stores.find(request)) is not None:
            return self._decisions[known][1]
        review = self.get(name)
        self.item(name, said.row)
        rules.check_said(review, [d for d in self._live(name) if d.row == said.row], said)
        number = len(self._decisions) + 1
        decision = Decision(
            number, said.row, said.reviewer, said.answer, said.label, said.adjudicates, create_time=now
        )
        self._decisions[number] = name, decision
        self._holds.pop((name, said.row, said.reviewer), None)
        self._touch(review, request, number)
        return decision

    def withdraw(
        self, name: ReviewName, reviewer: str, row: int | None, request: Request | None, now: float
    ) -> Decision:
        if request and (known := self._stores.find(request)) is not None:
            return self._decisions[known][1]
        review, live = self.get(name), self._live(name)
        decision = rules.to_withdraw(review, [d for d in live if d.reviewer == reviewer], row)
        rules.check_withdrawal(review, [d for d in live if d.row == decision.row], decision)
        withdrawn = replace(decision, withdraw_time=now)
        self._decisions[decision.number] = name, withdrawn
        self._touch(review, request, decision.number)
        return withdrawn

    def decisions(self, name: ReviewName, reviewer: str | None, after: int, size: int) -> Sequence[Decision]:
        self.get(name)
        return [
            decision
            for of, decision in self._decisions.values()
            if of == name and decision.number > after and reviewer in (None, decision.reviewer)
        ][:size]

    def apply(
        self, review: Review, base: Dataset, draft: DatasetDraft, request: Request | None, now: float
    ) -> Dataset:
        if request and (known := self._stores.find(request)) is not None:
            return self._stores.datasets.get(known[0], deleted=True)
        newest = self._stores.datasets.get(DatasetName(review.dataset))
        check_applicable(review, self.get(review.name), base, newest)
        (dataset,) = self._stores.datasets.add([draft], None, now)
        self._reviews[review.name] = replace(
            review, applied_version=dataset.version, apply_time=now, revision=review.revision + 1
        )
        self._keep(request, [dataset.name])
        return dataset

    def _live(self, name: ReviewName) -> list[Decision]:
        return [d for of, d in self._decisions.values() if of == name and d.withdraw_time is None]

    def _touch(self, review: Review, request: Request | None, answer: int) -> None:
        self._reviews[review.name] = replace(review, revision=review.revision + 1)
        self._keep(request, answer)

    def _keep(self, request: Request | None, answer: object) -> None:
        if request:
            self._stores.requests[request.request_id] = request.body, answer
