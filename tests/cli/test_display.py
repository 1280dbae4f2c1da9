"""What is drawn for people, and how little the command line needs to start."""

import subprocess
import sys

import pytest
from rich.console import Console

from gnomon.cli import demo_summary, view, watching
from gnomon.errors import InternalError
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import trainer_service_pb2 as trainer_pb
from tests.cli.fake_services import a_report, a_score


def drawn(renderable):
    console = Console(width=120, record=True, file=open("/dev/null", "w"), highlight=False)  # noqa: PTH123, SIM115
    console.print(renderable)
    console.file.close()
    return console.export_text()


def a_run():
    run = pb.Run(name="projects/p/runs/r", state=pb.Run.TRAINING)
    run.progress.stage = pb.RunProgress.FINE_TUNING
    run.progress.step, run.progress.total_steps = 20, 80
    run.progress.remaining.FromSeconds(200)
    return run


def test_the_live_view_shows_the_newest_of_each_figure_and_the_curves():
    shown = watching.RunView()
    points = [
        pb.TrainingPoint(step=10, loss=0.7, learning_rate=2e-5, gradient_norm=1.5, validation_macro_f1=0.61),
        pb.TrainingPoint(step=15, loss=0.5, validation_macro_f1=0.72),
        pb.TrainingPoint(step=20, loss=0.4),
    ]
    shown.take(trainer_pb.WatchRunResponse(run=a_run(), points=points))

    text = drawn(shown)

    assert "TRAINING: fine tuning, step 20 of 80, 3 min 20 s left" in text
    for figure in ("0.4000", "2.00e-05", "1.500", "0.720"):
        assert figure in text
    assert "█▃▁  0.4000 to 0.7000" in text
    assert "▁█  0.610 to 0.720" in text
    assert "best so far" in text
    assert "validation macro-F1 0.720 at step 15" in text


def test_the_live_view_draws_every_curve_and_says_when_the_start_is_the_best():
    shown = watching.RunView()
    points = [
        pb.TrainingPoint(step=0, validation_loss=0.5, validation_macro_f1=0.8),
        *(pb.TrainingPoint(step=n, loss=1 / n, learning_rate=n * 1e-5, gradient_norm=n) for n in (1, 2, 3)),
        pb.TrainingPoint(step=3, validation_loss=0.6, validation_macro_f1=0.7),
    ]
    shown.take(trainer_pb.WatchRunResponse(run=a_run(), points=points))

    text = drawn(shown)

    for curve in ("1.00e-05 to 3.00e-05", "1.000 to 3.000", "0.5000 to 0.6000", "0.700 to 0.800"):
        assert curve in text
    assert "0.800 at the frozen base model, before any step" in text


def test_the_live_view_of_a_run_that_has_not_begun_is_its_state():
    shown = watching.RunView.of(pb.Run(name="projects/p/runs/r", state=pb.Run.QUEUED))

    assert drawn(shown).split() == ["projects/p/runs/r", "QUEUED"]


def test_the_live_view_of_a_run_that_waits_is_how_far_its_work_is_and_what_it_costs():
    work = pb.TrainingSetProgress(
        done_count=40,
        failed_count=2,
        total_count=200,
        input_tokens=9000,
        output_tokens=500,
        cost=0.21,
        estimated_cost=1.05,
    )
    work.remaining.FromSeconds(95)
    run = pb.Run(name="projects/p/runs/r", state=pb.Run.LABELLING, progress=pb.RunProgress(work=work))

    text = drawn(watching.RunView.of(run))

    assert (
        "LABELLING: 40 of 200 rows, 2 left out, 9500 tokens, cost 0.21 of about 1.05, 1 min 35 s left" in text
    )


def test_a_run_that_waits_for_a_person_says_for_what_and_which_commands_go_on():
    work = pb.TrainingSetProgress(done_count=50, total_count=50, awaits_review=True)
    run = pb.Run(state=pb.Run.GENERATING, generation="generations/g-1", progress=pb.RunProgress(work=work))

    text = drawn(watching.RunView.of(run))

    assert "A sample of 50 rows awaits your review" in text
    for command in ("rows g-1", "approve g-1", "regenerate g-1 --reason"):
        assert f"gnomon generate {command}" in text
    run.progress.work.awaits_review = False
    assert "awaits" not in drawn(watching.RunView.of(run))


@pytest.mark.parametrize(("values", "line"), [([], ""), ([1.0], ""), ([2.0, 2.0], "▁▁  2.000 to 2.000")])
def test_a_sparkline_needs_two_values(values, line):
    assert watching.sparkline(values) == line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599, "59 min 59 s"), (7500, "2 h 5 min")],
)
def test_a_duration_reads_as_people_say_it(seconds, text):
    assert view.duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (3_450_000, "3.5 MB")]
)
def test_a_size_has_a_unit(count, text):
    assert view.size(count) == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metrics/tone", "tone"),
        ("metrics/tone/versions/3", "tone@3"),
        ("metrics/tone/aliases/shadow", "tone@shadow"),
        ("projects/support/runs/first", "support/first"),
        ("datasets/tickets", "tickets"),
        ("", ""),
    ],
)
def test_names_in_tables_are_what_a_user_may_type(name, text):
    assert view.short(name) == text


def a_result(**changes):
    run = pb.Run(metric_version="metrics/commitment/versions/1", report=a_report())
    cells = {"input": "When?", "output": "Today, I promise.", "label": True}
    latencies_ms = [float(n) for n in range(1, 201)]
    return demo_summary.Result(run, [(cells, a_score("v", "true"))], latencies_ms, 61.0)


def test_the_demos_figures_are_those_of_the_report_and_of_the_calls():
    figures = a_result().as_dict()

    assert figures["metric_version"] == "metrics/commitment/versions/1"
    assert figures["baseline_macro_f1"] == 0.8
    assert (figures["macro_f1"], figures["macro_f1_low"], figures["macro_f1_high"]) == (0.91, 0.88, 0.94)
    assert (figures["ece"], figures["ece_uncalibrated"]) == (0.03, 0.09)
    assert figures["export_max_logit_difference"] == 2e-6
    assert (figures["score_p50_ms"], figures["score_p99_ms"]) == (100, 198)


def test_the_demos_summary_shows_result_beside_baseline():
    text = drawn(demo_summary.rendered(a_result()))

    assert "0.910 (0.880–0.940)" in text
    assert "0.800 (0.750–0.850)" in text
    assert "p50 100.0 ms, p99 198.0 ms, over 200 single calls" in text
    assert "Today, I promise." in text


def test_a_report_that_lacks_a_figure_is_an_error_and_not_a_zero():
    result = a_result()
    del result.run.report.formats[:]

    with pytest.raises(InternalError, match="max_logit_difference"):
        result.as_dict()


@pytest.mark.parametrize(("percent", "value"), [(50, 2), (99, 4), (1, 1), (100, 4), (25, 1), (26, 2)])
def test_a_percentile_is_the_smallest_value_that_covers_its_share(percent, value):
    assert demo_summary.percentile([4, 1, 3, 2], percent) == value


def test_the_command_line_starts_without_what_only_services_need():
    heavy = {"torch", "transformers", "onnxruntime", "sqlalchemy", "pandas", "numpy", "structlog", "pydantic"}
    program = f"import sys, gnomon.cli.main; sys.exit(', '.join({heavy!r} & set(sys.modules)) or 0)"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_the_rows_of_a_finding_are_shown_with_those_they_were_compared_with():
    finding = pb.Dataset.Finding(
        code="OVERLAP_NEAR", message="Some.", rows=[301, 302], matches=[4, 9], row_count=3
    )
    console = Console(width=120)
    with console.capture() as shown:
        console.print(view.details(pb.Dataset(findings=[finding])))

    assert "OVERLAP_NEAR: Some. (rows 301 like 4, 302 like 9, …)" in shown.get()
