"""What was measured of long rows is what is served of them."""

from pathlib import Path

import pytest

from gnomon.bundle import parse_evaluator
from gnomon.convert import instance_to_proto
from gnomon.instances import text_span
from gnomon_trainer.domain.training import Row
from tests.scorer.evaluators import MadeBundle
from tests.scorer.serving import FakeRegistry, logits_of, scoring
from tests.trainer.fine_tuning import tiny


@pytest.mark.parametrize("reducer", ["max", "mean"])
async def test_a_scorer_gives_long_rows_the_trainers_scores(tmp_path: Path, reducer: str) -> None:
    plan = tiny.plan(epochs=1, max_tokens=12, window_stride=4, max_windows=3, window_reducer=reducer)
    far = Row(61, text_span(input="w1 " * 50_000, output="storm"), "true")
    plan.test_rows.append(far)  # type: ignore[attr-defined]
    trained = tiny.train(tiny.make_base_model(tmp_path / "base"), tmp_path / "work", plan)
    contents = tiny.contents(trained.bundle_folder)
    registry = FakeRegistry()
    await registry.start()
    registry.register("gloom/1", MadeBundle(parse_evaluator(contents["evaluator.json"]), contents))

    async with scoring(registry, tmp_path / "cache") as caller:
        await caller.until_healthy()
        served = await caller.score("gloom/1", *(instance_to_proto(row.instance) for row in plan.test_rows))
    await registry.stop()

    predictions = tiny.read_lines(trained.predictions_path)
    for predicted, result in zip(predictions, served.results, strict=True):
        score = result.outcomes[0].score
        assert logits_of(result.outcomes[0]) == pytest.approx(predicted["logits"], abs=1e-4)
        assert (score.label, score.flagged) == (predicted["label"], predicted["flagged"])
        assert (score.token_count, score.truncated) == (predicted["token_count"], predicted["truncated"])
        assert score.window_count == predicted["window_count"]
        deciding = score.deciding_window if score.HasField("deciding_window") else None
        assert deciding == predicted["deciding_window"]
    assert {result.outcomes[0].score.window_count for result in served.results} == {1, 2, 3}
