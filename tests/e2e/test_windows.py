"""What was measured of long rows and of sessions is what is served of them."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from gnomon.bundle import parse_evaluator
from gnomon.cells import instance
from gnomon.convert import instance_to_proto
from gnomon.instances import InputShape, Step, text_span
from gnomon_trainer.domain.training import Row
from tests.scorer.evaluators import MadeBundle
from tests.scorer.serving import FakeRegistry, logits_of, scoring
from tests.trainer.fine_tuning import tiny


@pytest.mark.parametrize("reducer", ["max", pytest.param("mean", marks=pytest.mark.slow)])
async def test_a_scorer_gives_long_rows_the_trainers_scores(tmp_path: Path, reducer: str) -> None:
    plan = tiny.plan(epochs=1, max_tokens=12, window_stride=4, max_windows=3, window_reducer=reducer)
    far = Row(61, text_span(input="w1 " * 50_000, output="storm"), "true")
    plan.test_rows.append(far)  # type: ignore[attr-defined]
    trained = tiny.train(tiny.make_base_model(tmp_path / "base"), tmp_path / "work", plan)
    contents = tiny.contents(trained.bundle_folder)
    served = await scores_of(contents, plan.test_rows, tmp_path / "cache")

    compare(tiny.read_lines(trained.predictions_path), served)
    assert {outcome.score.window_count for outcome in served} == {1, 2, 3}


async def scores_of(contents, rows, folder):
    """Serve a bundle and score the rows' instances over the wire."""
    registry = FakeRegistry()
    await registry.start()
    registry.register("gloom/1", MadeBundle(parse_evaluator(contents["evaluator.json"]), contents))
    async with scoring(registry, folder) as caller:
        await caller.until_healthy()
        served = await caller.score("gloom/1", *(instance_to_proto(row.instance) for row in rows))
    await registry.stop()
    return [result.outcomes[0] for result in served.results]


def compare(predictions, served):
    for predicted, outcome in zip(predictions, served, strict=True):
        score = outcome.score
        assert logits_of(outcome) == pytest.approx(predicted["logits"], abs=1e-4)
        assert (score.label, score.flagged) == (predicted["label"], predicted["flagged"])
        assert (score.token_count, score.truncated) == (predicted["token_count"], predicted["truncated"])
        assert score.window_count == predicted["window_count"]
        deciding = score.deciding_window if score.HasField("deciding_window") else None
        assert deciding == predicted["deciding_window"]


GLOOMY_SESSIONS = replace(tiny.BOOLEAN, step=Step.SESSION, input_shape=InputShape.WHOLE_SESSION)


def session(number, random_):
    """A chat with a tool call, the shortest of them within `max_tokens`; gloomy ones end so."""
    gloomy = random_.random() < 0.4
    talk = [
        {"role": "system", "content": tiny.sentence(tiny.FILLERS, random_) * random_.choice([1, 30])},
        {"role": "user", "content": tiny.sentence(tiny.FILLERS, random_)},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "name": "w1", "arguments": '{"w2": "w3"}'}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "w4 " * random_.choice([1, 400])},
    ] * random_.choice([1, 2, 9])
    answer = tiny.sentence(tiny.BAD if gloomy else tiny.GOOD, random_)
    chat = [*talk, {"role": "assistant", "content": answer}]
    return Row(number, instance({"messages": chat}, Step.SESSION), "true" if gloomy else "false")


@pytest.mark.slow
async def test_a_session_is_shortened_in_training_and_serving_alike(tmp_path: Path) -> None:
    random_ = random.Random(3)
    plan = replace(
        tiny.plan(epochs=1, max_tokens=48, window_stride=24),
        metric=GLOOMY_SESSIONS,
        training_rows=[session(number, random_) for number in range(1, 41)],
        test_rows=[session(number, random_) for number in range(1, 21)],
    )
    trained = tiny.train(tiny.make_base_model(tmp_path / "base"), tmp_path / "work", plan)
    contents = tiny.contents(trained.bundle_folder)

    served = await scores_of(contents, plan.test_rows, tmp_path / "cache")

    predictions = tiny.read_lines(trained.predictions_path)
    compare(predictions, served)
    assert parse_evaluator(contents["evaluator.json"]).template == "whole-session/2"
    assert {outcome.score.truncated for outcome in served} == {True, False}
    assert max(outcome.score.token_count for outcome in served) <= 48
