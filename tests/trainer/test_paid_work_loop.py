"""The task that does paid work, its lease, and the chat that remembers answers."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gnomon.errors import LeaseLostError, ProviderRefusedError, ServiceUnavailableError, StorageFullError
from gnomon_trainer.adapters.presence import PresenceFiles
from gnomon_trainer.domain import paid_work as rules
from gnomon_trainer.domain.chat import ChatAnswer, ChatMessage, ChatRequest, Endpoint, Role
from gnomon_trainer.domain.chat_budget import Budget, PaidChat, Tokens
from gnomon_trainer.domain.derived_bytes import DerivedBytes
from gnomon_trainer.domain.held_work import HeldWork
from gnomon_trainer.domain.leases import Confirmed
from gnomon_trainer.domain.paid_work import PaidWork, WorkKind, WorkState
from gnomon_trainer.domain.paid_work_loop import PaidWorkLoop
from gnomon_trainer.domain.paid_work_store import Outcome
from gnomon_trainer.domain.remembered_chat import KeptChat, RememberedChat
from tests.trainer.fake_paid_work import FakePaidWorkStore
from tests.trainer.fakes import FakeStores
from tests.trainer.test_paid_work_contract import new_work
from tests.trainer.things import draft

ENDPOINT = Endpoint("providers/main", "https://a.example/v1", "tiny-1", "sk-secret")


class Presence:
    def __init__(self, holder: str = "t-1", *gone: str) -> None:
        self.holder = holder
        self._gone = gone

    def announce(self) -> None:
        pass

    def is_gone(self, holder: str) -> bool:
        return holder in self._gone


class Worker:
    """Does what a test says."""

    kind = WorkKind.LABELLING

    def __init__(self, does: Callable[[HeldWork], Any]) -> None:
        self._does = does

    async def work(self, held: HeldWork) -> Any:
        return await self._does(held)


@pytest.fixture
def store() -> FakePaidWorkStore:
    stores = FakeStores()
    stores.datasets.add([draft("logs")], None, 1.0)
    return FakePaidWorkStore(stores)


@pytest.fixture
async def loops() -> AsyncIterator[list[PaidWorkLoop]]:
    started: list[PaidWorkLoop] = []
    yield started
    for loop in started:
        await loop.stop()


def loop_of(store: Any, does: Any, presence: Presence | None = None, **fields: Any) -> PaidWorkLoop:
    ticks = itertools.count(100)
    clock = lambda: float(next(ticks)) / 1000  # noqa: E731
    values = {"clock": clock, "elapsed": clock, "lease_s": 5.0} | fields
    return PaidWorkLoop(store=store, workers=[Worker(does)], presence=presence or Presence(), **values)


async def until(store: Any, check: Callable[[PaidWork], bool]) -> PaidWork:
    async with asyncio.timeout(5):
        while not check(store.find("l1")):
            await asyncio.sleep(0.01)
    return store.find("l1")


async def endless(held: HeldWork) -> Any:
    held.show({"rows": 3}, "labelling")
    await asyncio.sleep(60)


async def test_work_is_done_and_what_came_of_it_is_stored(store: Any, loops: list[Any]) -> None:
    async def does(held: HeldWork) -> Any:
        held.show({"rows": 1}, "labelling")
        held.add(Outcome("judged", 1, {"label": "true"}))
        return lambda work: rules.done(work, {"rows": 1}, 9.0)

    store.create(new_work(), None)
    loops.append(loop_of(store, does))
    loops[0].start()

    work = await until(store, lambda work: work.is_done)
    assert (work.state, work.result, work.progress, work.stage) == (
        WorkState.DONE,
        {"rows": 1},
        {"rows": 1},
        "labelling",
    )
    assert store.outcomes("l1", ["judged"]) == [("judged", 1, {"label": "true"})]


@pytest.mark.parametrize(
    ("error", "reason"), [(ProviderRefusedError("No."), "PROVIDER_REFUSED"), (KeyError("text"), "INTERNAL")]
)
async def test_work_that_fails_says_why_without_the_words_of_a_defect(
    store: Any, loops: list[Any], error: Exception, reason: str
) -> None:
    async def does(held: HeldWork) -> Any:
        raise error

    store.create(new_work(), None)
    loops.append(loop_of(store, does))
    loops[0].start()

    work = await until(store, lambda work: work.is_done)
    assert (work.state, work.error.reason) == (WorkState.FAILED, reason)
    assert "text" not in work.error.message


async def test_work_is_put_off_and_not_failed_while_the_database_is_away(
    store: Any, loops: list[Any]
) -> None:
    away = [True, True]

    async def does(held: HeldWork) -> Any:
        if away:
            away.pop()
            raise ServiceUnavailableError("Away.", retry_after_s=1.0)
        return lambda work: rules.done(work, {}, 9.0)

    store.create(new_work(), None)
    loops.append(loop_of(store, does))
    loops[0].start()

    work = await until(store, lambda work: work.is_done)
    assert (work.state, work.attempts, work.crashes) == (WorkState.DONE, 3, 0)


async def test_cancelled_work_stops_within_a_second(store: Any, loops: list[Any]) -> None:
    store.create(new_work(), None)
    loops.append(loop_of(store, endless))
    loops[0].start()
    await until(store, lambda work: work.progress == {"rows": 3})

    store.change("l1", lambda work: rules.cancelled(work, 0.2))
    async with asyncio.timeout(10):
        work = await until(store, lambda work: work.is_done)
    assert (work.state, work.progress) == (WorkState.CANCELLED, {"rows": 3})


async def test_a_trainer_that_stops_gives_its_work_back(store: Any, loops: list[Any]) -> None:
    store.create(new_work(), None)
    loops.append(loop_of(store, endless))
    loops[0].start()
    await until(store, lambda work: work.progress == {"rows": 3})

    async with asyncio.timeout(10):
        await loops[0].stop()
    work = store.find("l1")
    assert (work.state, work.holder, work.crashes) == (WorkState.WORKING, "", 0)


async def test_what_a_dead_trainer_held_is_taken_at_once(store: Any, loops: list[Any]) -> None:
    store.create(new_work(), None)
    store.claim([WorkKind.LABELLING], "t-dead", 0.1)
    store.create(new_work("l2"), None)
    store.claim([WorkKind.LABELLING], "t-lives", 0.1)

    loops.append(loop_of(store, endless, Presence("t-1", "t-dead")))
    loops[0].start()
    await until(store, lambda work: work.holder == "t-1")
    assert store.find("l2").holder == "t-lives"


async def test_who_lost_the_lease_stops_and_writes_nothing(store: Any, loops: list[Any]) -> None:
    store.create(new_work(), None)
    loops.append(loop_of(store, endless))
    loops[0].start()
    await until(store, lambda work: work.progress == {"rows": 3})

    store.change("l1", lambda work: replace(work, fence=work.fence + 1, holder="t-2"))
    async with asyncio.timeout(2):
        while loops[0]._tasks:
            await asyncio.sleep(0.01)
    assert (store.find("l1").state, store.find("l1").holder) == (WorkState.WORKING, "t-2")


async def test_work_that_kills_its_trainer_again_and_again_is_left(store: Any, loops: list[Any]) -> None:
    store.create(new_work(crashes=rules.MAX_CRASHES), None)
    loops.append(loop_of(store, endless))
    loops[0].start()

    work = await until(store, lambda work: work.is_done)
    assert "died 5 times" in work.error.message


def test_a_process_is_gone_once_its_lock_is(tmp_path: Path) -> None:
    one, other = PresenceFiles(tmp_path), PresenceFiles(tmp_path)
    one.announce()

    assert one.holder != other.holder
    assert not other.is_gone(one.holder)
    assert not other.is_gone("t-unknown")  # it may be elsewhere
    assert one._file is not None
    one._file.close()  # as at its end
    assert other.is_gone(one.holder)
    other.announce()
    assert [path.name for path in tmp_path.iterdir()] == [other.holder]
    other.leave()
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ remembered answers


class Chat:
    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None

    async def complete(self, endpoint: Endpoint, request: ChatRequest, *, deadline_s: float) -> ChatAnswer:
        self.asked += 1
        if self.error:
            raise self.error
        return ChatAnswer(f"answer {self.asked}", "tiny-1", 20, 5)


def remembering(inner: Chat, store: Any, budget: Budget, check: Callable[[], None] = lambda: None) -> Any:
    kept = KeptChat(PaidChat(inner, budget), store, budget, uid="l1", subject="row 1", check=check)
    return RememberedChat(kept, store, "l1")


def asked(text: str) -> ChatRequest:
    return ChatRequest([ChatMessage(Role.USER, text)])


async def ask(chat: Any, text: str, endpoint: Endpoint = ENDPOINT) -> str:
    return (await chat.complete(endpoint, asked(text), deadline_s=1.0)).text


async def test_the_same_question_is_paid_once_also_by_another_process(store: Any) -> None:
    store.create(new_work(), None)
    inner, budget = Chat(), Budget()

    def remembered() -> Any:
        return remembering(inner, store, budget)

    assert await ask(remembered(), "one") == "answer 1"
    assert await ask(remembered(), "one", replace(ENDPOINT, key="sk-another")) == "answer 1"
    assert await ask(remembered(), "two") == "answer 2"
    assert await ask(remembered(), "one", replace(ENDPOINT, model="tiny-2")) == "answer 3"
    assert await ask(remembered(), "one", replace(ENDPOINT, base_url="https://b.example")) == "answer 4"
    assert store.find("l1").spent == budget.spent == Tokens(80, 20)


async def test_nothing_is_asked_where_nothing_may_be_spent_but_answers_are_given(store: Any) -> None:
    def refuses() -> None:
        raise LeaseLostError("Lost.")

    store.create(new_work(), None)
    inner, budget = Chat(), Budget()
    chats = [remembering(inner, store, budget, check) for check in (lambda: None, refuses)]
    await ask(chats[0], "one")

    assert await ask(chats[1], "one") == "answer 1"
    with pytest.raises(LeaseLostError):
        await ask(chats[1], "two")
    assert inner.asked == 1


async def test_what_could_not_be_written_down_is_still_counted_later(store: Any) -> None:
    store.create(new_work(), None)
    inner, budget = Chat(), Budget()
    chat = remembering(inner, store, budget)
    keep = store.keep

    def full(*arguments: Any) -> None:
        raise StorageFullError("Full.")

    store.keep = full
    with pytest.raises(StorageFullError):
        await ask(chat, "one")
    store.keep = keep
    await ask(chat, "two")

    assert store.find("l1").spent == budget.spent == Tokens(40, 10)


async def test_a_call_that_broke_off_is_counted_with_what_is_written_next(store: Any) -> None:
    store.create(new_work(), None)
    work = store.claim([WorkKind.LABELLING], "t-1", 1.0)
    held = HeldWork(store, work, Confirmed(20.0, lambda: 1.0, 1.0))
    inner = Chat()
    inner.error = TimeoutError()
    with pytest.raises(TimeoutError):
        await PaidChat(inner, held.budget).complete(ENDPOINT, asked("x" * 300), deadline_s=1.0)

    await held.flush()
    assert store.find("l1").spent == held.budget.spent == Tokens(100, 200)


def test_derived_bytes_are_the_same_again_and_differ_by_subject_secret_and_call() -> None:
    def made(secret: bytes = b"s", subject: str = "row 1") -> list[bytes]:
        source = DerivedBytes(secret, subject)
        return [source(16), source(16), source(80)]

    assert made() == made()
    every = {*made(), *made(b"t"), *made(subject="row 2"), *made(subject="row 1\n1")}
    assert len(every) == 12
    assert [len(each) for each in made()] == [16, 16, 80]
