"""Who is let in, from predictions alone."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gnomon.errors import OverloadedError
from gnomon_scorer.domain.admission import Lateness, Load, Speed, admit
from gnomon_scorer.domain.lanes import Lane


def load(waiting=None, running=0, tokens_per_s=100.0, max_tokens=1000, turn_tokens=10):
    return Load(waiting or {}, running, tokens_per_s, max_tokens, turn_tokens)


def refusal(load, tokens, caller="", remaining_s=None):
    with pytest.raises(OverloadedError) as error:
        admit(load, tokens, caller, remaining_s, Lane.ONLINE)
    return error.value


def test_who_can_be_answered_in_time_is_let_in():
    admit(load({"": 50}), 20, "", 1.0, Lane.ONLINE)


def test_who_cannot_be_answered_in_time_is_turned_away_with_the_time_that_is_missing():
    error = refusal(load({"": 150}), 50, remaining_s=1.0)

    assert error.metadata["why"] == "too_late"
    assert error.retry_after_s == pytest.approx(2.0 - 0.9)


def test_without_a_deadline_nothing_is_too_late():
    admit(load({"": 900}), 50, "", None, Lane.BULK)


def test_an_idle_scorer_tries_whatever_it_is_asked():
    admit(load(), 5000, "", 0.1, Lane.ONLINE)


def test_a_full_queue_turns_its_only_caller_away():
    assert refusal(load({"": 990}), 20).metadata["why"] == "queue_full"


def test_a_caller_who_fills_the_queue_is_told_so_and_another_still_gets_in():
    full = load({"flood": 990, "other": 1})

    assert refusal(full, 20, "flood").metadata["why"] == "unfair_share"
    admit(full, 20, "new", None, Lane.ONLINE)


def test_a_flood_of_one_caller_does_not_make_another_too_late():
    flooded = load({"flood": 900})

    assert refusal(flooded, 10, "flood", remaining_s=1.0).metadata["why"] == "too_late"
    admit(flooded, 10, "other", 1.0, Lane.ONLINE)


@given(
    st.dictionaries(st.sampled_from("abcd"), st.integers(1, 600), max_size=4),
    st.integers(1, 500),
    st.sampled_from("abcde"),
)
def test_the_queue_never_holds_more_than_twice_its_bound(waiting, tokens, caller):
    before = load(waiting)
    try:
        admit(before, tokens, caller, None, Lane.ONLINE)
    except OverloadedError as error:
        assert error.retry_after_s > 0
    else:
        assert not before.total or before.total + tokens <= 2 * before.max_tokens


def test_one_huge_request_does_not_lock_the_others_out():
    huge = load({"huge": 50_000})

    admit(huge, 20, "other", None, Lane.ONLINE)
    assert refusal(huge, 20, "huge").metadata["why"] == "queue_full"


def test_a_request_larger_than_the_queue_gets_in_beside_others():
    admit(load({"other": 400}), 5_000, "huge", None, Lane.BULK)


@given(st.dictionaries(st.text(max_size=3), st.integers(1, 600), max_size=6), st.text(max_size=3))
def test_no_more_is_ahead_of_a_caller_than_there_is(waiting, caller):
    there = load(waiting, running=7)

    assert waiting.get(caller, 0) <= there.ahead_of(caller) <= there.total + 7


def test_speed_follows_what_is_seen_from_the_first_batch_on():
    speed = Speed()
    speed.measure(500, 0.1)
    assert speed.tokens_per_s == pytest.approx(5_000)
    for _ in range(200):
        speed.measure(500, 0.05)
    assert speed.tokens_per_s == pytest.approx(10_000, rel=0.01)


def test_a_process_that_was_stopped_for_a_while_has_not_become_slow():
    speed = Speed()
    for _ in range(50):
        speed.measure(500, 0.05)
    speed.measure(500, 30.0)

    assert speed.tokens_per_s > 8_000


def learned(late_s):
    lateness = Lateness()
    for one in late_s:
        lateness.measure(one)
    return lateness.allowance_s


def test_predictions_that_come_true_need_no_allowance():
    assert learned([0.0] * 100) == 0.0


def test_answers_that_are_always_as_late_ask_for_that_much():
    assert learned([0.05] * 2000) == pytest.approx(0.05, rel=0.01)


@given(st.lists(st.floats(0.0, 0.2), min_size=1, max_size=20).map(lambda some: (some * 2000)[:2000]))
@example(([0.2] + [0.0] * 8) * 222)  # the share it aims at, 5 %, lies within such a step
def test_few_answers_are_later_than_what_is_allowed_for(late_s):
    allowance = learned(late_s)

    assert sum(one > allowance + 1e-3 for one in late_s[-200:]) <= 200 * 0.15


@given(st.lists(st.floats(-1, 5), max_size=50))
def test_a_time_of_bad_predictions_passes(bad):
    assert learned(bad + [0.0] * 2000) < 0.01


def test_who_would_be_too_late_by_what_was_learned_is_turned_away():
    late = Load({"": 50}, 0, 100.0, 1000, 10, allowance_s=0.3)

    assert refusal(late, 20, remaining_s=1.0).metadata["why"] == "too_late"
    admit(late, 20, "", 1.2, Lane.ONLINE)
