from typing import Any

import pytest

pytest.importorskip("psutil")

from benchmarks.scorer.steps.latency import measured
from benchmarks.scorer.steps.overload import merged, punctual, share
from benchmarks.scorer.steps.throughput import beside_peers, medians
from benchmarks.scorer.targets import targets


def _sample(at: float, lag: float, took: float, code: str = "OK") -> list[Any]:
    return [at, at + lag, at + lag + took, code]


def test_a_call_that_fails_at_once_counts_as_the_deadline() -> None:
    samples = [_sample(n / 10, 0, 0.01) for n in range(98)] + [_sample(9.9, 0, 0.001, "UNAVAILABLE")] * 2
    found = measured(samples, 10.0, deadline_s=5.0)
    assert found["p99_ms"] == pytest.approx(5000)
    assert found["p50_ms"] == pytest.approx(10)


def test_a_server_that_refuses_one_call_of_a_thousand_does_not_keep_up() -> None:
    samples = [_sample(n / 100, 0, 0.01) for n in range(1_000)]
    assert measured(samples, 10.0, 5.0)["kept_up"]
    assert not measured([*samples[:-1], _sample(9.99, 0, 0.01, "RESOURCE_EXHAUSTED")], 10.0, 5.0)["kept_up"]


def test_a_server_that_answers_all_calls_late_does_not_keep_up() -> None:
    assert not measured([_sample(n / 10, 0, 9.0) for n in range(100)], 10.0, 10.0)["kept_up"]


def test_goodput_is_of_the_time_in_which_calls_were_really_sent() -> None:
    samples = [_sample(n / 10, 0.1 * n, 0.05) for n in range(101)]  # the caller needs twice the time
    found = share(samples, 10.0)
    assert found["seconds"] == pytest.approx(20.0)
    assert found["goodput_per_s"] == pytest.approx(101 / 20)
    assert found["answers_after_their_deadline"] == 0


def test_goodput_of_a_punctual_caller_is_of_the_planned_time() -> None:
    assert share([_sample(n, 0, 0.05) for n in range(10)], 10.0)["goodput_per_s"] == pytest.approx(1.0)


def test_calls_that_ran_out_of_time_are_a_share_of_those_that_were_not_refused() -> None:
    codes = ["OK"] * 6 + ["DEADLINE_EXCEEDED"] * 2 + ["RESOURCE_EXHAUSTED"] * 12
    found = share([_sample(n / 10, 0, 0.1, code) for n, code in enumerate(codes)], 2.0)
    assert found["ran_out_of_time"] == 2
    assert found["ran_out_of_time_share"] == pytest.approx(0.25)


def test_an_answer_after_the_deadline_is_none_of_the_goodput() -> None:
    found = share([_sample(0, 0, 0.1), _sample(0.5, 0, 0.31)], 1.0)
    assert found["goodput_per_s"] == pytest.approx(1.0)
    assert found["answers_after_their_deadline"] == 1


def test_samples_of_two_senders_are_on_one_clock() -> None:
    first = {"started": 100.0, "samples": [_sample(1.0, 0, 0.1)]}
    second = {"started": 100.5, "samples": [_sample(0.0, 0, 0.1)]}
    started, samples = merged([first, second])
    assert started == 100.0
    assert [one[0] for one in samples] == pytest.approx([0.5, 1.0])
    assert samples[0][3] == "OK"


class _Senders:
    def __init__(self, lags_s: list[float]) -> None:
        self.lags_s = lags_s
        self.asked: list[int] = []

    def __call__(self, senders: int) -> list[dict[str, Any]]:
        lag_s = self.lags_s[len(self.asked)]
        self.asked.append(senders)
        return [{"started": 0.0, "samples": [_sample(0.0, lag_s, 0.1)]} for _ in range(senders)]


def test_a_punctual_sender_is_enough() -> None:
    senders = _Senders([0.01])
    assert len(punctual(senders)) == 1
    assert senders.asked == [1]


def test_a_late_sender_gets_a_second_one() -> None:
    assert len(punctual(_Senders([0.5, 0.01]))) == 2


def test_two_late_senders_are_no_measurement() -> None:
    with pytest.raises(RuntimeError, match="own lag is 400 ms"):
        punctual(_Senders([0.5, 0.4]))
    assert len(punctual(_Senders([0.5, 0.4]), patient=True)) == 2


def test_a_peer_that_answers_nothing_has_no_figures_and_costs_no_others() -> None:
    rates, ratios = beside_peers(100.0, {"infinity": {"rate": 0.0}, "pipeline": {"rate": 20.0}})
    assert rates == {"pipeline_single64": 20.0}
    assert ratios == {"served_single64 / pipeline": 5.0}


def test_a_peer_that_is_lost_between_rounds_has_no_median() -> None:
    rounds = [{"rates": {"served": 1.0, "infinity": 2.0}}, {"rates": {"served": 3.0}}]
    assert medians(rounds, "rates") == {"served": 2.0}


def _verdicts(**details: Any) -> dict[str, str]:
    names = ("macro_f1_drop", "served_added_p50", "overload_goodput")
    content = dict.fromkeys(names) | {"details": details}
    return {one.what: one.verdict for one in targets(content)}


def test_targets_of_nothing_are_not_measured() -> None:
    assert set(_verdicts().values()) == {"not measured"}


def test_a_failed_guardrail_call_misses_its_target() -> None:
    assert _verdicts(bulk={"guardrail_failed": 1})["guardrail calls failed"] == "**missed**"
    assert _verdicts(bulk={"guardrail_failed": 0})["guardrail calls failed"] == "met"


_SOAK = {
    "minutes": 1.0,
    "memory_mib_per_minute": 0.0,
    "files_per_minute": 0.0,
    "threads_per_minute": 0.0,
    "codes": {"OK": 5},
    "bulk_ended": "STOPPED",
    "bulk_errors": {},
    "bulk_rows": 64,
}


def test_a_soak_without_a_failed_call_meets_its_targets() -> None:
    found = _verdicts(soak=_SOAK)
    assert found["failed calls of the soak"] == "met"
    assert found["bulk job of the soak"] == "met"


@pytest.mark.parametrize(
    "change", [{"bulk_ended": "UNAVAILABLE: gone"}, {"bulk_errors": {"code 13": 1}}, {"bulk_rows": 0}]
)
def test_a_bulk_job_that_broke_off_misses_its_target(change: dict[str, Any]) -> None:
    assert _verdicts(soak=_SOAK | change)["bulk job of the soak"] == "**missed**"


def test_a_failed_call_of_the_soak_misses_its_target() -> None:
    codes = {"OK": 5, "UNAVAILABLE": 1}
    assert _verdicts(soak=_SOAK | {"codes": codes})["failed calls of the soak"] == "**missed**"


def test_calls_that_ran_out_of_time_are_shown_without_a_verdict() -> None:
    found = {"ran_out_of_time": 3, "ran_out_of_time_share": 0.1}
    assert _verdicts(overload=found)["admitted and not answered in time"] == ""
