"""Reports as pages and tables, and two runs beside each other."""

import re
from html.parser import HTMLParser

import pytest
from google.protobuf.json_format import Parse

from gnomon import report_page
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import trainer_service_pb2 as trainer_pb
from tests.cli.fake_services import a_report

SETS = ("--project", "demo", "--metric", "tone", "--training-set", "train", "--test-set", "test@2")
VOID = {"meta", "br"}


class Page(HTMLParser):
    """Checks that elements are closed in order; keeps their names, attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def hostile(report: pb.EvaluationReport) -> pb.EvaluationReport:
    """Put markup into everything that is text."""
    attack = "\"'><script>alert(1)</script><img src=http://evil/x onerror=alert(1)>"
    report.warnings.append(attack)
    report.judge.column = attack
    for entry in (*report.classes, *report.worst_rows, *report.curves):
        entry.label = attack
    for part in report.slices:
        part.key, part.value = f"column:{attack}", attack
    for entry in report.formats:
        entry.format = entry.machine = attack
    report.calibration.method = report.threshold.aim = attack
    return report


def test_a_page_is_whole_html_that_fetches_and_runs_nothing():
    html = report_page.render(a_report(), "metrics/tone/versions/1")
    page = Page(html)

    assert {"svg", "table", "figure", "polyline", "circle"} <= page.names
    assert not page.names & {"script", "link", "img", "iframe", "object"}
    assert not [key for key, _ in page.attributes if key in ("src", "href") or key.startswith("on")]
    assert "url(" not in html
    assert "@import" not in html
    assert "default-src 'none'" in html


def test_a_page_shows_what_the_report_says():
    text = " ".join(Page(report_page.render(a_report(), "tone@1", ["On test@2"])).text.split())

    for words in (
        "tone@1",
        "On test@2",
        "200 rows labelled by people",
        "The test set has fewer than 300 rows.",
        "0.910 [0.880, 0.940]",
        "TF-IDF + logistic regression",
        "+0.110 [+0.050, +0.170]",
        "30 / 8",
        "< 0.001",
        "The judge labelled 150 rows, 3 of its cells name no class",
        "0.870 [0.800, 0.930]",
        "0.090 before, 0.030 after",
        "chosen for best F1",
        "by column “language”",
        "de, 12 rows, few",
        "Worst rows",
        "onnx-fp32",
    ):
        assert words in text, words


def test_text_that_is_markup_stays_text():
    page = Page(
        report_page.render(hostile(a_report()), "<script>alert(0)</script>", ["<b>"], {2: "<i>hi</i>"})
    )

    assert not page.names & {"script", "img", "i", "b"}
    assert not [key for key, _ in page.attributes if key.startswith("on") or key == "src"]
    assert "<script>alert(0)</script>" in page.text
    assert "<i>hi</i>" in page.text


def test_a_page_of_an_empty_report_is_a_page():
    assert "Results" in Page(report_page.render(pb.EvaluationReport(), "tone@1")).text


def test_many_classes_are_shown_by_the_pairs_that_are_confused_most():
    count = 40
    report = pb.EvaluationReport(
        classes=[pb.ClassReport(label=f"class {n}", rows=9) for n in range(count)],
        confusion_matrix=[
            5 if r == c else (3 if (r, c) == (4, 7) else 0) for r in range(count) for c in range(count)
        ],
    )
    text = " ".join(Page(report_page.render(report, "t")).text.split())

    assert "Most confused classes" in text
    assert re.search(r"class 4\s*class 7\s*3", text)


def test_a_runs_report_is_written_as_a_page_without_texts_unless_asked_for(gnomon, tmp_path):
    gnomon("runs", "create", *SETS, "--watch")
    file = tmp_path / "report.html"

    ran = gnomon("runs", "report", "demo/r1", "--html", file)
    without = file.read_text()
    gnomon("runs", "report", "demo/r1", "--html", file, "--texts")

    assert ran.out == f"Wrote the report of projects/demo/runs/r1 to {file}.\n"
    assert "question [2]" not in without
    assert "question [2]" in Page(file.read_text()).text
    assert list(tmp_path.iterdir()) == [file]


def test_a_page_that_cannot_be_written_is_a_sentence(gnomon, tmp_path):
    gnomon("runs", "create", *SETS, "--watch")

    ran = gnomon("runs", "report", "demo/r1", "--html", tmp_path / "absent" / "report.html")

    assert ran.status == 1
    assert "No such file or directory" in ran.err
    assert gnomon("runs", "report", "demo/r1", "--texts").status == 1


def test_a_versions_report_is_shown_and_written(gnomon, tmp_path):
    file = tmp_path / "v.html"

    shown = gnomon("versions", "report", "tone@production").out
    written = gnomon("versions", "report", "tone@1", "--html", file, "--json").json

    assert "macro_f1" in shown
    assert written == {"report": "metrics/tone/versions/1", "file": str(file)}
    assert "metrics/tone/versions/1" in Page(file.read_text()).text


def test_a_report_on_the_terminal_shows_leads_slices_and_worst_rows(gnomon):
    gnomon("runs", "create", *SETS, "--watch")

    out = gnomon("runs", "report", "demo/r1").out

    assert re.search(r"tfidf logistic regression +200 +\+0\.110 \(\+0\.050 to \+0\.170\)", out)
    assert re.search(r'judge, "judge_label" +200', out)
    assert re.search(r"language: de +12 +0\.750 \(0\.500–1\.000\).*few rows", out)
    assert re.search(r"2 +false \(0\.100\) +true \(0\.900\)", out)


def test_two_runs_are_compared_row_by_row(gnomon):
    shown = gnomon("runs", "compare", "demo/a", "demo/b").out
    document = gnomon("runs", "compare", "demo/a", "demo/b", "--json").out

    assert "on 200 rows of datasets/test@2" in shown
    assert re.search(r"accuracy +0\.920 +0\.810 +\+0\.110 \(\+0\.050 to \+0\.170\)", shown)
    assert "A 30 rows, B 8 (McNemar's exact test: p < 0.001)" in shown
    assert "language: [b]de[/b]" in shown
    assert re.search(r"7 +true +true \(0\.800\) +false \(0\.300\)", shown)
    assert Parse(document, trainer_pb.CompareRunsResponse()).flipped_row_count == 38


def test_runs_that_were_measured_on_other_rows_are_refused(gnomon):
    ran = gnomon("runs", "compare", "demo/a", "demo/other", "--json")

    assert ran.status == 1
    assert ran.json["error"]["reason"] == "RUNS_NOT_COMPARABLE"


@pytest.mark.parametrize(
    "words", [(), ("--slice-by", "language", "--slice-by", "team", "--judge-column", "gpt")]
)
def test_a_run_is_created_with_what_its_report_shall_show(gnomon, fake, words):
    gnomon("runs", "create", *SETS, *words)

    run = fake.create_runs[0].run
    assert run.HasField("report_options") == bool(words)
    if words:
        assert list(run.report_options.slice_columns) == ["language", "team"]
        assert run.report_options.judge_column == "gpt"
