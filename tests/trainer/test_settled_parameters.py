"""What a run left to its rows is shown as it was settled, once there is a report."""

from pathlib import Path

from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.running import State, trainer_at, two_sets


async def test_a_run_shows_what_its_rows_settled_in_place_of_auto(
    tmp_path: Path, registry: FakeRegistry
) -> None:
    async with trainer_at(tmp_path, registry, workers=1) as trainer:
        await two_sets(trainer)
        queued = await trainer.create_run(parameters={"search_minutes": 3.0, "pooling": "auto"})
        run = await trainer.until(State.REGISTERED, State.FAILED)

    assert run.state == State.REGISTERED
    before, after = ({p.key: (p.value, p.origin) for p in r.resolved_parameters} for r in (queued, run))
    assert (before["pooling"], before["layers"]) == (("auto", "request"), ("0", "recipe"))
    assert (after["pooling"], after["layers"]) == (("contrast", "data"), ("5", "data"))
    assert {key for key in after if after[key] != before[key]} == {"pooling", "layers", "learning_rate"}
    assert {p.key: p.value for p in run.report.settled_parameters} == {"pooling": "contrast", "layers": "5"}
    assert run.parameters.pooling == "auto"  # what was asked for stays as it was
