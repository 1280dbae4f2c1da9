"""What a late start, a defect of our own or thousands of callers leave behind: nothing."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from gnomon.errors import DeadlineExceededError, InternalError, OverloadedError
from gnomon_scorer.domain import scheduler as module
from gnomon_scorer.domain.fairness import MOST_CALLERS, Turns
from gnomon_scorer.domain.scheduler import Ran, Scheduler
from gnomon_scorer.domain.stations import Cores
from tests.scorer.fakes import FakeBackend, Gate, loaded_version, tokens, until


class Hands:
    """A clock that is moved by hand."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
async def clock():
    return Hands()


@pytest.fixture
async def scheduler(clock):
    with ThreadPoolExecutor(1) as threads:
        scheduler = Scheduler(Cores(1, threads), 10_000, clock=clock)
        yield scheduler
        await scheduler.stop()


async def test_what_is_late_when_a_core_comes_to_it_is_told_so_and_never_run(scheduler, clock):
    gate = Gate()
    backend = FakeBackend(gate)
    version = loaded_version(backend)
    busy = asyncio.create_task(scheduler.score([(version, tokens(1))], None))
    await until(gate.entered.is_set)
    # The alarm of the event loop is a thousand seconds away: the core itself has to look.
    waits = asyncio.create_task(scheduler.score([(version, tokens(2))], clock() + 1000.0))
    await until(lambda: scheduler.queued_tokens == 1)
    clock.now += 2000.0
    gate.open()

    assert isinstance((await busy)[0], Ran)
    assert isinstance((await waits)[0], DeadlineExceededError)
    assert [len(batch) for batch in backend.batches] == [1]


async def test_a_refused_call_makes_no_entries(scheduler, monkeypatch):
    gate = Gate()
    version = loaded_version(FakeBackend(gate))
    filling = asyncio.create_task(scheduler.score([(version, tokens(*range(2_000)))] * 5, None))
    await until(gate.entered.is_set)
    with monkeypatch.context() as context:
        context.setattr(module, "Entry", lambda *_: pytest.fail("An entry was made."))
        with pytest.raises(OverloadedError):
            await scheduler.score([(version, tokens(1, 2))] * 2_000, None)
    gate.open()

    assert len(await filling) == 5


async def test_a_defect_in_a_batch_is_told_and_the_core_goes_on(scheduler, monkeypatch):
    backend = FakeBackend()
    version = loaded_version(backend)
    with monkeypatch.context() as broken:
        broken.setattr(module, "run_all", lambda *_: 1 / 0)
        apologies = await scheduler.score([(version, tokens(3)), (version, tokens(4))], None)
    after = await scheduler.score([(version, tokens(5))], None)

    assert [type(outcome) for outcome in apologies] == [InternalError, InternalError]
    assert isinstance(after[0], Ran)
    version.close()
    await until(lambda: backend.is_closed)  # the failed batch holds it no more


def test_turns_forget_callers_who_left_once_there_are_too_many():
    turns = Turns(turn_tokens=100)
    turns.add("stays", 10)
    callers = [f"caller {number}" for number in range(5 * MOST_CALLERS)]
    for caller in callers:
        turns.add(caller, 10)
        turns.serve(caller, 10)
        turns.remove(caller, 10)

    assert list(turns.waiting) == ["stays"]
    assert len(turns._served) <= 4 * MOST_CALLERS
    assert turns.eligible() == ["stays"]
