"""`gnomon metrics presets` against a registry of its own process."""

import json

import pytest

VOICE = "voice=Plain and dry."


def test_presets_are_listed_for_people_and_programs(run) -> None:
    shown, listed = run("presets", "list"), run("presets", "list", "--json")

    assert "--set voice=…" in shown.out
    assert "prompt-injection" in shown.out
    assert len(listed.json) == 23
    assert listed.json[0].keys() == {"preset", "edition", "parameters", "metric"}
    assert listed.err == ""


def test_a_preset_is_shown_whole(run) -> None:
    shown = run("presets", "show", "tool-selection-quality").out
    expected = ("selection-quality@1", "wrong_arguments (flagged)", "Judge prompt", "track_parcel(", "reason")
    assert [part for part in expected if part not in shown] == []
    assert "session" in run("presets", "show", "action-completion").out


def test_what_is_shown_begins_a_metric_of_ones_own(run, client, tmp_path) -> None:
    shown = run("presets", "show", "tone", "--json").json
    definition = shown["metric"]
    definition["classes"] = definition["classes"][:3]
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(definition))

    assert run("create", "mine", "--file", str(file)).status == 0
    metric = client.metrics.get("mine")
    assert (len(metric.classes), metric.preset) == (3, "")
    assert metric.judge_prompt == definition["judge_prompt"]
    assert shown["examples"][0].keys() == {"label", "output", "reason"}


def test_installing_all_leaves_out_what_needs_a_value_and_is_told_so(run, client) -> None:
    ran = run("presets", "install", "--all")

    assert ran.status == 0
    assert ran.out.count("Created metrics/") == 22
    assert "Left out brand-tone: it needs --set voice=…." in ran.out
    again = run("presets", "install", "--all", "--set", VOICE, "--json").json
    assert {answer["outcome"] for answer in again if answer["preset"] != "brand-tone@1"} == {"present"}
    (branded,) = (answer for answer in again if answer["preset"] == "brand-tone@1")
    assert branded["outcome"] == "created"
    assert "Plain and dry." in branded["metric"]["judge_prompt"]
    assert len(list(client.metrics.list())) == 23


def test_what_is_left_out_is_in_the_document_too(run) -> None:
    (left,) = (
        answer for answer in run("presets", "install", "--all", "--json").json if answer["metric"] is None
    )

    assert left == {
        "preset": "brand-tone@1",
        "outcome": "left_out",
        "edited": [],
        "needs": ["voice"],
        "metric": None,
    }


def test_a_preset_is_installed_under_another_name(run, client) -> None:
    assert run("presets", "install", "brand-tone", "--as", "acme", "--set", VOICE).out == (
        "Created metrics/acme from brand-tone@1.\n"
    )
    assert client.metrics.get("acme").preset == "brand-tone@1"
    assert "brand-tone@1" in run("get", "acme").out


def test_a_second_install_changes_nothing_and_ends_well(run) -> None:
    run("presets", "install", "refusal")
    again = run("presets", "install", "refusal")

    assert again.status == 0
    assert again.out == "metrics/refusal is there already, of refusal@1. Nothing was changed.\n"


def test_a_metric_of_ones_own_is_never_replaced(run, client) -> None:
    mine = client.metrics.create("tone", output_type="boolean", input_shape="output")
    ran = run("presets", "install", "tone", "--json")

    assert ran.status == 1
    assert ran.json["error"]["reason"] == "RESOURCE_EXISTS"
    assert ran.json["error"]["metadata"] == {"resource": "metrics/tone", "preset": "tone@1"}
    assert client.metrics.get("tone") == mine


def test_of_several_the_others_are_installed_and_the_refused_one_is_named(run, client) -> None:
    client.metrics.create("tone", output_type="boolean", input_shape="output")
    ran = run("presets", "install", "refusal", "tone", "tool-error")

    assert (ran.status, ran.out) == (1, "")
    assert "Created metrics/refusal" in ran.err
    assert "1 of 3 presets were not installed" in ran.err
    assert {m.name for m in client.metrics.list()} == {
        "metrics/refusal",
        "metrics/tone",
        "metrics/tool-error",
    }


def test_nothing_is_installed_if_one_of_several_lacks_its_value(run, client) -> None:
    ran = run("presets", "install", "refusal", "brand-tone")

    assert ran.status == 1
    assert "values.voice is needed by brand-tone" in ran.err
    assert list(client.metrics.list()) == []


@pytest.mark.parametrize(
    "words",
    [
        ("install",),
        ("install", "tone", "--all"),
        ("install", "tone", "refusal", "--as", "x"),
        ("install", "tone", "--set", "voice=x"),
        ("install", "brand-tone", "--set", "voice"),
    ],
)
def test_a_wrong_command_line_ends_with_status_2(run, words) -> None:
    ran = run("presets", *words)

    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error: ")


def test_a_preset_that_is_not_there_is_refused(run) -> None:
    assert run("presets", "show", "toxicity", "--json").json["error"]["reason"] == "RESOURCE_NOT_FOUND"
    assert "There is no preset 'toxicity'" in run("presets", "install", "toxicity").err
