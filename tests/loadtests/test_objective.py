from pathlib import Path

import pytest

import loadtests
from gnomon.errors import InvalidRequestError, NotFoundError
from loadtests.mix import Fixed, LogNormal
from loadtests.objective import load, parse
from loadtests.open_loop import Sample
from loadtests.verdict import judge, measure, phases, profile

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
    return samples, [one.demand for one in judge(OBJECTIVE, measure(samples, parts)) if not one.is_met]


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


def test_a_finding_says_what_was_asked_and_what_was_measured() -> None:
    findings = judge(OBJECTIVE, measure(*_one_slow_call()))
    assert "MISSED: p95 latency 1000 ms, at most 50 ms asked" in map(str, findings)


def _one_slow_call() -> tuple[list[Sample], list]:
    return [Sample(0.0, 0.0, 1.0, "OK", "", None)], phases(OBJECTIVE, 3)
