import itertools
import random
import statistics

from hypothesis import given
from hypothesis import strategies as st

from loadtests.mix import Fixed, LogNormal, bucket
from loadtests.open_loop import Sample, arrivals, quantile, summary

RATES = st.floats(0.1, 200)
SECONDS = st.floats(0.1, 20)
SEEDS = st.integers(0, 2**31)


@given(RATES, SECONDS, SEEDS, st.sampled_from(["poisson", "constant"]))
def test_arrivals_are_in_order_within_the_time_and_as_many_as_the_rate_says(
    rate: float, seconds: float, seed: int, kind: str
) -> None:
    times = arrivals(rate, seconds, seed, kind)  # type: ignore[arg-type]
    assert times == sorted(times)
    assert len(times) == round(rate * seconds)
    assert all(0 <= one < seconds for one in times)


@given(RATES, SECONDS, SEEDS)
def test_the_same_seed_draws_the_same_arrivals(rate: float, seconds: float, seed: int) -> None:
    assert arrivals(rate, seconds, seed) == arrivals(rate, seconds, seed)


def test_another_seed_draws_other_arrivals() -> None:
    assert arrivals(50, 5, 1) != arrivals(50, 5, 2)


def test_no_rate_or_no_time_means_no_arrivals() -> None:
    assert arrivals(0, 10, 1) == arrivals(10, 0, 1) == arrivals(0, 10, 1, "constant") == []


def test_constant_arrivals_have_equal_gaps() -> None:
    times = arrivals(100, 2, 0, "constant")
    gaps = {round(late - early, 9) for early, late in itertools.pairwise(times)}
    assert gaps == {0.01}


def test_poisson_gaps_vary_as_much_as_their_mean() -> None:
    times = arrivals(1000, 20, 3)
    gaps = [late - early for early, late in itertools.pairwise(times)]
    assert 0.95 < statistics.stdev(gaps) / statistics.mean(gaps) < 1.05


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_a_value_that_at_least_that_share_does_not_exceed(
    values: list[float], share: float
) -> None:
    found = quantile(values, share)
    assert found in values
    assert sum(one <= found for one in values) >= share * len(values) - 1e-6
    assert sum(one < found for one in values) < share * len(values) + 1e-6


def test_a_summary_counts_from_the_intended_time_and_keeps_refusals_apart() -> None:
    samples = [
        Sample(0.0, 0.5, 1.0, "OK", "online", None),
        Sample(1.0, 1.0, 1.1, "OK", "online", None),
        Sample(1.5, 1.5, 1.51, "RESOURCE_EXHAUSTED", "online", 0.2),
        Sample(1.6, 1.6, 2.0, "DEADLINE_EXCEEDED", "online", None),
    ]
    found = summary(samples)
    assert found["codes"] == {"OK": 2, "RESOURCE_EXHAUSTED": 1, "DEADLINE_EXCEEDED": 1}
    assert (found["count"], found["ok"], found["goodput_per_s"]) == (4, 2, 1.0)
    assert found["max_ms"] == 1000.0
    assert round(found["refused_p99_ms"]) == 10
    assert found["lag_p99_ms"] == 500.0


def test_the_summary_of_nothing_has_no_percentiles() -> None:
    assert summary([])["p99_ms"] is None
    assert summary([])["count"] == 0


@given(st.floats(8, 500), st.floats(1.05, 3.5), SEEDS)
def test_lengths_of_a_log_normal_mix_have_its_mean_and_95th_percentile(
    mean: float, ratio: float, seed: int
) -> None:
    mix = LogNormal(mean, mean * ratio)
    assert LogNormal.problem(mix.mean, mix.p95) is None
    draw = random.Random(seed)
    lengths = [mix.draw(draw) for _ in range(4000)]
    assert abs(statistics.mean(lengths) / mix.mean - 1) < 0.25
    assert abs((quantile(lengths, 0.95) or 0) / mix.p95 - 1) < 0.3


def test_lengths_of_parts_come_in_their_shares() -> None:
    draw = random.Random(1)
    lengths = [Fixed((10, 400), (0.8, 0.2)).draw(draw) for _ in range(5000)]
    assert set(lengths) == {10, 400}
    assert 0.77 < lengths.count(10) / 5000 < 0.83


def test_lengths_are_named_by_buckets() -> None:
    assert [bucket(one) for one in (1, 32, 33, 512, 513)] == [
        "1-32 tokens",
        "1-32 tokens",
        "33-128 tokens",
        "129-512 tokens",
        "513+ tokens",
    ]
