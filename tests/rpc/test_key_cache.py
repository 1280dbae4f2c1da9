"""What is remembered of keys, by a clock that the test moves."""

import asyncio

import pytest

from gnomon.errors import AccessUnverifiedError, ServiceUnavailableError
from gnomon_rpc import key_cache
from gnomon_rpc.access import KeyAnswer, KeyState
from gnomon_rpc.caller import Caller
from gnomon_rpc.key_cache import KeyCache, Shown

KEY = Shown("k", b"k" * 32)
VALID = KeyAnswer(KeyState.VALID, "apiKeys/k", Caller("apiKeys/k", "", frozenset({"score"})))
REVOKED = KeyAnswer(KeyState.REVOKED, "apiKeys/k")
UNKNOWN = KeyAnswer(KeyState.UNKNOWN)


class Source:
    """Answers as it is told; `held` lets it answer only when the test says so."""

    def __init__(self, answer=VALID):
        self.answer = answer
        self.asked = []
        self.held = asyncio.Event()
        self.held.set()

    async def look_up(self, key_id, secret_sha256):
        self.asked.append(key_id)
        await self.held.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
async def made():
    source, clock = Source(), Clock()
    cache = KeyCache(source, 300.0, now=clock, wall=clock)
    yield cache, source, clock
    await cache.close()


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_young_answer_is_used_as_it_is(made):
    cache, source, clock = made
    assert cache.remembered(KEY) is None
    assert await cache.look_up(KEY) is VALID
    clock.now += 0.39
    assert cache.remembered(KEY) is VALID
    await settle()
    assert source.asked == ["k"]


async def test_an_older_one_is_used_and_asked_for_again_once_beside_the_calls(made):
    cache, source, clock = made
    await cache.look_up(KEY)
    source.held.clear()
    source.answer = REVOKED
    clock.now += 0.5
    assert [cache.remembered(KEY) for _ in range(5)] == [VALID] * 5
    await settle()
    assert source.asked == ["k", "k"]
    source.held.set()
    await settle()
    assert cache.remembered(KEY) is REVOKED


async def test_beyond_that_a_call_waits_and_many_calls_ask_once(made):
    cache, source, clock = made
    await cache.look_up(KEY)
    source.answer = REVOKED
    clock.now += 0.95
    assert cache.remembered(KEY) is None
    assert await asyncio.gather(*(cache.look_up(KEY) for _ in range(20))) == [REVOKED] * 20
    assert source.asked == ["k", "k"]


async def test_an_answer_is_as_old_as_its_question(made):
    cache, source, clock = made
    source.held.clear()
    asking = asyncio.ensure_future(cache.look_up(KEY))
    await settle()
    clock.now += 0.95  # the answer was on its way all this time: the key may be revoked since
    source.held.set()
    await asking
    assert cache.remembered(KEY) is None


async def test_a_caller_who_leaves_does_not_end_the_question_of_the_others(made):
    cache, source, _ = made
    source.held.clear()
    leaving, staying = (asyncio.ensure_future(cache.look_up(KEY)) for _ in range(2))
    await settle()
    leaving.cancel()
    await settle()
    source.held.set()
    assert await staying is VALID


async def test_a_key_that_was_let_in_is_refused_at_once_where_its_time_is_over(made):
    cache, source, clock = made
    source.answer = KeyAnswer(KeyState.VALID, VALID.name, VALID.caller, clock.now + 0.2)
    await cache.look_up(KEY)
    clock.now += 0.2
    assert cache.remembered(KEY).state is KeyState.EXPIRED


async def test_where_the_source_is_silent_the_last_answer_holds_and_then_nobody_is_let_in(made):
    cache, source, clock = made
    await cache.look_up(KEY)
    source.answer = ServiceUnavailableError("away")
    for _ in range(299):
        clock.now += 1.0
        assert await cache.look_up(KEY) is VALID
        await settle()
    clock.now += 1.0
    with pytest.raises(AccessUnverifiedError, match="300 s"):
        await cache.look_up(KEY)
    source.answer = VALID
    clock.now += key_cache._SILENT_S
    assert await cache.look_up(KEY) is VALID


async def test_a_source_that_is_silent_is_asked_now_and_then_and_not_by_every_call(made):
    cache, source, clock = made
    await cache.look_up(KEY)
    source.answer = ServiceUnavailableError("away")
    clock.now += 1.0
    for _ in range(100):
        await cache.look_up(KEY)
        await settle()
    assert len(source.asked) == 2
    clock.now += 0.6
    for _ in range(100):
        await cache.look_up(KEY)
        await settle()
    assert len(source.asked) == 3


async def test_a_source_that_hangs_does_not_hold_known_callers_up(made, monkeypatch):
    cache, source, clock = made
    await cache.look_up(KEY)
    monkeypatch.setattr(key_cache, "_ANSWER_S", 0.01)
    source.held.clear()
    clock.now += 1.0
    async with asyncio.timeout(5):
        assert await cache.look_up(KEY) is VALID
        monkeypatch.setattr(key_cache, "_ANSWER_S", 60.0)  # whoever comes now is not held up at all
        assert [await cache.look_up(KEY) for _ in range(3)] == [VALID] * 3
    source.held.set()


@pytest.mark.parametrize("idle_s", [1.0, 5.0, 240.0])
async def test_a_key_that_was_revoked_while_it_was_idle_is_refused_by_a_source_that_answers_slowly(
    made, idle_s
):
    cache, source, clock = made
    await cache.look_up(KEY)
    source.answer = REVOKED
    source.held.clear()
    clock.now += idle_s
    asyncio.get_running_loop().call_later(0.6, source.held.set)
    assert await cache.look_up(KEY) is REVOKED


async def test_a_caller_who_waits_for_a_slow_source_lets_no_idle_key_in_beside(made):
    cache, source, clock = made
    await cache.look_up(KEY)
    source.answer = REVOKED
    source.held.clear()
    clock.now += 1.0
    asyncio.get_running_loop().call_later(0.6, source.held.set)
    first = asyncio.ensure_future(cache.look_up(KEY))
    await asyncio.sleep(0.55)
    assert await asyncio.gather(first, cache.look_up(KEY)) == [REVOKED] * 2


async def test_after_a_silence_an_old_answer_is_not_trusted_before_the_source_was_asked(made):
    cache, source, clock = made
    await cache.look_up(KEY)
    source.answer = ServiceUnavailableError("away")
    clock.now += 1.0
    await cache.look_up(KEY)
    source.answer = REVOKED
    clock.now += 60.0
    assert await cache.look_up(KEY) is REVOKED


async def test_an_unknown_key_is_unknown_while_the_answer_is_young_and_then_asked_for_again(made):
    cache, source, clock = made
    source.answer = UNKNOWN
    assert [(await cache.look_up(KEY)) for _ in range(3)] == [UNKNOWN] * 3
    assert len(source.asked) == 1
    source.answer = VALID
    clock.now += 0.95
    assert await cache.look_up(KEY) is VALID


async def test_unknown_keys_fill_no_memory_and_ask_at_a_limited_rate(made):
    cache, source, clock = made
    await cache.look_up(KEY)
    source.answer = UNKNOWN
    refused = 0
    for number in range(3000):
        clock.now += 0.001
        try:
            await cache.look_up(Shown("x", number.to_bytes(32, "big")))
        except AccessUnverifiedError as error:
            assert error.retry_after_s
            refused += 1
    assert len(source.asked) <= 100 + 50 * 3 + 2
    assert refused == 3000 - (len(source.asked) - 1)
    for number in range(5000):
        clock.now += 0.02
        await cache.look_up(Shown("x", (10_000 + number).to_bytes(32, "big")))
    assert len(cache._refused) <= 1000
    source.answer = VALID
    assert await cache.look_up(KEY) is VALID


async def test_the_keys_that_were_used_last_are_remembered(made, monkeypatch):
    monkeypatch.setattr(key_cache, "_MOST_KEYS", 2)
    cache, *_ = made
    one, two, three = (Shown(name, name.encode() * 8) for name in "abc")
    await cache.look_up(one)
    await cache.look_up(two)
    cache.remembered(one)
    await cache.look_up(three)
    assert [cache.remembered(shown) is not None for shown in (one, two, three)] == [True, False, True]


async def test_that_nobody_answers_is_logged_once(made, caplog):
    cache, source, clock = made
    source.answer = ServiceUnavailableError("away")
    for number in range(5):
        with pytest.raises(AccessUnverifiedError):
            await cache.look_up(Shown("x", bytes([number]) * 32))
        clock.now += 1.0
    assert cache._silent
    source.answer = VALID
    await cache.look_up(KEY)
    assert not cache._silent
