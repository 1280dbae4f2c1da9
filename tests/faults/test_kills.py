"""kill -9 in the middle of real trainings, of migrations, and what the workers repeat after it."""

import pytest
from benchmarks.faults import kills, steps


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_run_ends_with_the_same_weights_whoever_is_killed_meanwhile(tmp_path):
    plan = kills.Plan(kills=3, a_round=3, points=kills.POINTS[2:6])

    found = kills.measure(tmp_path, plan)

    assert found["problems"] == []
    assert found["rounds"] == 1 + 3 + 4


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(2400)
def test_a_real_training_ends_with_the_same_weights_whoever_is_killed_meanwhile(tmp_path):
    plan = kills.Plan(kills=1, a_round=3, points=kills.CHECKPOINTS[1:2], worker=kills.REAL)

    found = kills.measure(tmp_path, plan)

    assert found["problems"] == []
    assert found["rounds"] == 3


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("point", kills.MIGRATIONS, ids=lambda point: f"{point[0]}-{point[3]}")
def test_a_service_that_is_killed_at_its_migration_starts_as_if_nothing_had_been(tmp_path, point):
    assert kills.migrations(tmp_path, (point,))["problems"] == []


PROGRESS, CHECKPOINT = "HeldRun.progress", "Checkpoints.write"


def test_steps_behind_the_last_checkpoint_may_be_repeated():
    calls = [("1", PROGRESS, n) for n in range(1, 6)]
    calls.insert(3, ("1", CHECKPOINT, 3))

    followed = steps.follow([*calls, ("2", PROGRESS, 4), ("2", PROGRESS, 5), ("2", PROGRESS, 6)])

    assert followed == steps.Followed(last=6, most_repeated=2, problems=())


def test_steps_before_the_last_checkpoint_may_not():
    calls = [("1", PROGRESS, n) for n in range(1, 6)]
    calls.insert(3, ("1", CHECKPOINT, 3))

    assert steps.follow([*calls, ("2", PROGRESS, 1)]).problems
