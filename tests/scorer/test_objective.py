"""What is read of a version's own report about the load that it was made for."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.bundle import Windows
from gnomon_scorer.domain.objective import Objective, objective_of
from gnomon_trainer.domain.service_objective import ServiceObjective, assess
from tests.scorer.evaluators import make_bundle

ASKED = {"peak_qps": 20.0, "average_qps": 5.0, "input_tokens": 128, "p95_ms": 50.0, "on_miss": "WARN"}
SERVICE = {"objective": ASKED, "met": True, "format": "openvino-int8", "formats": [], "reason": ""}


def test_what_the_trainer_writes_is_what_the_scorer_reads():
    asked = ServiceObjective(input_tokens=128, p95_ms=50.0, average_qps=5.0, peak_qps=20.0)
    profile = [{"tokens": 128, "alone_p99_ms": 5.0, "capacity_per_second": 100.0}]
    formats = [{"format": "openvino-int8", "measures": [], "latency_profile": profile}]
    written = json.loads(json.dumps({"service": assess(asked, formats, 2, max_tokens=128)}))
    missed = assess(replace(asked, p95_ms=1.0), formats, 2, max_tokens=128)

    assert objective_of(written) == Objective("openvino-int8", 128, 20.0, 50.0)
    assert objective_of({"service": missed}) == Objective("", 128, 20.0, 1.0)


def test_the_format_that_meets_the_objective_and_its_peak_are_read():
    assert objective_of({"service": SERVICE}) == Objective("openvino-int8", 128, 20.0, 50.0)


def test_without_a_peak_the_average_is_the_load():
    asked = ASKED | {"peak_qps": 0.0}
    assert objective_of({"service": SERVICE | {"objective": asked}}) == Objective(
        "openvino-int8", 128, 5.0, 50.0
    )


def test_the_format_that_comes_nearest_to_an_objective_that_is_missed_is_none_to_prefer():
    found = objective_of({"service": SERVICE | {"met": False}})
    assert found is not None
    assert found.format == ""


@pytest.mark.parametrize(
    "report",
    [
        None,
        [],
        {},
        {"service": None},
        {"service": {}},
        {"service": SERVICE | {"objective": {}}},
        {"service": SERVICE | {"objective": ASKED | {"input_tokens": 0}}},
        {"service": SERVICE | {"objective": ASKED | {"p95_ms": float("nan")}}},
        {"service": SERVICE | {"objective": ASKED | {"peak_qps": 0, "average_qps": 0}}},
    ],
)
def test_a_report_that_says_nothing_readable_states_no_objective(report):
    assert objective_of(report) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(st.sampled_from([*SERVICE]), json_values),
    st.dictionaries(st.sampled_from([*ASKED]), json_values),
)
def test_no_report_whatsoever_is_an_error(service, asked):
    objective_of({"service": service})
    found = objective_of({"service": SERVICE | {"objective": ASKED | asked}})
    assert found is None or found.per_second > 0


def test_a_long_instance_counts_as_many_sequences_as_it_is_read_in():
    evaluator = replace(make_bundle().evaluator, max_tokens=100)
    objective = Objective("a", 250, 1.0, 1.0)

    assert objective.sequences(evaluator) == (1, 100)
    assert objective.sequences(replace(evaluator, windows=Windows(75))) == (3, 100)
    assert replace(objective, tokens=40).sequences(replace(evaluator, windows=Windows(75))) == (1, 40)
