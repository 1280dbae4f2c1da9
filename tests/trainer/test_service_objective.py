"""Which format carries a load."""

import math
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from gnomon.bundle import Windows
from gnomon.errors import InvalidRequestError
from gnomon.v1 import resources_pb2
from gnomon_trainer.domain.service_objective import (
    OnMiss,
    ServiceObjective,
    assess,
    carried,
    check_objective,
    read_as,
)

OBJECTIVE = ServiceObjective(input_tokens=100, p95_ms=50.0, average_qps=20.0, peak_qps=80.0)


def _report(
    format_: str, alone_ms: float, capacity: float, drop: float | None = None, flags: float | None = None
) -> dict[str, Any]:
    points = [
        {
            "tokens": tokens,
            "alone_p50_ms": alone_ms / 2,
            "alone_p99_ms": alone_ms * tokens / 128,
            "capacity_per_second": capacity * 128 / tokens,
            "capacity_batch": 1,
        }
        for tokens in (32, 128, 512)
    ]
    drops = {"macro_f1_drop": drop, "flagged_f1_drop": flags}
    measures = [{"key": k, "value": v, "low": v, "high": v} for k, v in drops.items() if v is not None]
    return {"format": format_, "passed": True, "measures": measures, "latency_profile": points}


def _assess(objective: ServiceObjective, *reports: dict[str, Any]) -> dict[str, Any]:
    found = assess(objective, reports, 2, max_tokens=512)
    json_format.ParseDict(found, resources_pb2.ServiceReport())  # it is one
    return found


def test_of_the_formats_that_carry_it_the_one_that_loses_least_is_taken() -> None:
    found = _assess(
        OBJECTIVE,
        _report("slow", 20.0, 60.0),
        _report("exact", 12.0, 150.0),
        _report("exact-and-faster", 8.0, 200.0),
        _report("rough", 4.0, 500.0, 0.004),
    )
    assert found["met"]
    assert found["format"] == "exact-and-faster"
    assert found["reason"] == ""
    assert [entry["meets"] for entry in found["formats"]] == [False, True, True, True]
    assert "p95_ms" not in found["formats"][0]  # it cannot keep up


def test_a_format_that_loses_labels_or_flags_is_as_good_as_the_worse_of_both() -> None:
    flags_badly, labels_badly = _report("f", 4.0, 500.0, -0.01, 0.03), _report("l", 4.0, 500.0, 0.02, -0.01)
    found = _assess(OBJECTIVE, flags_badly, labels_badly)
    assert found["format"] == "l"
    assert [entry["flagged_f1_drop"] for entry in found["formats"]] == [0.03, -0.01]
    found = _assess(OBJECTIVE, flags_badly, labels_badly, _report("exact", 12.0, 150.0))
    assert found["format"] == "exact"
    assert "flagged_f1_drop" not in found["formats"][-1]


def test_where_none_carries_it_the_numbers_of_the_nearest_are_told() -> None:
    found = _assess(OBJECTIVE, _report("slow", 20.0, 60.0), _report("rough", 60.0, 500.0, 0.004))
    assert not found["met"]
    assert found["format"] == "rough"
    assert "80 instances/s of 100 tokens within 50 ms" in found["reason"]
    assert "rough: p95 60" in found["reason"]


def test_of_what_was_not_measured_nothing_is_claimed() -> None:
    found = _assess(OBJECTIVE)
    assert not found["met"]
    assert found["format"] == ""
    assert "nothing is known" in found["reason"]


def test_the_wait_of_one_server_is_that_of_an_m_m_1_queue() -> None:
    """There P(wait > t) = u·exp(-(c - l)·t) for the load l, the capacity c and u = l / c."""
    objective = ServiceObjective(128, 1_000.0, peak_qps=80.0)
    found = carried(objective, _report("one", 10.0, 100.0), sequences=1, length=128, cores=1)
    assert found.p95_ms == pytest.approx(10 + math.log(0.8 / 0.05) / 20 * 1_000, rel=1e-3)


@given(st.floats(1, 99), st.floats(0.1, 20), st.integers(1, 16))
def test_more_load_never_answers_sooner(load: float, more: float, cores: int) -> None:
    report = _report("one", 10.0, 100.0)
    found = [
        carried(ServiceObjective(128, 50.0, peak_qps=qps), report, 1, 128, cores).p95_ms or math.inf
        for qps in (load, load + more)
    ]
    assert 10 <= found[0] <= found[1]


def test_a_long_instance_costs_all_its_windows() -> None:
    objective = ServiceObjective(1_000, 50.0, peak_qps=1.0)
    assert read_as(objective, 256, None) == (1, 256)
    assert read_as(objective, 256, Windows(128)) == (7, 256)
    one, seven = (carried(objective, _report("one", 10.0, 100.0), sequences, 128, 1) for sequences in (1, 7))
    assert seven.capacity_per_second == pytest.approx(one.capacity_per_second / 7, rel=1e-3)
    assert (seven.p95_ms or 0) >= 7 * (one.p95_ms or 0) - 1e-6


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"input_tokens": 0}, "input_tokens"),
        ({"p95_ms": 0.0}, "p95_ms"),
        ({"p95_ms": math.nan}, "p95_ms"),
        ({"average_qps": -1.0}, "average_qps"),
        ({}, "peak_qps"),
        ({"average_qps": 3.0, "peak_qps": 2.0}, "peak_qps"),
        ({"peak_qps": math.inf}, "peak_qps"),
    ],
)
def test_an_objective_that_makes_no_sense_is_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        check_objective(ServiceObjective(**({"input_tokens": 9, "p95_ms": 1.0} | changes)))
    assert field in caught.value.violations[0].field


def test_an_average_alone_is_its_own_peak() -> None:
    assert check_objective(ServiceObjective(9, 1.0, average_qps=3.0, on_miss=OnMiss.REFUSE)).load == 3.0
