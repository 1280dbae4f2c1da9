"""Answers that are kept: the right ones, within bounds, and never in anybody's way."""

import asyncio
import threading
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.bundle import Windows
from gnomon.convert import instance_to_proto
from gnomon.errors import OverloadedError
from gnomon.fitting import Part, Rank
from gnomon.instances import text_span
from gnomon.rendering import Rendered
from gnomon.v1 import scorer_service_pb2 as pb
from gnomon_scorer.domain.lanes import Lane
from gnomon_scorer.domain.observing import Silent
from gnomon_scorer.domain.response_cache import ENTRY_BYTES, LOGIT_BYTES, Answer, ResponseCache, key_of
from tests.scorer.evaluators import make_bundle
from tests.scorer.fakes import FakeBackend, Gate, loaded_version, until
from tests.scorer.serving import HeldRuntime, logits_of, scoring
from tests.scorer.test_scoring import request
from tests.scorer.test_scoring import scoring as use_case

ENTRY = ENTRY_BYTES + 2 * LOGIT_BYTES


def answer(number, classes=2):
    return Answer((float(number),) * classes, 3, False)


operations = st.lists(
    st.tuples(st.sampled_from(["get", "put"]), st.integers(0, 8), st.integers(1, 12)), max_size=80
)


@given(operations, st.integers(0, 6 * ENTRY))
def test_what_was_used_last_stays_and_the_bound_is_kept(steps, capacity):
    cache = ResponseCache(capacity)
    model = OrderedDict()  # the same, in the plainest way
    for action, name, classes in steps:
        key = bytes([name])
        if action == "get":
            assert cache.get(key) == model.get(key)
            if key in model:
                model.move_to_end(key)
            continue
        cache.put(key, answer(name, classes))
        if ENTRY_BYTES + classes * LOGIT_BYTES <= capacity:
            model[key] = answer(name, classes)
            model.move_to_end(key)
        while size(model) > capacity:
            model.popitem(last=False)
        assert cache.size_bytes == size(model) <= capacity
        assert len(cache) == len(model)


def size(model):
    return sum(ENTRY_BYTES + LOGIT_BYTES * len(one.logits) for one in model.values())


def test_threads_that_share_a_cache_leave_its_account_right():
    cache = ResponseCache(20 * ENTRY)

    def work(seed):
        for step in range(2_000):
            key = bytes([(seed * step) % 50])
            found = cache.get(key)
            assert found is None or found.logits == (float(key[0]),) * 2
            cache.put(key, answer(key[0]))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (3, 5, 7, 11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(cache) == 20
    assert cache.size_bytes == 20 * ENTRY


parts = st.text(st.characters(codec=None), max_size=6)
ranked = st.lists(st.builds(Part, st.integers(1, 3), st.sampled_from(Rank)), max_size=2).map(tuple)
rendered = st.builds(Rendered, parts, st.one_of(st.none(), parts), st.just(0), ranked)


@given(rendered, rendered)
def test_different_texts_have_different_keys(one, other):
    version = loaded_version(FakeBackend())

    assert (key_of(version, one) == key_of(version, other)) == (one == other)
    assert len(key_of(version, one)) == 32


def test_a_key_depends_on_all_that_an_answer_does():
    def version(name="toxicity/1", **changes):
        made = loaded_version(FakeBackend(), name)
        for attribute, value in changes.items():
            setattr(made, attribute, value)
        return made

    plain = version()
    others = [
        version("toxicity/2"),  # another bundle
        version(format="openvino-bf16"),
        version(evaluator=replace(plain.evaluator, template="input/1")),
        version(evaluator=replace(plain.evaluator, step=list(type(plain.evaluator.step))[-1])),
    ]

    assert len({key_of(one, Rendered("good")) for one in (plain, *others)}) == 5
    assert key_of(plain, Rendered("good")) == key_of(version(), Rendered("good"))


# ------------------------------------------------------------------------ over the wire


@pytest.fixture
def runtime():
    return HeldRuntime()


@pytest.fixture
async def cached(registry, tmp_path: Path, runtime):
    registry.register("toxicity/3", make_bundle(seed=1, windows=None, threshold=0.9))
    async with scoring(registry, tmp_path / "cache", runtime, cache_bytes=10_000) as caller:
        await caller.until_healthy()
        await caller.score(["toxicity/1", "toxicity/2", "toxicity/3"], "the")  # loads them
        runtime.batches.clear()
        yield caller


async def test_the_same_text_is_run_once_and_the_second_answer_says_so(cached, runtime):
    first = await cached.score("toxicity/production", "the movie is good")
    again = await cached.score("toxicity/1", "the movie is good")

    assert sum(runtime.batches) == 1
    one, other = (answer.results[0].outcomes[0].score for answer in (first, again))
    assert (one.cached, other.cached) == (False, True)
    other.cached = False
    assert one == other
    assert again.timing == pb.ScoringTiming(
        tokenization_duration={}, queue_duration={}, inference_duration={}
    )


async def test_another_version_does_not_get_the_answer_of_the_first(cached, runtime):
    one = await cached.score("toxicity/1", "good")
    other = await cached.score("toxicity/2", "good")

    assert sum(runtime.batches) == 2
    assert logits_of(one.results[0].outcomes[0]) != logits_of(other.results[0].outcomes[0])


async def test_a_text_that_a_request_has_twice_is_run_once(cached, runtime):
    response = await cached.score(["toxicity/1", "toxicity/production"], "good", "bad", "good")

    assert sum(runtime.batches) == 2
    assert response.results[0] == response.results[2]
    assert response.results[0].outcomes[0] == response.results[0].outcomes[1]


async def test_what_is_known_is_answered_while_the_queue_is_full(registry, tmp_path, runtime):
    async with scoring(
        registry, tmp_path / "cache", runtime, cache_bytes=10_000, max_queued_tokens=20
    ) as caller:
        await caller.until_healthy()
        known = await caller.score("toxicity/1", "good")
        gate = runtime.hold = Gate()
        calls = [asyncio.create_task(caller.score("toxicity/1", "bad " * 15))]
        await asyncio.to_thread(gate.entered.wait, 10)
        calls.append(asyncio.create_task(caller.score("toxicity/1", "bad " * 16)))
        try:
            await until(lambda: caller.app.scheduler.queued_tokens)
            with pytest.raises(OverloadedError):
                await caller.score("toxicity/1", "fine fine")
            again = await caller.score("toxicity/1", "good")
        finally:
            gate.open()
        await asyncio.gather(*calls)

    assert again.results[0].outcomes[0].score.cached
    assert logits_of(again.results[0].outcomes[0]) == logits_of(known.results[0].outcomes[0])


async def test_an_error_is_not_kept(cached, runtime):
    for _ in range(2):
        response = await cached.score("toxicity/1", "nanword")
        assert response.results[0].outcomes[0].WhichOneof("outcome") == "error"

    assert sum(runtime.batches) >= 2


async def test_bulk_work_takes_what_is_known_and_leaves_nothing(cached, runtime):
    async def bulk(text):
        request = pb.ScoreRequest(
            metric_versions=["metrics/toxicity/versions/1"],
            instances=[instance_to_proto(text_span(output=text))],
            lane=Lane.BULK,
        )
        response = await cached.call(cached.stub.Score, request)
        return response.results[0].outcomes[0].score.cached

    await cached.score("toxicity/1", "good")

    assert await bulk("good")
    assert not await bulk("bad")
    assert not await bulk("bad")
    assert sum(runtime.batches) == 3


async def test_without_a_cache_everything_is_run(registry, tmp_path, runtime):
    async with scoring(registry, tmp_path / "cache", runtime, cache_bytes=0) as caller:
        await caller.until_healthy()
        runtime.batches.clear()
        answers = [await caller.score("toxicity/1", "good", "good") for _ in range(2)]

    assert sum(runtime.batches) == 4
    assert not any(result.outcomes[0].score.cached for one in answers for result in one.results)


async def test_windows_are_kept_as_one_answer(registry, tmp_path, runtime):
    registry.register("toxicity/3", make_bundle(seed=1, windows=Windows(16, 4)))
    async with scoring(registry, tmp_path / "cache", runtime, cache_bytes=10_000) as caller:
        await caller.until_healthy()
        first, again = [await caller.score("toxicity/3", "good " * 50) for _ in range(2)]

    one, other = (response.results[0].outcomes[0].score for response in (first, again))
    assert (other.cached, other.window_count) == (True, 3)
    other.cached = False
    assert one == other


async def test_the_observer_hears_of_each_lookup():
    seen = []
    observer = Silent()
    observer.looked_up = seen.append
    async with use_case(cache=ResponseCache(10_000), observer=observer) as (_, service):
        await service.score(request("toxicity/1", texts=("one", "one", "two")))
        await service.score(request("toxicity/1", texts=("one",)))

    assert seen == [False, False, True]
