"""The use case over fakes: what is done once, and what is not done at all."""

import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from gnomon.errors import (
    ArtifactCorruptError,
    DeadlineExceededError,
    EvaluatorFailedError,
    InstanceInvalidError,
    NotFoundError,
    OverloadedError,
    VersionLoadingError,
)
from gnomon.instances import text_span
from gnomon.names import AliasName
from gnomon_scorer.domain import scoring as scoring_module
from gnomon_scorer.domain.lanes import Lane
from gnomon_scorer.domain.metering import Unmetered
from gnomon_scorer.domain.observing import Silent
from gnomon_scorer.domain.ports import AliasSet, VersionCreated
from gnomon_scorer.domain.scheduler import Scheduler
from gnomon_scorer.domain.scores import Scored, ScoreRequest
from gnomon_scorer.domain.scoring import ScoringService
from gnomon_scorer.domain.stations import Cores
from tests.scorer.fakes import FakeTokenizer, Gate, until, version_name
from tests.scorer.test_versions import World

V1, V2 = version_name("toxicity/1"), version_name("toxicity/2")


@contextlib.asynccontextmanager
async def scoring(*snapshot, load_wait_s=5.0, **more):
    world = World(*(snapshot or (VersionCreated(V1), VersionCreated(V2))))
    with ThreadPoolExecutor(2) as quick, ThreadPoolExecutor(1) as slow:
        scheduler = Scheduler(Cores(1, quick), 10_000, world.versions.fail)
        service = ScoringService(
            world.follower,
            world.versions,
            scheduler,
            quick=quick,
            slow=slow,
            bulk=slow,
            load_wait_s=load_wait_s,
            **more,
        )
        async with world.running():
            await until(lambda: world.follower.is_ready)
            yield world, service
        await scheduler.stop()


def counting(monkeypatch, owner, name):
    """Return a list that grows with each call of a method."""
    calls, method = [], getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *given: calls.append(given) or method(*given))
    return calls


def request(*names, texts=("one two", "three"), deadline=None):
    readers = [lambda text=text: text_span(output=text) for text in texts]
    return ScoreRequest(tuple(map(version_name, names)), readers, 100, deadline)


async def test_versions_with_the_same_tokenizer_share_the_tokens(monkeypatch):
    encoded = []
    encode = FakeTokenizer.encode
    monkeypatch.setattr(
        FakeTokenizer,
        "encode",
        lambda self, texts, most: [encoded.append(t) for t in texts] and encode(self, texts, most),
    )
    async with scoring() as (_, service):
        await service.score(request("toxicity/1", "toxicity/2"))  # loads and warms them
        encoded.clear()

        await service.score(request("toxicity/1", "toxicity/2"))

    assert [text.text for text in encoded] == ["one two", "three"]


class Panic(BaseException):
    """What a library in Rust raises where it gives up."""


@pytest.mark.parametrize("failure", [Exception("no unknown token"), Panic("retry limit")], ids=repr)
@pytest.mark.parametrize("place", [0, 1, 2])
async def test_a_text_that_the_tokenizer_fails_on_fails_alone(monkeypatch, failure, place):
    def encode(self, texts, most):
        if any("poison" in text.text for text in texts):
            raise failure
        return encode_others(self, texts, most)

    encode_others = FakeTokenizer.encode
    monkeypatch.setattr(FakeTokenizer, "encode", encode)
    texts = ["one two", "three"]
    async with scoring() as (_, service):
        want = await service.score(request("toxicity/1", "toxicity/2", texts=texts))
        texts.insert(place, "poison")

        got = await service.score(request("toxicity/1", "toxicity/2", texts=texts))

    failed = got.outcomes.pop(place)
    assert [(type(error), error.metadata["metric_version"]) for error in failed] == [
        (EvaluatorFailedError, str(V1)),
        (EvaluatorFailedError, str(V2)),
    ]
    assert got.outcomes == want.outcomes


async def test_texts_that_the_tokenizer_fails_on_are_counted_as_not_scored(monkeypatch):
    class Heard(Silent):
        def dropped(self, version, reason):
            dropped.append((version, reason))

    def fails(*_):
        raise Exception("no unknown token")

    dropped = []
    async with scoring(observer=Heard()) as (_, service):
        await service.score(request("toxicity/1"))
        monkeypatch.setattr(FakeTokenizer, "encode", fails)

        await service.score(request("toxicity/1"))

    assert dropped == [(V1, "poisonous")] * 2


class Counted(Unmetered):
    """Remembers what was debited."""

    def __init__(self):
        self.debits = []

    def debit_tokens(self, tokens):
        self.debits.append(tokens)


async def test_tokens_of_a_refused_request_are_not_debited_however_often_it_comes_again():
    meter = Counted()
    async with scoring(meter=meter) as (world, service):
        await service.score(request("toxicity/1"))
        meter.debits.clear()
        gate = world.runtime.backends["toxicity-1"].behave = Gate()
        large = replace(request("toxicity/1", texts=["word " * 32] * 256), size_bytes=50_000)
        filling = asyncio.create_task(service.score(large))
        await until(gate.entered.is_set)
        for _ in range(6):
            with pytest.raises(OverloadedError):
                await service.score(large)
        gate.open()
        await filling

    assert meter.debits == [32 * 256]


async def test_a_part_of_a_stream_is_debited_once_it_has_room(monkeypatch):
    async def full_at_first(scheduler, *wanted):
        seen.append(list(meter.debits))
        if len(seen) == 3:
            monkeypatch.setattr(Scheduler, "score", score)
        raise OverloadedError("The queue is full.", retry_after_s=0.01, why="queue_full")

    seen, score, meter = [], Scheduler.score, Counted()
    async with scoring(meter=meter) as (_, service):
        monkeypatch.setattr(Scheduler, "score", full_at_first)
        await service.score(replace(request("toxicity/1"), waits=True))

    assert seen == [[], [], []]
    assert meter.debits == [3]


async def test_a_part_of_a_stream_that_waits_for_room_is_handed_over_once(monkeypatch):
    handed = []

    async def score(scheduler, wanted, *more):
        handed.append(len(wanted))
        return await hand(scheduler, wanted, *more)

    hand = Scheduler.score
    async with scoring() as (world, service):
        await service.score(request("toxicity/1"))
        gate = world.runtime.backends["toxicity-1"].behave = Gate()
        large = replace(request("toxicity/1", texts=["word " * 32] * 256), lane=Lane.BULK, waits=True)
        filling = asyncio.create_task(service.score(large))
        await until(gate.entered.is_set)
        monkeypatch.setattr(Scheduler, "score", score)
        monkeypatch.setattr(scoring_module, "_LONGEST_PAUSE_S", 0.001)
        refusals = counting(monkeypatch, Scheduler, "expect")
        waiting = asyncio.create_task(service.score(large))
        await until(lambda: len(refusals) > 10)
        before = list(handed)
        gate.open()
        await asyncio.gather(filling, waiting)

    assert before == []
    assert handed == [256]


async def test_a_part_without_anything_to_run_waits_for_no_room(monkeypatch):
    def full(*_):
        raise OverloadedError("The queue is full.", retry_after_s=60.0, why="queue_full")

    async with scoring() as (_, service):
        monkeypatch.setattr(Scheduler, "expect", full)
        answer = await service.score(replace(request("toxicity/1", texts=[" "]), waits=True))

    assert type(answer.outcomes[0][0]) is InstanceInvalidError


async def test_tokens_are_debited_before_anything_of_them_is_run():
    meter = Counted()
    async with scoring(meter=meter) as (world, service):
        await service.score(request("toxicity/1"))
        gate = world.runtime.backends["toxicity-1"].behave = Gate()
        call = asyncio.create_task(service.score(request("toxicity/1")))
        await until(gate.entered.is_set)
        debits = list(meter.debits)
        gate.open()
        await call

    assert debits == meter.debits == [3, 3]


async def test_tokens_of_a_request_whose_time_is_over_once_it_is_read_are_not_debited(monkeypatch):
    now, encode = [100.0], FakeTokenizer.encode

    def slowly(self, texts, most):
        now[0] += 10.0
        return encode(self, texts, most)

    meter = Counted()
    async with scoring(meter=meter, clock=lambda: now[0]) as (_, service):
        await service.score(request("toxicity/1"))
        meter.debits.clear()
        monkeypatch.setattr(FakeTokenizer, "encode", slowly)
        with pytest.raises(DeadlineExceededError):
            await service.score(request("toxicity/1", deadline=now[0] + 5.0))

    assert meter.debits == []


@pytest.mark.parametrize(("waits", "counted"), [(False, ["queue_full"]), (True, [])])
async def test_who_waits_for_room_is_not_counted_as_refused(waits, counted, monkeypatch):
    class Heard(Silent):
        def refused(self, reason, lane):
            refused.append(reason)

    async def full_once(scheduler, *wanted):
        monkeypatch.setattr(Scheduler, "score", score)
        raise OverloadedError("The queue is full.", retry_after_s=0.01, why="queue_full")

    refused, score = [], Scheduler.score
    async with scoring(observer=Heard()) as (_, service):
        monkeypatch.setattr(Scheduler, "score", full_once)
        with contextlib.nullcontext() if waits else pytest.raises(OverloadedError):
            await service.score(replace(request("toxicity/1"), waits=waits))

    assert refused == counted


async def test_a_deadline_already_past_does_no_work():
    async with scoring() as (world, service):
        with pytest.raises(DeadlineExceededError):
            await service.score(request("toxicity/1", deadline=time.monotonic() - 1))

        assert not world.bundles.fetches


async def test_one_alias_means_one_version_for_a_whole_request():
    alias = AliasName("toxicity", "production")
    async with scoring(AliasSet(alias, V1), VersionCreated(V2)) as (world, service):
        calls = [asyncio.create_task(service.score(request("toxicity/production"))) for _ in range(5)]
        world.catalog.send(AliasSet(alias, V2))
        answers = await asyncio.gather(*calls)

        for answer in answers:
            assert len({outcome.version for row in answer.outcomes for outcome in row}) == 1


async def test_a_version_that_cannot_be_loaded_is_an_error_of_its_own_items():
    async with scoring() as (world, service):
        world.bundles.errors[V2] = ArtifactCorruptError("altered")

        answer = await service.score(request("toxicity/2", "toxicity/1"))

        assert [[type(o) for o in row] for row in answer.outcomes] == [[ArtifactCorruptError, Scored]] * 2


async def test_where_no_version_can_be_used_the_call_fails_with_what_may_pass():
    async with scoring(load_wait_s=0.01) as (world, service):
        world.bundles.gates[V2] = asyncio.Event()

        with pytest.raises(VersionLoadingError):
            await service.score(request("nothing/1", "toxicity/2"))
        with pytest.raises(NotFoundError):
            await service.score(request("nothing/1", "nothing/2"))


async def test_a_caller_with_little_time_does_not_wait_for_a_load_to_the_end():
    async with scoring() as (world, service):
        world.bundles.gates[V2] = asyncio.Event()

        answer = await service.score(request("toxicity/2", "toxicity/1", deadline=time.monotonic() + 0.5))

        assert [type(outcome) for outcome in answer.outcomes[0]] == [VersionLoadingError, Scored]


async def test_instances_that_cannot_be_read_fail_alone():
    def broken():
        raise InstanceInvalidError("nothing")

    async with scoring() as (_, service):
        asked = request("toxicity/1")
        answer = await service.score(replace(asked, readers=[broken, *asked.readers]))

        assert [type(row[0]) for row in answer.outcomes] == [InstanceInvalidError, Scored, Scored]


async def test_callers_who_insist_on_an_unknown_name_do_not_reach_the_registry_each_time():
    async with scoring() as (world, service):
        asked = []
        find = world.catalog.find

        async def counted(name):
            asked.append(name)
            return await find(name)

        world.catalog.find = counted
        for _ in range(5):
            with pytest.raises(NotFoundError, match="nothing"):
                await service.score(request("nothing/production"))

        assert len(asked) == 1


async def test_leases_end_with_the_call():
    async with scoring() as (world, service):
        await service.score(request("toxicity/1"))
        world.versions.unload(V1)

        assert world.runtime.backends["toxicity-1"].is_closed
