"""Several real workers, of which some sleep past their lease, and clocks that jump an hour."""

import pytest
from benchmarks.faults import many_runs


@pytest.mark.slow
@pytest.mark.long
def test_no_run_is_lost_or_made_twice_while_workers_sleep_and_clocks_jump(tmp_path):
    plan = many_runs.Plan(workers=4, runs=60, stops=2, jumps=12, lease_s=6.0)

    found = many_runs.measure(tmp_path, plan)

    assert found["problems"] == []
    assert (found["runs"], found["versions"]) == (60, 60)
