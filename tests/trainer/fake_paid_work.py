"""Paid work and its journal in memory. They pass the same contract suite as those in SQL."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gnomon.names import DatasetName
from gnomon_trainer.domain import paid_work as rules
from gnomon_trainer.domain.chat import ChatAnswer
from gnomon_trainer.domain.chat_budget import Tokens
from gnomon_trainer.domain.datasets import Request
from gnomon_trainer.domain.leases import LifeSign
from gnomon_trainer.domain.paid_work import PaidWork, WorkKind, WorkState
from gnomon_trainer.domain.paid_work_store import Change, Outcome, WorkLease, lost, no_work, taken
from tests.trainer.fakes import FakeStores


class FakePaidWorkStore:
    """A `PaidWorkStore` and a `Journal`."""

    def __init__(self, stores: FakeStores) -> None:
        self._stores = stores
        self._outcomes: dict[tuple[str, str, int], Mapping[str, Any]] = {}
        self._answers: dict[tuple[str, str], tuple[str, ChatAnswer]] = {}

    # ------------------------------------------------------------------------ the store

    def replayed(self, request: Request) -> PaidWork | None:
        uid = self._stores.find(request)
        return uid and self.find(uid)

    def create(self, work: PaidWork, request: Request | None) -> PaidWork:
        if request and (known := self.replayed(request)):
            return known
        for name in work.needs:
            self._stores.datasets.get(DatasetName.parse(name))
        if any(known.name == work.name for known in self._rows):
            raise taken(work)
        self._rows.append(replace(work, number=len(self._rows) + 1))
        if request:
            self._stores.requests[request.request_id] = request.body, work.uid
        return self._rows[-1]

    @property
    def _rows(self) -> list[PaidWork]:
        return self._stores.paid_work

    def get(self, kind: WorkKind, work_id: str) -> PaidWork:
        for work in self._rows:
            if (work.kind, work.work_id) == (kind, work_id):
                return work
        raise no_work(f"{kind}/{work_id}")

    def find(self, uid: str) -> PaidWork:
        for work in self._rows:
            if work.uid == uid:
                return work
        raise no_work(f"operations/{uid}")

    def page(self, kinds: Collection[WorkKind], before: int | None, size: int) -> Sequence[PaidWork]:
        found = (w for w in reversed(self._rows) if w.kind in kinds and (before is None or w.number < before))
        return list(found)[:size]

    def change(self, uid: str, change: Change) -> PaidWork:
        before = self.find(uid)
        changed = change(before)
        return before if changed is before else self._put(before, changed)

    def _put(self, before: PaidWork, changed: PaidWork, spent: Tokens | None = None) -> PaidWork:
        total = before.spent + (spent or Tokens())
        stored = replace(changed, spent=total, revision=before.revision + 1)
        self._rows[before.number - 1] = stored
        return stored

    def claim(self, kinds: Collection[WorkKind], holder: str, now: float) -> PaidWork | None:
        for work in self._rows:
            if work.kind in kinds and work.is_claimable:
                self._rows[work.number - 1] = rules.claimed(work, holder, now)
                return self._rows[work.number - 1]
        return None

    def write_leased(
        self,
        lease: WorkLease,
        change: Change,
        outcomes: Sequence[Outcome] = (),
        spent: Tokens = Tokens(),  # noqa: B008
    ) -> PaidWork:
        before = next((work for work in self._rows if work.uid == lease.uid), None)
        if before is None or before.fence != lease.fence:
            raise lost(lease)
        changed = self._put(before, change(replace(before, lease_expired=False)), spent)
        for outcome in outcomes:
            self._outcomes[lease.uid, outcome.part, outcome.place] = outcome.body
        subjects = {outcome.subject for outcome in outcomes if outcome.subject}
        self._answers = {
            key: (subject, answer)
            for key, (subject, answer) in self._answers.items()
            if key[0] != lease.uid or (subject not in subjects and changed.state is not WorkState.DONE)
        }
        return changed

    def outcomes(
        self, uid: str, parts: Collection[str], after: int = 0, size: int | None = None
    ) -> Sequence[tuple[str, int, Mapping[str, Any]]]:
        found = [
            (part, place, body)
            for (owner, part, place), body in self._outcomes.items()
            if owner == uid and part in parts and place > after
        ]
        return sorted(found, key=lambda entry: (entry[1], entry[0]))[:size]

    def drop_outcomes(self, uid: str, parts: Collection[str]) -> None:
        kept = {key: body for key, body in self._outcomes.items() if key[0] != uid or key[1] not in parts}
        self._outcomes = kept

    def holders(self) -> frozenset[str]:
        return frozenset(work.holder for work in self._rows if work.is_leased)

    def expire_leases(self, holder: str) -> int:
        dead = [work for work in self._rows if work.holder == holder and work.is_leased]
        for work in dead:
            self._rows[work.number - 1] = replace(work, lease_expired=True)
        return len(dead)

    def life_signs(self) -> Sequence[LifeSign]:
        return [LifeSign(row.uid, row.fence, row.revision) for row in self._rows if row.is_leased]

    def expire(self, sign: LifeSign) -> bool:
        if sign not in self.life_signs():
            return False
        work = self.find(sign.uid)
        self._rows[work.number - 1] = replace(work, lease_expired=True)
        return True

    def settle_cancelled(self, now: float) -> int:
        left = [work for work in self._rows if work.cancel_requested and not work.is_leased]
        for work in left:
            self._put(work, rules.cancelled(work, now))
        return len(left)

    # ---------------------------------------------------------------------- the journal

    def answer(self, uid: str, key: str) -> ChatAnswer | None:
        kept = self._answers.get((uid, key))
        return kept[1] if kept else None

    def keep(self, uid: str, subject: str, key: str, answer: ChatAnswer, spent: Tokens) -> None:
        work = next((work for work in self._rows if work.uid == uid), None)
        if work is None:
            return
        self._rows[work.number - 1] = replace(work, spent=work.spent + spent, crashes=0)
        if work.state is not WorkState.DONE:
            self._answers.setdefault((uid, key), (subject, answer))
