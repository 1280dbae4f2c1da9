"""Hostile texts in every field of every RPC."""

import random

import pytest
from benchmarks.faults import fuzz

from gnomon.v1 import registry_service_pb2 as registry


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("service", ["registry", "trainer", "scorer"])
def test_hostile_names_open_nothing_outside_and_break_nothing(tmp_path, service):
    found = fuzz.measure(tmp_path, fuzz.Plan(calls=1_500, threads=4), (service,))

    assert found["problems"] == []
    assert found["calls"] == {service: 1_500}


def test_one_text_of_a_request_is_hostile_and_the_others_could_be_meant():
    random_ = random.Random(1)
    descriptor = registry.SetAliasRequest.DESCRIPTOR
    requests = [fuzz.filled(descriptor, random_) for _ in range(50)]

    assert any(request.alias.metric_version == "metrics/m/versions/1" for request in requests)
    assert len({request.alias.name for request in requests}) > 5
