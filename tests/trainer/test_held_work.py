"""How a trainer keeps the paid work that it is at, and notices that it has lost it."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from gnomon.errors import LeaseLostError, ServiceUnavailableError, StorageFullError
from gnomon_trainer.domain import held_work
from gnomon_trainer.domain import paid_work as rules
from gnomon_trainer.domain.chat import ChatMessage, ChatRequest, Role
from gnomon_trainer.domain.chat_budget import Tokens
from gnomon_trainer.domain.held_work import HeldWork
from gnomon_trainer.domain.leases import Confirmed
from gnomon_trainer.domain.paid_work import PaidWork, WorkKind
from gnomon_trainer.domain.paid_work_store import Outcome
from tests.trainer.fake_paid_work import FakePaidWorkStore
from tests.trainer.fakes import FakeStores
from tests.trainer.test_held_run import Clock
from tests.trainer.test_paid_work_contract import new_work
from tests.trainer.things import draft

LEASE_S = 0.1  # by a clock that is set by hand; it is looked after every quarter of it
AWAY = ServiceUnavailableError("Away.", retry_after_s=1.0)


class Bench:
    """Work that a trainer has claimed, on fakes."""

    def __init__(self) -> None:
        stores = FakeStores()
        stores.datasets.add([draft("logs")], None, 1.0)
        self.store, self.clock = FakePaidWorkStore(stores), Clock()
        self.store.create(new_work(), None)
        self.held = HeldWork(self.store, self.claim("t-1"), Confirmed(LEASE_S, self.clock, self.clock()))

    def claim(self, holder: str) -> PaidWork:
        work = self.store.claim([WorkKind.LABELLING], holder, self.clock())
        assert work is not None
        return work

    def expire(self) -> None:
        """Do what somebody does who has seen the holder silent for a lease."""
        for sign in self.store.life_signs():
            assert self.store.expire(sign)

    def judge(self, label: str) -> None:
        """Pay for what comes of row 1."""
        reserved = self.held.budget.reserve(ChatRequest([ChatMessage(Role.USER, "one")]))
        self.held.budget.settle(reserved, Tokens(20, 5))
        self.held.add(Outcome("judged", 1, {"label": label}))

    def stored(self) -> tuple[list[str], Tokens]:
        """Return what came of row 1, and what was spent."""
        labels = [body["label"] for _, _, body in self.store.outcomes("l1", ["judged"])]
        return labels, self.store.find("l1").spent


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_nothing_is_spent_from_the_moment_at_which_another_may_be_at_it(bench: Bench) -> None:
    bench.held.check()
    bench.clock.now += LEASE_S
    with pytest.raises(LeaseLostError, match="Another trainer is at it, or it was ended"):
        bench.held.check()

    bench.expire()
    await bench.held.flush()  # nobody took it meanwhile

    bench.held.check()
    assert bench.store.find("l1").is_leased


async def test_who_finds_another_at_it_spends_and_writes_nothing_more(bench: Bench) -> None:
    bench.expire()
    bench.claim("t-2")
    bench.judge("true")

    for attempt in (bench.held.until_cancelled, bench.held.flush):
        with pytest.raises(LeaseLostError):
            await attempt()
    with pytest.raises(LeaseLostError):
        bench.held.check()
    assert (bench.stored(), bench.store.find("l1").holder) == (([], Tokens()), "t-2")


async def test_what_could_not_be_written_is_written_once_with_what_comes_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> PaidWork:
        bench.judge("false")  # while it is tried; the later one is the one that counts
        raise StorageFullError("Full.")

    bench.judge("true")
    with monkeypatch.context() as patch:
        patch.setattr(bench.store, "write_leased", full)
        with pytest.raises(StorageFullError):
            await bench.held.flush()
    assert bench.stored() == ([], Tokens())

    await bench.held.flush()
    await bench.held.flush()

    assert bench.stored() == (["false"], Tokens(40, 10))


@pytest.mark.parametrize("error", [None, AWAY])
async def test_a_write_that_is_broken_off_is_counted_once_whether_or_not_it_was_stored(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    write, began, goes_on = bench.store.write_leased, threading.Event(), threading.Event()

    def slow(*arguments: Any) -> PaidWork:
        began.set()
        assert goes_on.wait(5)
        if error:
            raise error
        return write(*arguments)

    bench.judge("true")
    with monkeypatch.context() as patch:
        patch.setattr(bench.store, "write_leased", slow)
        writing = asyncio.create_task(bench.held.flush())
        assert await asyncio.to_thread(began.wait, 5)
        writing.cancel()
        goes_on.set()
        with pytest.raises(asyncio.CancelledError):
            await writing
    assert bench.stored() == (([], Tokens()) if error else (["true"], Tokens(20, 5)))

    await bench.held.flush()

    assert bench.stored() == (["true"], Tokens(20, 5))


@pytest.mark.parametrize("method", ["write_leased", "find"])
@pytest.mark.parametrize("error", [AWAY, OSError("what a user wrote")], ids=["busy", "unforeseen"])
async def test_the_lease_outlasts_troubles_of_the_database_and_a_cancellation_is_seen_after_them(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, method: str, error: Exception
) -> None:
    told: list[str] = []
    monkeypatch.setattr(held_work.log, "warning", lambda text, *values: told.append(text % values))
    troubles = [error, error]
    works: Callable[..., PaidWork] = getattr(bench.store, method)

    def troubled(*arguments: Any) -> PaidWork:
        if troubles:
            raise troubles.pop()
        return works(*arguments)

    if method == "write_leased":
        bench.judge("true")
    bench.store.change("l1", lambda work: rules.cancelled(work, bench.clock()))
    monkeypatch.setattr(bench.store, method, troubled)
    async with asyncio.timeout(5):
        await bench.held.until_cancelled()

    assert bench.held.work.cancel_requested
    assert bench.stored() == ((["true"], Tokens(20, 5)) if method == "write_leased" else ([], Tokens()))
    assert told == [f"heartbeat failed: labellings/of-l1: {type(error).__name__}"] * 2


async def test_who_could_not_renew_the_lease_in_time_gives_it_up_though_nobody_has_taken_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> PaidWork:
        bench.clock.now += LEASE_S
        raise AWAY

    bench.judge("true")
    with monkeypatch.context() as patch:
        patch.setattr(bench.store, "write_leased", away)
        async with asyncio.timeout(5):
            with pytest.raises(LeaseLostError):
                await bench.held.until_cancelled()

    with pytest.raises(LeaseLostError):
        await bench.held.flush()
    assert (bench.stored(), bench.store.find("l1").holder) == (([], Tokens()), "t-1")
