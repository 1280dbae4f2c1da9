"""A registry that is killed while many publish, and callers that all say the same."""

import pytest
from benchmarks.faults import publishes, same_request


@pytest.mark.slow
@pytest.mark.long
def test_every_publication_has_one_effect_although_the_registry_is_killed(tmp_path):
    found = publishes.measure(tmp_path, publishes.Plan(publishes=100, kills=4))

    assert found["problems"] == []
    assert found["kills"] >= 1
    assert found["calls_without_answer"] > 0


@pytest.mark.slow
@pytest.mark.long
def test_one_request_id_has_one_effect_and_one_answer_however_many_send_it_at_once(tmp_path):
    found = same_request.measure(tmp_path, at_once=40)

    assert found["problems"] == []
    assert len(found["kinds"]) == 7
