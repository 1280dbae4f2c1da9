"""The sections of a report's page, each from the message and empty where it says nothing."""

from collections.abc import Iterable, Mapping

from gnomon import measured_rows
from gnomon.report_page import plots
from gnomon.report_page.markup import Html, joined, section, table, tag
from gnomon.v1 import resources_pb2 as pb

_NAMES = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro-F1",
    "auroc": "AUROC",
    "average_precision": "Average precision",
    "ece": "Expected calibration error",
    "brier": "Brier score",
    "flagged_precision": "Precision of flags",
    "flagged_recall": "Recall of flags",
    "flagged_false_positive_rate": "False-positive rate of flags",
    "f1": "F1",
    "agreement": "agreement with the evaluator",
    "majority_class": "always the most frequent class",
    "tfidf_logistic_regression": "TF-IDF + logistic regression",
}
_LARGEST_MATRIX = 30  # classes
_CONFUSED = 20  # pairs
_LEGEND = 8  # curves


def named(key: str) -> str:
    """Return a key of the report as people say it."""
    if key.startswith("column:"):
        return f"column “{key.removeprefix('column:')}”"
    return _NAMES.get(key, key.replace("_", " "))


def shown(measure: pb.Measure | None, form: str = ".3f") -> str:
    """Return `0.912 [0.871, 0.947]`; no interval where there is none."""
    if measure is None:
        return "–"
    value = format(measure.value, form)
    if measure.low == measure.high:
        return value
    return f"{value} [{measure.low:{form}}, {measure.high:{form}}]"


def find(measures: Iterable[pb.Measure], key: str) -> pb.Measure | None:
    return next((measure for measure in measures if measure.key == key), None)


def notes(report: pb.EvaluationReport) -> Html:
    if not report.warnings:
        return Html("")
    return tag("div", tag("ul", *(tag("li", warning) for warning in report.warnings)), class_="notes")


def results(report: pb.EvaluationReport) -> Html:
    entries = [_interval(named(m.key), m, shown(m)) for m in report.measures]
    measured = measured_rows.sentence(
        report.test_rows, report.judge_labelled_test_rows, report.generated_test_rows
    )
    return section(
        "Results",
        tag(
            "p",
            f"{measured}; {report.training_rows} rows trained on, {report.validation_rows} calibrated on. "
            "Brackets and whiskers: 95 % bootstrap intervals.",
        ),
        plots.intervals(entries, 0.0, 1.0),
    )


def pairs(report: pb.EvaluationReport) -> Html:
    """Return baselines and judge, and the evaluator's lead over each."""
    rows = [_pair(named(b.key), b.measures, b.comparison) for b in report.baselines]
    judge = report.judge
    if judge.rows:
        rows.append(_pair(f"the judge in column “{judge.column}”", judge.measures, judge.comparison))
    head = ("Method", "Accuracy", "Macro-F1", "Evaluator's lead: accuracy", "macro-F1", "only right", "p")
    lines = [
        tag(
            "p",
            "“Only right”: rows that the evaluator alone has right, and those that the other alone has. A "
            "lead whose interval holds 0 may be chance; p is of McNemar's exact test.",
            class_="faint",
        )
    ]
    if judge.column:
        unreadable = f", {judge.unreadable_rows} of its cells name no class" if judge.unreadable_rows else ""
        agreement = shown(find(judge.measures, "agreement"))
        lines.append(
            tag(
                "p",
                f"The judge labelled {judge.rows} rows{unreadable}; evaluator and judge agree: {agreement}.",
            )
        )
    return section("Beside other methods, on the same rows", table(head, rows), *lines) if rows else Html("")


def _pair(name: str, measures: Iterable[pb.Measure], pair: pb.PairedComparison) -> list[object]:
    found = list(measures)
    own = [shown(find(found, key)) for key in ("accuracy", "macro_f1")]
    if not pair.rows:
        return [name, *own, "–", "–", "–", "–"]
    leads = [shown(find(pair.differences, key), "+.3f") for key in ("accuracy", "macro_f1")]
    return [
        name, *own, *leads, f"{pair.only_first_right} / {pair.only_second_right}", p_value(pair.mcnemar_p)
    ]  # fmt: skip


def p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def classes(report: pb.EvaluationReport) -> Html:
    keys = list(dict.fromkeys(m.key for entry in report.classes for m in entry.measures))
    rows = [
        [entry.label, entry.rows, *(shown(find(entry.measures, key)) for key in keys)]
        for entry in report.classes
    ]
    return section("By class", table(["Class", "Rows", *map(named, keys)], rows))


def confusion(report: pb.EvaluationReport) -> Html:
    """Return the confusion matrix, or of many classes the pairs that are confused most."""
    labels, cells = [entry.label for entry in report.classes], report.confusion_matrix
    count = len(labels)
    if not count or len(cells) != count * count:
        return Html("")
    if count > _LARGEST_MATRIX:
        wrong = [
            (cells[r * count + c], labels[r], labels[c]) for r in range(count) for c in range(count) if r != c
        ]
        most = sorted((entry for entry in wrong if entry[0]), key=lambda entry: -entry[0])[:_CONFUSED]
        rows = [[true, said, number] for number, true, said in most]
        return section("Most confused classes", table(("Test set says", "Evaluator says", "Rows"), rows))
    lines = [
        [
            tag("th", label),
            *(_heat(cells[r * count + c], sum(cells[r * count : r * count + count])) for c in range(count)),
        ]
        for r, label in enumerate(labels)
    ]
    body = joined(tag("tr", *line) for line in lines)
    head = tag("tr", tag("th", "test set ↓ evaluator →"), *(tag("th", label) for label in labels))
    return section(
        "Confusion", tag("div", tag("table", tag("thead", head), tag("tbody", body)), class_="wide")
    )


def _heat(cell: int, of: int) -> Html:
    return tag("td", cell, class_="heat", style=f"--share:{0.75 * cell / of if of else 0:.3f}")


def curves(report: pb.EvaluationReport) -> Html:
    plotted = []
    for key, title, axes, guide in (
        ("roc", "ROC", ("false-positive rate", "true-positive rate"), True),
        ("precision_recall", "Precision and recall", ("recall", "precision"), False),
    ):
        lines = [plots.Line(c.label, c.x, c.y) for c in report.curves if c.key == key]
        if lines:
            plotted.append(_figure(title, plots.curves(lines, *axes, guide)))
    plotted += [
        _figure("Reliability", plots.reliability(curve.x, curve.y, curve.rows))
        for curve in report.curves
        if curve.key == "reliability"
    ]
    labels = [curve.label for curve in report.curves if curve.key == "roc"]
    legend = plots.legend(labels) if 1 < len(labels) <= _LEGEND else Html("")
    if len(labels) > _LEGEND:
        legend = tag("p", f"{len(labels)} classes; rest on a curve to see whose it is.", class_="faint")
    return section("Curves", tag("div", *plotted, class_="beside"), legend) if plotted else Html("")


def _figure(title: str, plot: Html) -> Html:
    return tag("figure", tag("figcaption", title), plot)


def slices(report: pb.EvaluationReport) -> Html:
    found: list[Html] = []
    for key in dict.fromkeys(entry.key for entry in report.slices):
        entries = [_slice(entry) for entry in report.slices if entry.key == key]
        found.append(_figure(f"by {named(key)}", plots.intervals(entries, 0.0, 1.0)))
    if not found:
        return Html("")
    explained = (
        "Accuracy, and in brackets how far it lies from that of all other rows. Pale parts have too few rows "
        "to conclude anything from; of many parts, some look unusual by chance alone."
    )
    return section("Parts of the test set", tag("p", explained, class_="faint"), *found)


def _slice(entry: pb.Slice) -> plots.Interval:
    accuracy = find(entry.measures, "accuracy") or pb.Measure()
    difference = find(entry.measures, "accuracy_difference")
    beside = f" ({difference.value:+.3f})" if difference else ""
    few = ", few" if entry.few_rows else ""
    label = f"{entry.value}, {entry.rows} rows{few}"
    return _interval(label, accuracy, f"{accuracy.value:.3f}{beside}", faint=entry.few_rows)


def _interval(label: str, measure: pb.Measure, text: str, faint: bool = False) -> plots.Interval:
    return plots.Interval(label, measure.value, measure.low, measure.high, text, faint)


def worst_rows(report: pb.EvaluationReport, texts: Mapping[int, str]) -> Html:
    rows: list[list[object]] = []
    for entry in report.worst_rows:
        text = [_prose(texts.get(entry.row, ""))] if texts else []
        true, said = f"{entry.true_probability:.3f}", f"{entry.probability:.3f}"
        rows.append([entry.row, entry.true_label, true, entry.label, said, *text])
    head = (
        "Row",
        "Test set says",
        "its probability",
        "Evaluator says",
        "its probability",
        *(("Text",) if texts else ()),
    )
    return section("Worst rows", table(head, rows))


def formats(report: pb.EvaluationReport) -> Html:
    rows = [
        [
            entry.format,
            _prose("passed" if entry.passed else f"not published: {entry.reason}"),
            entry.rows,
            _prose(", ".join(f"{m.key.replace('_', ' ')} {m.value:.2g}" for m in entry.measures)),
        ]
        for entry in report.formats
    ]
    speed = [
        [
            entry.format,
            p.tokens,
            f"{p.alone_p50_ms:.1f}",
            f"{p.alone_p99_ms:.1f}",
            f"{p.capacity_per_second:.0f}",
        ]
        for entry in report.formats
        for p in entry.latency_profile
    ]
    machines = "; ".join(sorted({entry.machine for entry in report.formats if entry.machine}))
    return section(
        "Exported formats",
        table(("Format", "Gate", "Rows", "Against the trained model"), rows),
        table(("Format", "Tokens", "Alone, p50 ms", "p99 ms", "All cores, instances/s"), speed),
        tag("p", f"Measured on {machines}.", class_="faint") if speed and machines else Html(""),
    )


def _prose(text: str) -> Html:
    """Return a cell whose text may take several lines."""
    return tag("td", text, class_="text")
