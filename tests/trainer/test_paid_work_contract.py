"""What every store of paid work, and every journal of answers, promises: the fakes, SQLite and PostgreSQL."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from gnomon.errors import (
    AlreadyExistsError,
    JudgeBudgetSpentError,
    LeaseLostError,
    NotFoundError,
    RequestIdReusedError,
    ResourceInUseError,
    WorkStateError,
)
from gnomon_trainer.adapters.sql_datasets import SqlDatasetStore
from gnomon_trainer.adapters.sql_journal import SqlJournal
from gnomon_trainer.adapters.sql_paid_work import SqlPaidWorkStore
from gnomon_trainer.domain import paid_work as rules
from gnomon_trainer.domain.chat import ChatAnswer, TokenChoice
from gnomon_trainer.domain.chat_budget import Allowance, Prices, Tokens
from gnomon_trainer.domain.datasets import Request
from gnomon_trainer.domain.paid_work import PaidWork, WorkKind, WorkState
from gnomon_trainer.domain.paid_work_store import Outcome, WorkLease
from tests.databases import ENGINES, trainer_database
from tests.trainer.fake_paid_work import FakePaidWorkStore
from tests.trainer.fakes import FakeStores
from tests.trainer.things import draft

KINDS = [WorkKind.LABELLING]
ANSWER = ChatAnswer("{}", "tiny-1", 20, 5, (TokenChoice("{}", {"{}": -0.1}),))
SPENT = Tokens(20, 5)


@dataclass
class Stores:
    datasets: Any
    work: Any
    journal: Any


@pytest.fixture(params=["fake", *ENGINES])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    if request.param == "fake":
        fakes = FakeStores()
        work = FakePaidWorkStore(fakes)
        stores = Stores(fakes.datasets, work, work)
        stores.datasets.add([draft("logs")], None, 1.0)
        yield stores
        return
    database = trainer_database(request.param, request, tmp_path)
    stores = Stores(SqlDatasetStore(database), SqlPaidWorkStore(database), SqlJournal(database))
    stores.datasets.add([draft("logs")], None, 1.0)
    yield stores
    database.close()


def new_work(uid: str = "l1", **fields: Any) -> PaidWork:
    made = PaidWork(
        uid=uid,
        kind=WorkKind.LABELLING,
        work_id=f"of-{uid}",
        spec={"metric": "metrics/toxicity", "rows": [1, 2]},
        needs=("datasets/logs@1",),
        allowance=Allowance(1000, 2.5, Prices(1.0, 3.0)),
        secret="aa" * 32,
        create_time=1.5,
    )
    return replace(made, **fields)


def expire(stores: Stores) -> None:
    """Do what somebody does who has seen the holders silent for a lease."""
    for sign in stores.work.life_signs():
        assert stores.work.expire(sign)
    assert stores.work.life_signs() == []


def claimed(stores: Stores, holder: str = "t-1", now: float = 10.0) -> tuple[PaidWork, WorkLease]:
    work = stores.work.claim(KINDS, holder, now)
    assert work is not None
    return work, WorkLease(work.uid, work.fence)


def test_work_comes_back_as_it_was_stored(stores: Stores) -> None:
    stored = stores.work.create(new_work(), None)

    assert stored == replace(new_work(), number=stored.number)
    assert stores.work.get(WorkKind.LABELLING, "of-l1") == stores.work.find("l1") == stored
    assert stored.name == "labellings/of-l1"


def test_what_is_not_there_is_said(stores: Stores) -> None:
    with pytest.raises(NotFoundError, match="labellings/none"):
        stores.work.get(WorkKind.LABELLING, "none")
    with pytest.raises(NotFoundError):
        stores.work.find("l9")
    with pytest.raises(NotFoundError):
        stores.work.create(new_work(needs=("datasets/none@1",)), None)


def test_an_id_is_taken_once_and_a_request_makes_one(stores: Stores) -> None:
    request = Request("17", "body")
    first = stores.work.create(new_work(), request)

    assert stores.work.create(new_work("l2"), request) == first == stores.work.replayed(request)
    with pytest.raises(AlreadyExistsError):
        stores.work.create(new_work("l3", work_id="of-l1"), None)
    with pytest.raises(RequestIdReusedError):
        stores.work.replayed(Request("17", "other"))


def test_pages_are_newest_first(stores: Stores) -> None:
    for uid in ("l1", "l2", "l3"):
        stores.work.create(new_work(uid), None)

    newest = stores.work.page(KINDS, None, 2)
    assert [work.uid for work in newest] == ["l3", "l2"]
    assert [work.uid for work in stores.work.page(KINDS, newest[-1].number, 2)] == ["l1"]
    assert stores.work.page([], None, 2) == []


def test_the_oldest_waiting_work_is_claimed_by_one(stores: Stores) -> None:
    for uid in ("l1", "l2"):
        stores.work.create(new_work(uid), None)

    assert claimed(stores, "t-1")[0].uid == "l1"
    assert claimed(stores, "t-2")[0].uid == "l2"
    assert stores.work.claim(KINDS, "t-3", 11.0) is None
    assert stores.work.claim([], "t-3", 99.0) is None
    assert stores.work.holders() == {"t-1", "t-2"}


def test_a_lease_that_ran_out_goes_to_another_and_the_first_may_write_no_more(stores: Stores) -> None:
    stores.work.create(new_work(), None)
    _, old = claimed(stores, "t-1", now=10.0)
    assert stores.work.claim(KINDS, "t-2", 1e9) is None  # no clock decides
    expire(stores)
    taken, new = claimed(stores, "t-2", now=31.0)

    assert (taken.holder, taken.attempts, taken.crashes, taken.start_time) == ("t-2", 2, 1, 10.0)
    with pytest.raises(LeaseLostError):
        stores.work.write_leased(old, lambda work: work, [Outcome("judged", 1, {})])
    stores.work.write_leased(new, lambda work: work)
    assert stores.work.outcomes("l1", ["judged"]) == []


def test_whatever_a_holder_writes_is_a_sign_of_life_and_renews_an_expired_lease(stores: Stores) -> None:
    stores.work.create(new_work(), None)
    _, lease = claimed(stores, "t-1")
    [before] = stores.work.life_signs()
    stores.work.write_leased(lease, lambda work: work)

    assert not stores.work.expire(before)
    expire(stores)
    assert stores.work.holders() == frozenset()
    stores.work.write_leased(lease, lambda work: work)

    assert stores.work.holders() == {"t-1"}
    assert stores.work.claim(KINDS, "t-2", 1e9) is None


def test_what_a_dead_trainer_held_is_claimed_at_once(stores: Stores) -> None:
    stores.work.create(new_work(), None)
    claimed(stores, "t-1", now=10.0)

    assert stores.work.expire_leases("t-1") == 1
    assert stores.work.expire_leases("t-1") == 0
    assert stores.work.holders() == frozenset()
    assert claimed(stores, "t-2", now=10.5)[0].crashes == 1


def test_outcomes_are_stored_in_their_order_and_written_twice_are_replaced(stores: Stores) -> None:
    stores.work.create(new_work(), None)
    _, lease = claimed(stores)
    made = [Outcome("judged", 3, {"label": "c"}), Outcome("judged", 1, {"label": "a"})]
    stores.work.write_leased(lease, lambda work: work, made)
    stores.work.write_leased(lease, lambda work: work, [Outcome("judged", 3, {"label": "d"})])
    stores.work.write_leased(lease, lambda work: work, [Outcome("failed", 2, {"reason": "r"})])

    assert stores.work.outcomes("l1", ["judged"]) == [
        ("judged", 1, {"label": "a"}),
        ("judged", 3, {"label": "d"}),
    ]
    assert [place for _, place, _ in stores.work.outcomes("l1", ["judged", "failed"], 1, 1)] == [2]
    stores.work.drop_outcomes("l1", ["failed"])
    assert stores.work.outcomes("l1", ["failed"]) == []


def test_an_answer_is_kept_with_what_it_cost_and_only_the_first_time(stores: Stores) -> None:
    stores.work.create(new_work(), None)
    claimed(stores)

    assert stores.journal.answer("l1", "k" * 64) is None
    stores.journal.keep("l1", "row 1", "k" * 64, ANSWER, SPENT)
    stores.journal.keep("l1", "row 1", "k" * 64, replace(ANSWER, text="another"), SPENT)

    assert stores.journal.answer("l1", "k" * 64) == ANSWER
    assert stores.journal.answer("l2", "k" * 64) is None
    assert stores.work.find("l1").spent == Tokens(40, 10)  # both were paid for
    stores.journal.keep("l9", "row 1", "k" * 64, ANSWER, SPENT)  # of nobody: nothing to keep it with
    assert stores.journal.answer("l9", "k" * 64) is None


def test_what_an_answer_cost_is_not_lost_by_a_change_that_was_read_before(stores: Stores) -> None:
    stores.work.create(new_work(), None)
    read, lease = claimed(stores)
    stores.journal.keep("l1", "row 1", "k" * 64, ANSWER, SPENT)

    written = stores.work.write_leased(lease, lambda _: read, spent=Tokens(3, 1))
    assert written.spent == stores.work.find("l1").spent == Tokens(23, 6)


def test_answers_are_dropped_with_the_outcomes_made_from_them_and_all_at_the_end(stores: Stores) -> None:
    stores.work.create(new_work(), None)
    _, lease = claimed(stores)
    for place in (1, 2, 3):
        stores.journal.keep("l1", f"row {place}", f"{place}" * 64, ANSWER, SPENT)

    stores.work.write_leased(lease, lambda work: work, [Outcome("judged", 1, {}, "row 1")])
    kept = [place for place in (1, 2, 3) if stores.journal.answer("l1", f"{place}" * 64)]
    assert kept == [2, 3]
    stores.work.write_leased(lease, lambda work: rules.failed(work, JudgeBudgetSpentError("Spent."), 20.0))
    assert stores.journal.answer("l1", "2" * 64) == ANSWER  # it may be resumed

    stores.work.change("l1", lambda work: rules.resumed(work, None))
    _, lease = claimed(stores)
    stores.work.write_leased(lease, lambda work: rules.done(work, {"rows": 3}, 30.0))
    assert stores.journal.answer("l1", "2" * 64) is None
    stores.journal.keep("l1", "row 4", "4" * 64, ANSWER, SPENT)  # came too late
    assert stores.journal.answer("l1", "4" * 64) is None
    assert stores.work.find("l1").result == {"rows": 3}


def test_an_answer_shows_that_the_work_gets_somewhere(stores: Stores) -> None:
    stores.work.create(new_work(), None)
    for attempt in range(rules.MAX_CRASHES + 1):
        expire(stores)
        work, _ = claimed(stores, now=100.0 * attempt)
    assert rules.poisoned(work) is not None

    stores.journal.keep("l1", "row 1", "k" * 64, ANSWER, SPENT)
    assert rules.poisoned(stores.work.find("l1")) is None


def test_work_is_cancelled_by_its_holder_or_at_once_where_nobody_is_at_it(stores: Stores) -> None:
    stores.work.create(new_work("l1"), None)
    stores.work.create(new_work("l2"), None)
    claimed(stores, now=10.0)

    held = stores.work.change("l1", lambda work: rules.cancelled(work, 11.0))
    free = stores.work.change("l2", lambda work: rules.cancelled(work, 11.0))
    assert (held.state, held.cancel_requested) == (WorkState.WORKING, True)
    assert (free.state, free.end_time) == (WorkState.CANCELLED, 11.0)
    assert stores.work.settle_cancelled(12.0) == 0  # its holder lives
    expire(stores)
    assert stores.work.settle_cancelled(31.0) == 1
    assert stores.work.find("l1").state is WorkState.CANCELLED


def test_what_ended_is_resumed_with_another_allowance_and_keeps_what_it_spent(stores: Stores) -> None:
    stores.work.create(new_work(), None)
    with pytest.raises(WorkStateError):
        stores.work.change("l1", lambda work: rules.resumed(work, None))
    _, lease = claimed(stores)
    stores.journal.keep("l1", "row 1", "k" * 64, ANSWER, SPENT)
    error = JudgeBudgetSpentError("Spent.", spent_tokens="25")
    failed = stores.work.write_leased(lease, lambda work: rules.failed(work, error, 20.0))
    assert (failed.error.reason, failed.error.metadata) == ("JUDGE_BUDGET_SPENT", {"spent_tokens": "25"})

    resumed = stores.work.change("l1", lambda work: rules.resumed(work, Allowance(5000)))
    assert (resumed.state, resumed.error, resumed.spent) == (WorkState.WORKING, None, SPENT)
    assert resumed.allowance == Allowance(5000)
    with pytest.raises(LeaseLostError):
        stores.work.write_leased(lease, lambda work: work)


def test_work_that_waits_for_a_person_is_claimed_once_it_goes_on(stores: Stores) -> None:
    stores.work.create(new_work(), None)
    _, lease = claimed(stores)
    stores.work.write_leased(lease, lambda work: rules.waiting(work, "awaiting_review"))

    assert stores.work.claim(KINDS, "t-1", 99.0) is None
    stores.work.change("l1", lambda work: rules.continued(work, "generating"))
    work, _ = claimed(stores, now=99.0)
    assert (work.stage, work.crashes) == ("generating", 0)


def test_a_dataset_is_kept_while_work_needs_it(stores: Stores) -> None:
    stores.work.create(new_work(), None)
    with pytest.raises(ResourceInUseError, match="labellings/of-l1"):
        stores.datasets.delete("logs", 5.0)

    stores.work.change("l1", lambda work: rules.cancelled(work, 11.0))
    stores.datasets.delete("logs", 5.0)
