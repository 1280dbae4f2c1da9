import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon._retry import FIRST_DELAY_S, LONGEST_DELAY_S, Attempts
from gnomon.errors import DeadlineExceededError, NotFoundError, OverloadedError, ServiceUnavailableError

AWAY = ServiceUnavailableError("Away.")
BUSY = OverloadedError("Busy.", retry_after_s=0.0)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def longest(low: float, high: float) -> float:
    return high


def test_delays_double_up_to_two_seconds() -> None:
    attempts = Attempts(None, draw=longest)
    delays = [attempts.delay_after(AWAY) for _ in range(8)]
    assert delays == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    assert (delays[0], delays[-1]) == (FIRST_DELAY_S, LONGEST_DELAY_S)


def test_a_delay_is_drawn_between_nothing_and_that() -> None:
    drawn = [Attempts(None).delay_after(AWAY) for _ in range(200)]
    assert all(0 <= delay <= FIRST_DELAY_S for delay in drawn)
    assert len(set(drawn)) > 100


@given(st.lists(st.floats(0.001, 5), max_size=30), st.floats(0.1, 20))
def test_attempts_never_go_on_beyond_the_time_limit(pauses: list[float], timeout_s: float) -> None:
    clock = Clock()
    attempts = Attempts(timeout_s, clock=clock, draw=longest)
    for pause in pauses:
        try:
            remaining_s = attempts.remaining_s()
            assert remaining_s is not None
            assert 0 < remaining_s <= timeout_s
            clock.now += min(pause, remaining_s)
            clock.now += attempts.delay_after(AWAY)
        except (ServiceUnavailableError, DeadlineExceededError):
            break
        assert clock.now < timeout_s


def test_a_service_is_never_asked_again_before_the_time_it_named() -> None:
    busy = OverloadedError("Busy.", retry_after_s=1.5)
    assert all(Attempts(10).delay_after(busy) >= 1.5 for _ in range(50))
    with pytest.raises(OverloadedError):
        Attempts(1).delay_after(busy)


def test_a_lasting_error_is_raised_as_it_is() -> None:
    with pytest.raises(NotFoundError):
        Attempts(10).delay_after(NotFoundError("No."))


def test_a_deadline_error_tells_why_the_attempts_before_it_failed() -> None:
    attempts = Attempts(10)
    attempts.delay_after(AWAY)
    with pytest.raises(DeadlineExceededError) as caught:
        attempts.delay_after(DeadlineExceededError("Late."))
    assert caught.value.__cause__ is AWAY


def test_a_stream_that_delivers_gets_its_time_anew() -> None:
    clock = Clock()
    attempts = Attempts(10, clock=clock, draw=longest)
    attempts.delay_after(AWAY)
    clock.now = 9.0
    attempts.restart()
    assert attempts.remaining_s() == 10
    assert attempts.delay_after(AWAY) == FIRST_DELAY_S


def test_once_an_attempts_fate_is_unknown_it_stays_so_until_the_attempts_begin_anew() -> None:
    attempts = Attempts(10)
    attempts.delay_after(BUSY)
    assert not attempts.may_be_done
    for failure in (AWAY, BUSY):
        attempts.delay_after(failure)
        assert attempts.may_be_done
    attempts.restart()
    assert not attempts.may_be_done
