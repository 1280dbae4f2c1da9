"""The limits of keys in one process, on a clock of the test's."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.errors import QuotaExceededError
from gnomon.quotas import NAMES, NO_QUOTAS, Quotas, check_storage, check_training, problems_of
from gnomon_rpc import caller, limits
from gnomon_rpc.caller import LOCAL, Caller
from gnomon_rpc.limits import Limits


class Ticks:
    now = 0.0

    def __call__(self):
        return self.now


def who(name="a", **quotas):
    return Caller(f"apiKeys/{name}", name, frozenset({"score"}), quotas=Quotas(**quotas))


def is_let_in(keeper, one):
    try:
        keeper.admit(one)
    except QuotaExceededError:
        return False
    return True


def test_a_key_makes_a_second_s_worth_of_calls_at_once_and_then_its_rate():
    ticks = Ticks()
    keeper, one = Limits(ticks), who(calls_per_second=5)
    assert [is_let_in(keeper, one) for _ in range(6)] == [True] * 5 + [False]
    ticks.now = 0.2001
    assert [is_let_in(keeper, one) for _ in range(2)] == [True, False]
    ticks.now = 100.0
    assert [is_let_in(keeper, one) for _ in range(6)] == [True] * 5 + [False]


def test_a_slow_key_makes_one_call_at_once():
    ticks = Ticks()
    keeper, one = Limits(ticks), who(calls_per_second=0.5)
    assert is_let_in(keeper, one)
    with pytest.raises(QuotaExceededError) as raised:
        keeper.admit(one)

    assert raised.value.retry_after_s == pytest.approx(2.0)
    assert raised.value.metadata == {
        "quota": "calls_per_second",
        "limit": "0.5",
        "used": "0.5",
        "resource": "apiKeys/a",
    }


def test_other_keys_and_keys_without_quotas_are_not_touched():
    keeper, one, two = Limits(Ticks()), who(calls_per_second=1), who("b", calls_per_second=1)
    assert is_let_in(keeper, one)
    assert not is_let_in(keeper, one)
    assert is_let_in(keeper, two)
    assert all(is_let_in(keeper, each) for each in (LOCAL, who("c")) for _ in range(100))


def test_a_changed_quota_counts_at_once():
    keeper, one = Limits(Ticks()), who(calls_per_second=1)
    assert is_let_in(keeper, one)
    assert not is_let_in(keeper, one)
    assert is_let_in(keeper, who())
    assert not is_let_in(keeper, who(calls_per_second=1))


def test_calls_in_flight_are_counted_as_long_as_they_last():
    keeper, one = Limits(Ticks()), who(calls_in_flight=2)
    with keeper.in_flight(one):
        with pytest.raises(ValueError, match="odd"), keeper.in_flight(one):
            raise ValueError("odd")
        with keeper.in_flight(one), pytest.raises(QuotaExceededError) as raised, keeper.in_flight(one):
            pass
        with keeper.in_flight(who("b", calls_in_flight=2)), keeper.in_flight(one):
            pass
    assert raised.value.metadata["used"] == "2"
    assert raised.value.retry_after_s is not None


@given(st.lists(st.one_of(st.just(True), st.integers(0, 10)), max_size=60), st.integers(1, 4))
def test_what_is_in_flight_is_never_below_zero_nor_beyond_the_quota(steps, most):
    keeper, one, under_way = Limits(Ticks()), who(calls_in_flight=most), []
    for step in steps:
        if step is True:
            entered = keeper.in_flight(one)
            try:
                entered.__enter__()
            except QuotaExceededError:
                assert len(under_way) == most
                continue
            under_way.append(entered)
        elif under_way:
            under_way.pop(step % len(under_way)).__exit__(None, None, None)
        assert 0 <= len(under_way) <= most
        if under_way:
            assert keeper._meters(one).in_flight == len(under_way)


def test_tokens_leave_a_debt_that_has_to_be_paid():
    ticks = Ticks()
    keeper = Limits(ticks)
    caller.set_current(who(tokens_per_minute=600))
    keeper.check_tokens()
    keeper.debit_tokens(599)
    keeper.check_tokens()
    keeper.debit_tokens(101)
    with pytest.raises(QuotaExceededError) as raised:
        keeper.check_tokens()
    assert raised.value.retry_after_s == pytest.approx(10.0)
    assert (raised.value.metadata["limit"], raised.value.metadata["used"]) == ("600", "700")
    ticks.now = 9.9
    with pytest.raises(QuotaExceededError):
        keeper.check_tokens()
    ticks.now = 10.01
    keeper.check_tokens()
    caller.set_current(who("b", tokens_per_minute=600))
    keeper.check_tokens()
    caller.set_current(LOCAL)
    keeper.debit_tokens(10**9)
    keeper.check_tokens()


def may_read(keeper):
    try:
        keeper.check_tokens()
    except QuotaExceededError:
        return False
    return True


def test_a_call_under_way_goes_by_the_newest_quotas_of_its_key():
    ticks = Ticks()
    keeper = Limits(ticks)
    keeper.admit(who())
    caller.set_current(who())  # the call's own, for as long as it lasts
    keeper.debit_tokens(10**6)
    keeper.learn(who(tokens_per_minute=600))
    assert may_read(keeper)
    keeper.debit_tokens(1200)
    assert not may_read(keeper)
    keeper.learn(who())
    assert may_read(keeper)
    keeper.learn(who(tokens_per_minute=60_000))
    assert not may_read(keeper)
    ticks.now = 0.61
    assert may_read(keeper)


@given(st.lists(st.integers(0, 30), max_size=30))
def test_calls_that_began_under_other_quotas_do_not_change_the_rate(steps):
    ticks = Ticks()
    mixed, alone = Limits(ticks), Limits(ticks)
    for keeper in (mixed, alone):
        keeper.learn(who(tokens_per_minute=600))
    for tokens in steps:
        ticks.now += 1.0
        caller.set_current(who(tokens_per_minute=60 * tokens))
        mixed.debit_tokens(tokens)
        told = may_read(mixed)
        caller.set_current(who(tokens_per_minute=600))
        alone.debit_tokens(tokens)
        assert told == may_read(alone)


def test_a_quota_that_a_key_is_given_begins_with_a_minute_s_worth():
    keeper = Limits(Ticks())
    keeper.learn(who(calls_per_second=1))
    caller.set_current(who(calls_per_second=1, tokens_per_minute=6000))
    keeper.learn(caller.current())
    keeper.debit_tokens(5999)
    assert may_read(keeper)


def test_keys_are_forgotten_before_they_fill_the_memory(monkeypatch):
    monkeypatch.setattr(limits, "_MOST_KEYS", 10)
    keeper = Limits(Ticks())
    with keeper.in_flight(who("busy", calls_in_flight=1)):
        for index in range(100):
            keeper.admit(who(f"k{index}", calls_per_second=1))
        assert len(keeper._keys) <= 11
        with pytest.raises(QuotaExceededError), keeper.in_flight(who("busy", calls_in_flight=1)):
            pass


def test_storage_and_hours_say_what_is_used():
    check_storage(Quotas(storage_bytes=10), 4, 6, "apiKeys/a")
    check_storage(NO_QUOTAS, 10**15, 10**15, "apiKeys/a")
    check_training(Quotas(training_hours=2), 1.99, "apiKeys/a")
    with pytest.raises(QuotaExceededError, match="4 of 10 bytes") as bytes_:
        check_storage(Quotas(storage_bytes=10), 4, 7, "apiKeys/a")
    with pytest.raises(QuotaExceededError, match="2 of 2 hours") as hours:
        check_training(Quotas(training_hours=2), 2.0, "apiKeys/a")

    assert (bytes_.value.retry_after_s, hours.value.retry_after_s) == (None, None)
    assert bytes_.value.metadata["quota"] == "storage_bytes"


@pytest.mark.parametrize("name", NAMES)
def test_a_quota_is_a_number_that_makes_sense(name):
    for wrong in (-1, float("nan"), float("inf"), 1e300):
        found = list(problems_of(dataclasses.replace(NO_QUOTAS, **{name: wrong}), "api_key.quotas"))
        assert [violation.field for violation in found] == [f"api_key.quotas.{name}"]
    assert list(problems_of(dataclasses.replace(NO_QUOTAS, **{name: 7}), "q")) == []
