import dataclasses
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import loadtests
from gnomon.errors import InvalidRequestError, NotFoundError
from loadtests.mix import Fixed, LogNormal
from loadtests.objective import load, parse
from loadtests.open_loop import Sample
from loadtests.verdict import judge, measure, percent_off, phases, profile

SOUND = {
    "name": "mine",
    "average_qps": 10,
    "peak_qps": 20,
    "input_tokens": {"mean": 64, "p95": 160},
    "p95_latency_ms": 50,
    "deadline_ms": 200,
}


def violations(**changed: object) -> dict[str, str]:
    with pytest.raises(InvalidRequestError) as caught:
        parse(SOUND | changed, "mine.toml")
    assert "mine.toml" in caught.value.message
    return {one.field: one.description for one in caught.value.violations}


def test_the_packaged_objectives_are_sound() -> None:
    folder = Path(loadtests.__file__).parent / "objectives"
    found = {one.stem: load(one) for one in folder.glob("*.toml")}
    assert found["guardrail"].lane == "guardrail"
    assert isinstance(found["guardrail"].input_tokens, LogNormal)
    assert isinstance(found["online"].input_tokens, Fixed)


def test_what_an_objective_may_leave_out_has_defaults() -> None:
    made = parse(SOUND, "mine.toml")
    assert (made.lane, made.max_error_share, made.p99_latency_ms, made.deadline_s) == ("online", 0, None, 0.2)


def test_all_that_is_wrong_is_said_at_once() -> None:
    found = violations(average_qps="many", peak_qps=-1, lane="slow", p95_latency=3, max_error_share=1)
    assert set(found) == {"average_qps", "peak_qps", "lane", "p95_latency", "max_error_share"}
    assert "guardrail, online, bulk" in found["lane"]
    assert "p95_latency_ms" in found["p95_latency"]  # the known fields are named


@pytest.mark.parametrize("field", sorted(set(SOUND) - {"name"}))
def test_a_field_that_is_missing_is_named(field: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse({key: value for key, value in SOUND.items() if key != field}, "mine.toml")
    assert [one.field for one in caught.value.violations] == [field]


@pytest.mark.parametrize(
    "tokens",
    [
        64,
        [],
        {"mean": 64},
        {"mean": 64, "p95": 32},
        {"mean": 64, "p95": 640},
        {"mean": 0, "p95": 1},
        [{"tokens": 10, "share": 0.5}],
        [{"tokens": 10}],
    ],
)
def test_input_tokens_that_no_load_can_have_are_refused(tokens: object) -> None:
    assert all(one.startswith("input_tokens") for one in violations(input_tokens=tokens))


def test_fields_that_contradict_each_other_are_refused() -> None:
    assert set(violations(peak_qps=5)) == {"peak_qps"}
    assert set(violations(deadline_ms=20)) == {"deadline_ms"}
    assert set(violations(p99_latency_ms=20)) == {"p99_latency_ms"}


def test_a_file_that_is_missing_or_no_toml_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="cannot be read"):
        load(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("average_qps = ")
    with pytest.raises(InvalidRequestError, match="not TOML"):
        load(tmp_path / "bad.toml")


OBJECTIVE = parse(SOUND | {"max_error_share": 0.1, "p99_latency_ms": 100}, "mine.toml")


def calls(latency_s: float = 0.01, bad_share: float = 0.0) -> tuple[list[Sample], list[str]]:
    """Make the calls of a load; return them and the demands that they miss."""
    parts = phases(OBJECTIVE, 30)
    times = profile(parts, 1)
    samples = [
        Sample(at, at, at + latency_s, "UNAVAILABLE" if n < bad_share * len(times) else "OK", "", None)
        for n, at in enumerate(times)
    ]
    return samples, [one.demand for one in judge(OBJECTIVE, measure(samples, parts, 0.0)) if not one.is_met]


def test_a_profile_goes_from_average_to_peak_and_back() -> None:
    samples, _ = calls()
    at = [one.intended_s for one in samples]
    assert [sum(low <= one < low + 10 for one in at) for low in (0, 10, 20)] == [100, 200, 100]
    assert at == sorted(at)


def test_a_good_load_misses_nothing_and_a_bad_one_what_it_misses() -> None:
    assert calls()[1] == []
    assert calls(latency_s=0.06)[1] == ["p95 latency"]
    assert calls(latency_s=0.15)[1] == ["p95 latency", "p99 latency"]
    assert calls(bad_share=0.24)[1] == ["average QPS", "error share"]
    assert calls(bad_share=1.0)[1] == [
        "average QPS",
        "peak QPS",
        "p95 latency",
        "p99 latency",
        "error share",
    ]


LOADS = {
    "rates": st.tuples(st.floats(1, 100), st.floats(1, 3)),
    "seconds": st.floats(5, 130) | st.integers(5, 130),
    "seed": st.integers(0, 2**31),
    "kind": st.sampled_from(["poisson", "constant"]),
}


def missed(
    rates: tuple[float, float],
    seconds: float,
    seed: int,
    kind: Literal["poisson", "constant"],
    errors: int = 0,
    max_error_share: float = 0.0,
) -> tuple[list[str], list[int]]:
    """Fail so many calls of each phase; return the demands that are missed and the calls of the phases."""
    average = rates[0]
    objective = dataclasses.replace(
        OBJECTIVE, average_qps=average, peak_qps=average * rates[1], max_error_share=max_error_share
    )
    parts = phases(objective, seconds)
    times = profile(parts, seed, kind)
    numbers = [sum(part.start_s <= at < part.end_s for at in times) for part in parts]
    bad = {sum(numbers[:n]) + i for n in range(3) for i in range(errors)}
    samples = [
        Sample(at, at, at + 0.01, "UNAVAILABLE" if n in bad else "OK", "", None) for n, at in enumerate(times)
    ]
    findings = judge(objective, measure(samples, parts, 0.0))
    return [one.demand for one in findings if not one.is_met], numbers


@given(**LOADS)
def test_a_load_whose_calls_were_all_answered_in_time_is_met(
    rates: tuple[float, float], seconds: float, seed: int, kind: Literal["poisson", "constant"]
) -> None:
    demands, numbers = missed(rates, seconds, seed, kind)
    assert demands == []
    third = seconds / 3
    assert numbers == [
        round(rate * lasts)
        for rate, lasts in zip(
            (rates[0], rates[0] * rates[1], rates[0]), (third, third, seconds - 2 * third), strict=True
        )
    ]


@given(**LOADS)
def test_a_load_that_allows_no_error_is_missed_by_one_in_a_phase(
    rates: tuple[float, float], seconds: float, seed: int, kind: Literal["poisson", "constant"]
) -> None:
    demands, _ = missed(rates, seconds, seed, kind, errors=1)
    assert demands[:2] == ["average QPS", "peak QPS"]
    assert "error share" in demands


@pytest.mark.parametrize(("errors", "is_met"), [(1, True), (2, False)])
def test_as_many_errors_as_are_allowed_are_allowed(errors: int, is_met: bool) -> None:
    demands, numbers = missed((100, 1), 30, 0, "constant", errors, max_error_share=0.001)
    assert numbers == [1000, 1000, 1000]
    assert (demands == []) == is_met


@pytest.mark.parametrize(
    ("read", "is_met"),
    [([64, 64], True), ([55, 55], True), ([70, 77], True), ([54, 54], False), ([128, 32], False)],
)
def test_inputs_that_have_not_the_lengths_asked_miss_the_objective(read: list[int], is_met: bool) -> None:
    off = percent_off([(64, one) for one in read])
    samples, parts = _one_slow_call()
    finding = judge(OBJECTIVE, measure(samples, parts, off))[-1]
    assert finding.demand == "mean input tokens off by"
    assert finding.is_met == is_met


def test_lengths_of_which_none_was_read_are_nothing_measured() -> None:
    finding = judge(OBJECTIVE, measure(*_one_slow_call(), percent_off([])))[-1]
    assert str(finding) == "MISSED: mean input tokens off by nothing measured, at most 15 % asked"


def test_a_finding_says_what_was_asked_and_what_was_measured() -> None:
    findings = judge(OBJECTIVE, measure(*_one_slow_call(), 0.0))
    assert "MISSED: p95 latency 1000 ms, at most 50 ms asked" in map(str, findings)


def _one_slow_call() -> tuple[list[Sample], list]:
    return [Sample(0.0, 0.0, 1.0, "OK", "", None)], phases(OBJECTIVE, 3)
