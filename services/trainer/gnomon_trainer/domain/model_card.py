"""MODEL_CARD.md: an evaluator explained to people. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from gnomon import measured_rows
from gnomon.bundle import Evaluator
from gnomon_trainer.domain import breakdown_words, rule_words
from gnomon_trainer.domain.training import TrainingPlan

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
    "majority_class": "always the most frequent class",
    "tfidf_logistic_regression": "TF-IDF + logistic regression",
}

_PROFILE = {
    "tokens": "Tokens",
    "alone_p50_ms": "Alone, p50 ms",
    "alone_p99_ms": "p99 ms",
    "capacity_per_second": "All cores, instances/s",
    "capacity_batch": "in batches of",
}


def model_card(
    plan: TrainingPlan, evaluator: Evaluator, report: Mapping[str, Any], base_model_licence: str = ""
) -> str:
    """Return the card, in Markdown. Every figure is of this run.

    The licence is as the base model's own card names it; empty where it names none.
    """
    return (
        "\n\n".join(
            [
                f"# Evaluator of `{evaluator.metric}`",
                _what(evaluator),
                "## Results on the test set",
                _results(report),
                _per_class(report),
                "## What cheap methods reach on the same rows",
                _baselines(report),
                "## How it does on parts of the test set",
                _slices(report),
                "## Calibration and threshold",
                _calibration(evaluator, report),
                "## Exported formats",
                _formats(report),
                *(["## The load it is to carry", _service(report)] if "service" in report else []),
                "## What to know before use",
                _warnings(evaluator, report),
                "## What it was made from",
                _lineage(plan, evaluator, report),
                _licence(base_model_licence),
                "## Parameters",
                _parameters(plan),
            ]
        )
        + "\n"
    )


def _what(evaluator: Evaluator) -> str:
    flagged = ", ".join(f"`{label}`" for label in evaluator.flagged_classes) or "none"
    return (
        f"A fine-tuned classifier ({evaluator.output_type.value}) that reads the "
        f"{evaluator.input_shape.value.replace('_', ' + ')} of a {evaluator.step.value.replace('_', ' ')}, "
        f"{_reads(evaluator)}.\n\n"
        f"- Classes: {', '.join(f'`{label}`' for label in evaluator.classes)}\n"
        f"- Flagged classes: {flagged}\n"
        f"- Base model: `{evaluator.lineage.base_model}`"
    )


def _reads(evaluator: Evaluator) -> str:
    windows = evaluator.windows
    if windows is None:
        return f"at most {evaluator.max_tokens} tokens of it"
    how = {"max": "the one that decides is used", "mean": "their logits are averaged"}[windows.reducer]
    return (
        f"{evaluator.max_tokens} tokens at a time: what is longer is read in up to {windows.most} windows, "
        f"{windows.stride} tokens apart, and {how}"
    )


def _results(report: Mapping[str, Any]) -> str:
    rows = [(_NAMES.get(m["key"], m["key"]), *_value(m)) for m in report["measures"]]
    # Reports of earlier releases do not say whose labels they were measured on.
    judged, generated = report.get("judge_labelled_test_rows", 0), report.get("generated_test_rows", 0)
    return (
        f"{measured_rows.sentence(report['test_rows'], judged, generated)}. Intervals are 95 % percentile "
        "intervals of 1,000 bootstrap resamples.\n\n" + _table(("Measure", "Value", "Interval"), rows)
    )


def _per_class(report: Mapping[str, Any]) -> str:
    rows = []
    for entry in report["classes"]:
        values = {m["key"]: m for m in entry["measures"]}
        shown = [" ".join(_value(values[k])) if k in values else "–" for k in ("precision", "recall", "f1")]
        rows.append((f"`{entry['label']}`", str(entry["rows"]), *shown))
    return _table(("Class", "Rows", "Precision", "Recall", "F1"), rows)


def _baselines(report: Mapping[str, Any]) -> str:
    rows = [
        (_NAMES.get(entry["key"], entry["key"]), *(" ".join(_value(m)) for m in entry["measures"]))
        for entry in report["baselines"]
    ]
    head, leads = breakdown_words.leads(report)
    explained = (
        "The evaluator's lead, row by row; one whose interval holds 0 may be chance. The p-value is of "
        "McNemar's exact test."
    )
    return f"{_table(('Method', 'Accuracy', 'Macro-F1'), rows)}\n\n{explained}\n\n{_table(head, leads)}"


def _slices(report: Mapping[str, Any]) -> str:
    head, rows = breakdown_words.slices(report)
    if not rows:
        return "All rows are of one length and one kind."
    return f"Of many parts, some look unusual by chance alone.\n\n{_table(head, rows)}"


def _calibration(evaluator: Evaluator, report: Mapping[str, Any]) -> str:
    found = report["calibration"]
    formula, how = f"softmax(logits / {found['temperature']:.4g})", "The temperature was fitted"
    if evaluator.calibration.scales:
        formula = f"softmax(scales · logits / {found['temperature']:.4g} + biases)"
        how = "Temperature, and a scale and a bias a class (`evaluator.json` has them), were fitted"
    parts = [
        f"Probabilities are {formula}. {how} on {found['rows']} held-out rows of the training set. Expected "
        f"calibration error on the test set: {found['ece_before']:.3f} without it, {found['ece_after']:.3f} "
        "with it.",
        rule_words.threshold(evaluator.threshold),
    ]
    if evaluator.abstain_band:
        parts.append(rule_words.abstaining(evaluator.abstain_band, report["abstain"]))
    return "\n\n".join(parts)


def _service(report: Mapping[str, Any]) -> str:
    service = report["service"]
    rows = [
        (
            f"`{entry['format']}`",
            f"{entry['p95_ms']:.4g}" if "p95_ms" in entry else "cannot keep up",
            f"{entry['capacity_per_second']:.4g}",
            f"{entry['peak_utilization']:.0%}",
            "yes" if entry["meets"] else "no",
        )
        for entry in service["formats"]
    ]
    head = ("Format", "p95 ms expected", "Capacity, instances/s", "Taken by the peak", "Meets it")
    return f"{rule_words.service(service)}\n\n{_table(head, rows)}"


def _formats(report: Mapping[str, Any]) -> str:
    gates = "\n".join(_gate(entry) for entry in report["formats"])
    rows = [
        (f"`{entry['format']}`", *(f"{point[key]:.4g}" for key in _PROFILE))
        for entry in report["formats"]
        for point in entry.get("latency_profile", ())
    ]
    if not rows:
        return gates
    machines = sorted({entry["machine"] for entry in report["formats"] if entry.get("machine")})
    return f"{gates}\n\nHow fast they are, on {'; '.join(machines)}:\n\n" + _table(
        ("Format", *_PROFILE.values()), rows
    )


def _gate(entry: Mapping[str, Any]) -> str:
    if not entry["passed"]:
        return f"- `{entry['format']}`: not published. {entry['reason']}"
    return f"- `{entry['format']}`: passed its gate on {entry['rows']} rows (" + (
        ", ".join(f"{m['key']} {m['value']:.2g}" for m in entry["measures"]) + ")"
    )


def _warnings(evaluator: Evaluator, report: Mapping[str, Any]) -> str:
    beyond = f"{evaluator.max_tokens} tokens"
    if evaluator.windows is not None:
        beyond = f"the last of {evaluator.windows.most} windows"
    general = (
        "It is as good as its training data, and was measured on rows like those of the test set; on other "
        "applications, languages or kinds of text, measure again.",
        f"Text beyond {beyond} is not read; a score then says `truncated`.",
    )
    return "\n".join(f"- {line}" for line in (*report["warnings"], *general))


def _lineage(plan: TrainingPlan, evaluator: Evaluator, report: Mapping[str, Any]) -> str:
    made = evaluator.lineage
    rows = [
        ("Training run", f"`{made.run}`", ""),
        ("Recipe", f"`{made.recipe}`", ""),
        ("Base model", f"`{made.base_model}`", f"`{made.base_model_digest}`"),
        ("Training set", f"`{made.training_set}`", f"`{made.training_set_digest}`"),
        ("Test set", f"`{made.test_set}`", f"`{made.test_set_digest}`"),
        ("Code", f"`{made.code_version}`", f"seed {made.seed}"),
    ]
    if made.generation:
        rows.append(("Generated by", f"`{made.generation}`", made.generator))
    trained, held_out = report["training_rows"], report["validation_rows"]
    apart = f"{held_out} more held out"
    if plan.parameters.final_rows == "all":
        apart = f"{held_out} of them only once calibration and threshold had been chosen on them"
    return (
        f"{trained} rows were trained on, {apart}.\n\n"
        + (f"{plan.recipe_reason}\n\n" if plan.recipe_reason else "")
        + _table(("", "Name", "SHA-256"), rows)
    )


def _licence(base_model_licence: str) -> str:
    if base_model_licence:
        return f"The base model's licence is `{base_model_licence}`; the evaluator is made from it."
    return "The base model's files name no licence: look it up before you pass the evaluator on."


def _parameters(plan: TrainingPlan) -> str:
    rows = [
        (f"`{key}`", value if isinstance(value, str) else f"{value:g}", plan.origins.get(key, ""))
        for key, value in asdict(plan.parameters).items()
    ]
    return _table(("Parameter", "Value", "From"), rows)


def _value(measure: Mapping[str, Any]) -> tuple[str, str]:
    return f"{measure['value']:.3f}", f"[{measure['low']:.3f}, {measure['high']:.3f}]"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
