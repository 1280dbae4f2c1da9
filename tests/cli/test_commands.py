"""Every group of commands over the real wire, against services that answer from memory."""

import io
import json
import re
import subprocess

import pytest
from google.protobuf.json_format import Parse
from rich.console import Console

from gnomon import Client, local
from gnomon.cli import watching
from gnomon.cli.output import Output
from gnomon.cli.session import connect
from gnomon.errors import AccessUnverifiedError
from gnomon.v1 import resources_pb2 as pb
from tests.cli.fake_services import a_report


def test_what_is_created_is_shown_listed_changed_and_deleted(gnomon):
    assert (
        gnomon("projects", "create", "support", "--display-name", "Support").out
        == "Created projects/support.\n"
    )
    assert "Support" in gnomon("projects", "get", "support").out
    assert "support" in gnomon("projects", "list").out

    gnomon("projects", "update", "support", "--description", "All of [bold]support[/bold].")

    assert "[bold]support[/bold]" in gnomon("projects", "get", "projects/support").out
    assert gnomon("projects", "delete", "support").status == 0
    assert "There are no projects yet" in gnomon("projects", "list").err


def test_with_json_there_is_one_document_and_nothing_else(gnomon):
    created = gnomon("projects", "create", "support", "--json")
    listed = gnomon("projects", "list", "--json")

    assert created.json["name"] == "projects/support"
    assert [project["name"] for project in listed.json] == ["projects/support"]
    assert created.err == listed.err == ""


def test_an_empty_list_is_an_empty_array(gnomon):
    assert gnomon("metrics", "list", "--json").json == []


def test_a_json_document_has_fields_at_their_default_too(gnomon):
    gnomon("projects", "create", "support")

    assert gnomon("projects", "get", "support", "--json").json["description"] == ""


def test_an_error_is_a_sentence_and_status_1(gnomon):
    ran = gnomon("projects", "get", "support")

    assert (ran.status, ran.out) == (1, "")
    assert ran.err == "error: There is no projects/support.\n"


def test_with_json_an_error_is_the_document(gnomon):
    ran = gnomon("projects", "get", "support", "--json")

    assert ran.status == 1
    assert ran.json == {
        "error": {
            "reason": "RESOURCE_NOT_FOUND",
            "message": "There is no projects/support.",
            "violations": [],
            "metadata": {"resource": "projects/support"},
        }
    }


def test_a_name_that_breaks_the_rule_is_refused_before_any_call(gnomon):
    ran = gnomon("metrics", "get", "../etc", "--json")

    assert ran.status == 1
    assert ran.json["error"]["reason"] == "INVALID_REQUEST"
    assert ran.json["error"]["violations"]


RUN = ("runs", "create", "--project", "demo", "--metric", "tone", "--test-set", "test@2")


@pytest.mark.parametrize(
    "words",
    [
        ("runs", "create"),
        ("projects", "update", "support"),
        ("score", "tone"),
        ("score", "tone", "--file", "x.csv"),
        ("metrics", "create", "tone"),
        ("metrics", "create", "tone", "--output-type", "number", "--input-shape", "input"),
        ("datasets", "upload", "d", __file__, "--metric", "m", "--column", "question"),
        ("nonsense",),
        RUN,
        (*RUN, "--training-set", "train", "--label", "logs", "--provider", "p"),
        (*RUN, "--label", "logs"),
        (*RUN, "--training-set", "train", "--provider", "p"),
        (*RUN, "--training-set", "train", "--rows", "60"),
        (*RUN, "--labelling", "l", "--max-cost", "3"),
        (*RUN, "--generate", "--provider", "p", "--approve-sample"),
        (*RUN, "--training-set", "train", "--approve-sample", "--watch"),
    ],
)
def test_a_wrong_command_line_ends_with_status_2(gnomon, words):
    ran = gnomon(*words)

    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert gnomon(*words, "--json").json["error"]["reason"] == "USAGE"


def test_a_metric_is_made_from_options(gnomon, fake):
    gnomon(
        "metrics", "create", "tone", "--output-type", "categorical", "--input-shape", "input-output",
        "--class", "calm=Even, factual.", "--class", "angry", "--flag", "angry", "--judge-prompt", "Which?",
    )  # fmt: skip

    metric = fake.metrics["metrics/tone"]
    assert (metric.output_type, metric.step) == (pb.Metric.CATEGORICAL, pb.Metric.LLM_SPAN)
    assert metric.input_shape == pb.Metric.INPUT_OUTPUT
    assert [(c.label, c.rubric, c.flagged) for c in metric.classes] == [
        ("calm", "Even, factual.", False),
        ("angry", "", True),
    ]


def test_a_metric_is_made_from_a_file_and_options_win(gnomon, fake, tmp_path):
    file = tmp_path / "tone.json"
    file.write_text(json.dumps({"output_type": "boolean", "input_shape": "OUTPUT", "display_name": "Tone"}))

    gnomon("metrics", "create", "tone", "--file", file, "--display-name", "Other")

    metric = fake.metrics["metrics/tone"]
    assert (metric.input_shape, metric.display_name) == (pb.Metric.OUTPUT, "Other")


def test_a_file_that_defines_no_metric_is_refused_by_its_name(gnomon, tmp_path):
    file = tmp_path / "tone.json"
    file.write_text('{"output_typ": "boolean"}')

    ran = gnomon("metrics", "create", "tone", "--file", file)

    assert ran.status == 1
    assert "tone.json does not define a metric" in ran.err
    assert "output_typ" in ran.err


def test_an_upload_carries_columns_and_content(gnomon, fake, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("question,label\nHow?,true\n")

    ran = gnomon("datasets", "upload", "rows", file, "--metric", "tone", "--column", "question=input")

    header, content = fake.uploads[0]
    assert dict(header.column_mapping) == {"question": "input"}
    assert content == file.read_bytes()
    assert "Stored datasets/rows@1: 2 rows" in ran.out


def test_a_check_shows_what_it_found_and_the_rows_most_suspect(gnomon):
    ran = gnomon("datasets", "check", "rows", "--limit", 1)

    assert "datasets/rows@1 is VALIDATED_WITH_WARNINGS." in ran.out
    assert "LIKELY_MISLABELLED: 2 of 300 rows." in ran.out
    (line,) = (line for line in ran.out.splitlines() if "red" in line)
    assert line.split() == ["9", "Where", "is", "my", "[red]", "card?", "true", "(0.04)", "false", "(0.96)"]
    assert "To correct them: gnomon review rows" in ran.out
    assert len(gnomon("datasets", "check", "rows", "--json").json["suspect_labels"]) == 2


def test_bad_rows_are_listed_with_line_and_value(gnomon, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("input,label\nHow?,maybe\n")

    ran = gnomon("datasets", "upload", "rows", file, "--metric", "tone")

    assert ran.status == 1
    assert "  line 2, column \"label\": 'maybe' is no label; use true or false\n" in ran.err


def test_a_file_that_is_not_there_is_a_usage_error(gnomon):
    ran = gnomon("datasets", "upload", "rows", "absent.csv", "--metric", "tone")

    assert ran.status == 2
    assert "absent.csv" in ran.err


def test_example_files_fit_the_commands_that_take_them(gnomon, fake, tmp_path):
    listed = gnomon("datasets", "example", "--json").json
    name = "message-intent"
    files = gnomon("datasets", "example", name, "--folder", tmp_path, "--json").json

    assert name in [entry["name"] for entry in listed]
    assert gnomon("metrics", "create", name, "--file", files["metric"]).status == 0
    assert gnomon("datasets", "upload", "rows", files["training_set"], "--metric", name).status == 0
    assert len(fake.metrics["metrics/message-intent"].classes) == 5


SETS = (*RUN[2:], "--training-set", "train")


def test_a_run_gets_every_parameter(gnomon, fake):
    fields = pb.TrainingParameters.DESCRIPTOR.fields
    values = {
        f.name: index if f.cpp_type != f.CPPTYPE_STRING else "mean" for index, f in enumerate(fields, 1)
    }
    options = [word for key, value in values.items() for word in (f"--{key.replace('_', '-')}", str(value))]

    ran = gnomon("runs", "create", *SETS, "--allow-small", *options)

    run = fake.create_runs[0].run
    assert {field.name: value for field, value in run.parameters.ListFields()} == values
    assert (run.training_set, run.test_set, run.allow_small) == ("datasets/train", "datasets/test@2", True)
    assert "gnomon runs watch projects/demo/runs/r1" in ran.out


def test_parameters_that_are_not_given_are_left_to_the_recipe(gnomon, fake):
    gnomon("runs", "create", *SETS)

    assert fake.create_runs[0].run.parameters == pb.TrainingParameters()
    assert not fake.create_runs[0].run.HasField("service_objective")


def test_a_run_gets_the_load_to_carry(gnomon, fake):
    load = ("--peak-qps", "50", "--input-tokens", "200", "--p95-ms", "40", "--on-miss", "refuse")
    gnomon("runs", "create", *SETS, *load)

    assert fake.create_runs[0].run.service_objective == pb.ServiceObjective(
        peak_qps=50, input_tokens=200, p95_ms=40, on_miss=pb.ServiceObjective.REFUSE
    )


def test_a_watched_run_tells_its_progress_line_by_line_and_ends_with_its_results(gnomon):
    ran = gnomon("runs", "create", *SETS, "--watch")

    assert ran.status == 0
    assert "TRAINING: fine tuning, step 2 of 3, 1 min 35 s left" in ran.err
    assert "validation macro F1 0.600" in ran.err
    assert "Registered metrics/tone/versions/1" in ran.out
    assert "gnomon aliases set tone production 1" in ran.out


def test_who_stops_watching_is_told_that_the_run_goes_on_and_how_to_stop_it(gnomon, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(watching, "watch", interrupted)

    ran = gnomon("runs", "create", *SETS, "--watch")

    assert ran.status == 130
    assert "gnomon runs watch projects/demo/runs/r1" in ran.err
    assert "gnomon runs cancel projects/demo/runs/r1" in ran.err


def test_a_watched_run_that_fails_ends_with_status_1_and_its_reason(gnomon, fake):
    fake.run_ends_as = pb.Run.FAILED
    gnomon("runs", "create", *SETS)

    ran = gnomon("runs", "watch", "demo/r1")
    document = gnomon("runs", "watch", "demo/r1", "--json")

    assert ran.status == document.status == 1
    assert "The disk went away." in ran.out
    assert "gnomon runs resume projects/demo/runs/r1" in ran.out
    assert document.json["state"] == "FAILED"


def test_a_report_shows_result_baseline_calibration_and_warnings(gnomon):
    gnomon("runs", "create", *SETS, "--watch")

    out = gnomon("runs", "report", "demo/r1").out

    assert re.search(r"macro_f1 +0\.910 \(0\.880–0\.940\) +0\.330 +0\.800 \(0\.750–0\.850\)", out)
    assert "ECE 0.090 before, 0.030 after" in out
    assert "max logit difference 2e-06" in out
    assert "Note: The test set has fewer than 300 rows." in out


def test_a_report_as_json_is_the_message(gnomon):
    gnomon("runs", "create", *SETS, "--watch")

    ran = gnomon("runs", "report", "demo/r1", "--json")

    assert Parse(ran.out, pb.EvaluationReport()) == a_report()


def test_runs_are_listed_of_one_project_or_of_all(gnomon):
    gnomon("runs", "create", *SETS)

    assert "demo/r1" in gnomon("runs", "list").out
    assert [run["name"] for run in gnomon("runs", "list", "--project", "demo", "--json").json] == [
        "projects/demo/runs/r1"
    ]


def test_a_run_without_a_report_says_so(gnomon):
    gnomon("runs", "create", *SETS)

    ran = gnomon("runs", "report", "demo/r1")

    assert ran.status == 1
    assert "has no report yet" in ran.err


def test_predictions_can_be_cut_down_to_the_wrong_ones(gnomon):
    every = gnomon("runs", "predictions", "demo/r1", "--json").json
    wrong = gnomon("runs", "predictions", "demo/r1", "--wrong", "--json").json

    assert [prediction["row"] for prediction in every] == [1, 2]
    assert [prediction["row"] for prediction in wrong] == [2]
    assert "question [2]" in gnomon("runs", "predictions", "demo/r1", "--wrong").out


def test_two_runs_or_versions_stand_beside_each_other(gnomon):
    document = gnomon("versions", "compare", "tone@1", "tone@2", "--json").json
    shown = gnomon("versions", "compare", "tone@1", "tone@2").out

    assert document["measures"][0]["measure"] == "macro_f1"
    assert "+0.000" in shown


def test_an_alias_is_set_read_and_deleted(gnomon, fake):
    gnomon("aliases", "set", "tone", "production", "3", "--protect")

    alias = fake.aliases["metrics/tone/aliases/production"]
    assert (alias.metric_version, alias.protected) == ("metrics/tone/versions/3", True)
    assert "metrics/tone/versions/3" in gnomon("aliases", "get", "tone", "production").out
    assert "production" in gnomon("aliases", "list", "tone").out
    assert "(created)" in gnomon("aliases", "history", "tone", "production").out
    assert gnomon("aliases", "delete", "tone", "production").status == 0
    assert not fake.aliases


def test_a_base_model_is_added_by_the_trainers_packages(gnomon, tmp_path, monkeypatch):
    asked = []

    def run(command, **_):
        asked.append(command)
        status = 1 if "unknown" in command else 0
        return subprocess.CompletedProcess(command, status, "/models/tiny\n", "It is in no package.\n")

    monkeypatch.setattr("gnomon.cli.base_models.subprocess.run", run)
    added = gnomon("base-models", "add", "tiny", "--folder", tmp_path, "--json")
    refused = gnomon("base-models", "add", "unknown")

    assert added.json == {"folder": "/models/tiny"}
    assert asked[0][1:] == ["-m", "gnomon_trainer.add_base_model", "tiny", "--folder", str(tmp_path)]
    assert (refused.status, asked[1][-1]) == (1, "unknown")
    assert "It is in no package." in refused.err


def test_versions_and_recipes_are_listed(gnomon):
    assert "tone@2" in gnomon("versions", "list", "tone").out
    assert "production" in gnomon("versions", "get", "tone@production").out
    assert "small" in gnomon("recipes", "list").out


def test_status_tells_health_and_loaded_versions(gnomon):
    document = gnomon("status", "--json").json

    assert all(service["ready"] for service in document["services"].values())
    assert document["loaded_versions"][0]["state"] == "READY"
    assert "90.0 MB" in gnomon("status").out


def test_status_of_a_service_that_is_away_is_1(gnomon):
    ran = gnomon("status", "--trainer", "127.0.0.1:1")

    assert ran.status == 1
    assert "NOT READY" in ran.out
    assert "gnomon up" in ran.err


def test_status_of_a_scorer_that_runs_and_is_not_ready_says_what_it_holds(gnomon, monkeypatch):
    not_yet = local.HEALTH_SERVICES["scorer"]
    monkeypatch.setattr(local, "is_ready", lambda _, service, __: service != not_yet)
    document = gnomon("status", "--json")

    assert document.status == 1
    assert not document.json["services"]["scorer"]["ready"]
    assert len(document.json["loaded_versions"]) == 1


def test_status_is_shown_though_the_scorer_does_not_answer_who_asks(gnomon, monkeypatch):
    def refused(_):
        raise AccessUnverifiedError("Nobody can tell whether this key is valid.")

    not_yet = local.HEALTH_SERVICES["scorer"]
    monkeypatch.setattr(local, "is_ready", lambda _, service, __: service != not_yet)
    monkeypatch.setattr(Client, "loaded_versions", refused)
    ran = gnomon("status")

    assert ran.status == 1
    assert "NOT READY" in ran.out
    assert "whether this key is valid" in ran.err


def test_the_version_of_gnomon(gnomon):
    assert re.fullmatch(r"gnomon \d+\.\d+\.\d+\n", gnomon("--version").out)


def test_on_a_terminal_a_run_is_drawn_live(gnomon, running):
    gnomon("runs", "create", *SETS)
    output = Output(as_json=False)
    output.notes = Console(file=io.StringIO(), force_terminal=True, width=100)

    with connect(dict.fromkeys(("registry", "trainer", "scorer"), running.address)) as client:
        run = watching.watch(output, client, "demo/r1")

    drawn = output.notes.file.getvalue()
    assert run.state == pb.Run.REGISTERED
    assert "0.300 to 0.900" in drawn
    assert "projects/demo/runs/r1" in drawn
