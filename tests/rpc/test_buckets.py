"""What a bucket lends, whatever is asked of it and when."""

from hypothesis import given
from hypothesis import strategies as st

from gnomon_rpc.buckets import Bucket

RATES = st.floats(0.01, 1000)
TIMES = st.lists(st.floats(0, 10), min_size=1, max_size=60)


@given(RATES, st.floats(1, 100), TIMES)
def test_a_bucket_never_lends_more_than_its_rate_in_time_and_its_burst(rate, burst, pauses):
    bucket, now, lent = Bucket(rate, burst, 0.0), 0.0, []
    for pause in pauses:
        now += pause
        while bucket.wait_s(1.0, now) <= 0:
            bucket.take(1.0, now)
            lent.append(now)
    for i, first in enumerate(lent):
        for j in range(i, len(lent), 7):
            assert j - i + 1 <= burst + rate * (lent[j] - first) + 1e-6


@given(RATES, st.floats(1, 100), st.lists(st.tuples(st.floats(0, 10), st.floats(0, 50)), max_size=30))
def test_who_takes_only_without_a_debt_owes_no_more_than_the_last_amount(rate, burst, events):
    bucket, now, taken = Bucket(rate, burst, 0.0), 0.0, 0.0
    for pause, amount in events:
        now += pause
        if bucket.wait_s(0.0, now) <= 0:
            bucket.take(amount, now)
            taken += amount
            assert taken <= burst + rate * now + amount + 1e-6


@given(RATES, st.floats(1, 100), st.floats(0, 500))
def test_the_time_to_wait_is_enough_and_not_longer_than_needed(rate, burst, debt):
    bucket = Bucket(rate, burst, 0.0)
    bucket.take(burst + debt, 0.0)
    wait = bucket.wait_s(1.0, 0.0)

    assert bucket.wait_s(1.0, wait * 0.99) > 0
    assert bucket.wait_s(1.0, wait * 1.001 + 1e-6) == 0


def test_a_clock_that_goes_back_lends_nothing_for_it():
    bucket = Bucket(1.0, 2.0, 100.0)
    bucket.take(2.0, 100.0)

    assert bucket.wait_s(1.0, 50.0) == 1.0
    assert bucket.wait_s(1.0, 100.0) == 1.0
    assert bucket.wait_s(1.0, 101.0) == 0.0


def test_a_new_rate_goes_on_with_what_is_left():
    bucket = Bucket(1.0, 10.0, 0.0)
    bucket.take(9.0, 0.0)
    bucket.changed(100.0, 100.0, 0.0)

    assert bucket.wait_s(2.0, 0.0) == 0.01
    bucket.changed(1.0, 0.5, 10.0)
    assert bucket.left == 0.5
