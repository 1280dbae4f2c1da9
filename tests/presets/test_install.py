"""Presets are installed through the SDK, in a registry of its own process."""

import asyncio
import dataclasses

import pytest

import gnomon
from gnomon import presets
from gnomon.errors import AlreadyExistsError, InvalidRequestError
from gnomon.local import ServiceProcess
from gnomon.presets import Outcome
from gnomon.presets.installed import compared
from gnomon.v1 import resources_pb2 as pb

VOICE = "Plain and dry. Never an exclamation mark."


@pytest.mark.parametrize("preset", presets.list_presets(), ids=lambda preset: preset.id)
def test_every_preset_can_be_installed(client: gnomon.Client, preset: presets.Preset) -> None:
    values = {parameter.name: "Plain and dry." for parameter in preset.parameters}
    installed = client.metrics.install_preset(preset.id, values=values)
    metric = client.metrics.get(preset.id)

    assert (installed.outcome, installed.metric) == (Outcome.CREATED, metric)
    assert metric.preset == f"{preset.id}@{preset.edition.edition}"
    assert [(c.label, c.rubric, c.flagged) for c in metric.classes] == [
        (c.label, c.rubric, c.flagged) for c in preset.classes
    ]
    assert pb.Metric.InputShape.Name(metric.input_shape) == preset.input_shape.name
    assert "{{" not in metric.judge_prompt + metric.description


def test_a_second_install_says_so_and_changes_nothing(client: gnomon.Client) -> None:
    first = client.metrics.install_preset("refusal")
    again = client.metrics.install_preset("refusal")

    assert (again.outcome, again.edited, again.metric) == (Outcome.PRESENT, (), first.metric)


def test_what_a_user_edited_is_told_and_kept(client: gnomon.Client) -> None:
    metric = client.metrics.install_preset("refusal").metric
    metric.judge_prompt = "Ours."
    edited = client.metrics.update(metric, fields=["judge_prompt"])
    again = client.metrics.install_preset("refusal")

    assert (again.outcome, again.edited, again.metric) == (Outcome.PRESENT, ("judge_prompt",), edited)
    assert "judge_prompt" in str(again)


def test_a_preset_may_have_another_name_and_stand_beside_itself(client: gnomon.Client) -> None:
    client.metrics.install_preset("refusal")
    installed = client.metrics.install_preset("refusal", "over-caution")

    assert installed.metric.name == "metrics/over-caution"
    assert [metric.preset for metric in client.metrics.list()] == ["refusal@1", "refusal@1"]


@pytest.mark.parametrize("preset", ["", "refusal@1"])
def test_another_metric_of_the_name_is_refused_and_kept(client: gnomon.Client, preset: str) -> None:
    mine = client.metrics.create("tone", output_type="boolean", input_shape="output", preset=preset)
    with pytest.raises(AlreadyExistsError, match="another name") as caught:
        client.metrics.install_preset("tone")

    assert caught.value.metadata == {"resource": "metrics/tone", "preset": "tone@1"}
    assert client.metrics.get("tone") == mine


def test_another_edition_is_told_and_kept(client: gnomon.Client) -> None:
    theirs = client.metrics.create("tone", output_type="boolean", input_shape="output", preset="tone@7")
    installed = client.metrics.install_preset("tone")

    assert (installed.outcome, installed.metric) == (Outcome.OTHER_EDITION, theirs)
    assert "tone@1 is older" in str(installed)


def test_a_newer_edition_is_told_and_not_installed() -> None:
    old = presets.load("tone")
    newer = dataclasses.replace(old, edition=dataclasses.replace(old.edition, edition=2))
    found = pb.Metric(name="metrics/tone", preset="tone@1")
    told = compared(newer, newer.metric({}), found)

    assert (told.outcome, told.metric) == (Outcome.OTHER_EDITION, found)
    assert "tone@2 is newer" in str(told)


def test_a_brands_voice_is_needed_and_kept_to(client: gnomon.Client) -> None:
    with pytest.raises(InvalidRequestError, match="voice"):
        client.metrics.install_preset("brand-tone")
    metric = client.metrics.install_preset("brand-tone", values={"voice": VOICE}).metric

    assert VOICE in metric.judge_prompt
    assert VOICE in metric.description
    same = client.metrics.install_preset("brand-tone", values={"voice": VOICE})
    assert (same.outcome, same.edited) == (Outcome.PRESENT, ())
    with pytest.raises(AlreadyExistsError, match="another voice"):
        client.metrics.install_preset("brand-tone", values={"voice": "Loud!"})
    other = client.metrics.install_preset("brand-tone", "brand-two", values={"voice": "Loud!"})
    assert other.outcome is Outcome.CREATED


def test_a_value_that_breaks_a_rule_of_the_registry_is_refused_by_field(client: gnomon.Client) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        client.metrics.install_preset("brand-tone", values={"voice": "long " * 5_000})

    assert "metric.description" in {violation.field for violation in caught.value.violations}


async def test_of_many_who_install_together_one_creates(
    client: gnomon.Client, process: ServiceProcess
) -> None:
    async with gnomon.AsyncClient(registry=process.address) as waiting:
        answers = await asyncio.gather(*(waiting.metrics.install_preset("tone") for _ in range(8)))

    outcomes = [answer.outcome for answer in answers]
    assert (outcomes.count(Outcome.CREATED), outcomes.count(Outcome.PRESENT)) == (1, 7)
    assert len({answer.metric.etag for answer in answers}) == 1
