"""Does a version that learned from corrected scores make fewer such errors, and nothing else worse?

    python -m benchmarks.feedback [--data FOLDER]

Reads `davidson_hate.jsonl` from the folder. Of its training rows some train
version 1; the others are the live traffic that version 1 scores. Of the kind of
error that it makes most often there, people correct some, and confirm some
scores of the same label. `client.feedback.train` does the rest. Nothing is
chosen by the test rows, which both versions see once. Figures go to
benchmarks/results/feedback.json and into benchmarks/RESULTS.md.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import json_files, public_data
from benchmarks.real_data import origin

import gnomon
from gnomon import feedback, local
from gnomon.feedback_comparison import FeedbackComparison
from gnomon.instances import text_span
from gnomon.v1 import resources_pb2 as pb

RESULTS = Path(__file__).parent / "results/feedback.json"
METRIC = "davidson-hate"
RUN_TIMEOUT_S = 3600
Scored = tuple[dict[str, Any], pb.Score]


def upload(client: gnomon.Client, folder: Path, name: str, rows: Sequence[dict[str, Any]]) -> None:
    file = folder / f"{name}.jsonl"
    file.write_text("".join(json.dumps({key: row[key] for key in ("input", "label")}) + "\n" for row in rows))
    client.datasets.upload(name, file, metric=METRIC)


def train_first(
    client: gnomon.Client,
    folder: Path,
    training: Sequence[dict[str, Any]],
    test: Sequence[dict[str, Any]],
    parameters: dict[str, Any],
) -> pb.Run:
    classes = sorted({row["label"] for row in training})
    client.projects.create("feedback")
    client.metrics.create(METRIC, output_type="categorical", input_shape="input", classes=classes)
    upload(client, folder, "davidson-train", training)
    upload(client, folder, "davidson-test", test)
    run: pb.Run = client.runs.create(
        "feedback",
        metric=METRIC,
        training_set="davidson-train",
        test_set="davidson-test",
        run_id="first",
        **parameters,
    ).result(timeout_s=RUN_TIMEOUT_S)
    client.aliases.set(METRIC, "production", run.metric_version)
    return run


def score(client: gnomon.Client, live: Sequence[dict[str, Any]]) -> list[Scored]:
    instances = [text_span(input=row["input"]) for row in live]
    rows = client.score(METRIC, instances=instances, lane="bulk", timeout_s=600)
    return [(row, found[METRIC]) for row, found in zip(live, rows, strict=True)]  # an error fails below


def commonest_error(scored: Sequence[Scored]) -> tuple[str, str]:
    """Return the right label and the given one of the kind of error that is made most often."""
    kinds = Counter((row["label"], said.label) for row, said in scored if row["label"] != said.label)
    return kinds.most_common(1)[0][0]


def record(
    client: gnomon.Client, scored: Sequence[Scored], corrections: int, confirmations: int | None
) -> dict[str, Any]:
    """Correct scores of one kind of error, and confirm others of the same label; as many, if not told."""
    right, given = commonest_error(scored)
    wrong = [pair for pair in scored if (pair[0]["label"], pair[1].label) == (right, given)][:corrections]
    good = [pair for pair in scored if pair[0]["label"] == pair[1].label == given]
    good = good[: len(wrong) if confirmations is None else confirmations]
    entries = [
        feedback.entry(said, text_span(input=row["input"]), label=row["label"], external_id=row["id"])
        for row, said in (*wrong, *good)
    ]
    outcomes = client.feedback.record_many(entries)
    assert all(isinstance(outcome, pb.Feedback) for outcome in outcomes)
    return {
        "kind": {"label": right, "said": given},
        "live_errors": sum(row["label"] != said.label for row, said in scored),
        "corrected": len(wrong),
        "confirmed": len(good),
    }


def measure(client: gnomon.Client, folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    every = [json.loads(line) for line in (asked.data / "davidson_hate.jsonl").open(encoding="utf-8")]
    learnable = [row for row in every if row["split"] == "train"]
    test = [row for row in every if row["split"] == "test"]
    random.Random(0).shuffle(learnable)
    random.Random(0).shuffle(test)
    test, live = test[: asked.test_rows], learnable[asked.rows :][: asked.live_rows]
    began = time.monotonic()
    parameters = {"epochs": asked.epochs} if asked.epochs else {}
    train_first(client, folder, learnable[: asked.rows], test, parameters)
    trained = time.monotonic()
    scored = score(client, live)
    said = record(client, scored, asked.corrections, asked.confirmations)
    recorded = time.monotonic()
    found = client.feedback.train(METRIC, run_id="second", timeout_s=RUN_TIMEOUT_S)
    ended = time.monotonic()
    kind = (said["kind"]["label"], said["kind"]["said"])
    return {
        "parameters": parameters,
        "rows": {"training": asked.rows, "live": len(scored), "test": len(test)},
        **said,
        "comparison": asdict(found) | {"verdict": found.verdict, "may_be_promoted": found.may_be_promoted},
        "corrected_kind": next(asdict(k) for k in found.error_kinds if (k.true_label, k.label) == kind),
        "sentences": found.sentences(),
        "targets": targets(found, kind),
        "seconds": {
            "first_run": trained - began,
            "scoring_and_recording": recorded - trained,
            "feedback_train": ended - recorded,
        },
    }


def targets(found: FeedbackComparison, kind: tuple[str, str]) -> dict[str, bool]:
    of_kind = next(k for k in found.error_kinds if (k.true_label, k.label) == kind)
    return {
        "the corrected kind of error falls on the test set (p < 0.05)": of_kind.new < of_kind.old
        and of_kind.mcnemar_p < 0.05,
        "macro-F1 on the test set does not fall": found.test.difference >= 0,
        "the comparison calls it no worse on the test set": found.test.verdict != "worse",
    }


def section(figures: dict[str, Any]) -> str:
    """Return the section of RESULTS.md."""
    rows, kind, parameters = figures["rows"], figures["corrected_kind"], figures["parameters"]
    epochs = f" with {parameters['epochs']} epochs" if parameters else ""
    lines = [
        "## From corrected scores to the next version",
        "",
        f"`python -m benchmarks.feedback --data FOLDER`, {figures['date']}, `{figures['commit']}`, "
        f"{figures['machine']}, other work beside it; one seed, recipe `small`{epochs}. `davidson_hate`: "
        f"{rows['training']:,} training rows, {rows['live']:,} others as live traffic, on which version 1 "
        f"made {figures['live_errors']:,} errors; {figures['corrected']} of its commonest kind were "
        f"corrected and {figures['confirmed']} scores of the same label confirmed; a fifth is held out.",
        "",
        f"`{kind['true_label']}` taken for `{kind['label']}`, of {kind['rows']} such test rows: "
        f"{kind['old']} by version 1, {kind['new']} by version 2 (McNemar's exact test: p "
        f"{kind['mcnemar_p']:.2g}). What the command said:",
        "",
        *(f"> {sentence}  " for sentence in figures["sentences"]),
        "",
        "| target | |",
        "|---|---|",
        *(f"| {target} | {'met' if met else '**missed**'} |" for target, met in figures["targets"].items()),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    public_data.add_option(parser)
    parser.add_argument("--rows", type=int, default=4000, help="rows that train version 1")
    parser.add_argument("--live-rows", type=int, help="rows of live traffic; all others if not given")
    parser.add_argument("--test-rows", type=int, help="rows to measure on; all if not given")
    parser.add_argument("--epochs", type=int, help="the recipe's if not given")
    parser.add_argument("--corrections", type=int, default=375, help="a fifth of them is held out")
    parser.add_argument("--confirmations", type=int, help="as many as corrections if not given")
    arguments = parser.parse_args()
    public_data.need(parser, arguments.data, ["davidson_hate"])
    with tempfile.TemporaryDirectory() as home:
        services = local.deployment(Path(home) / "gnomon")
        # The fastest format is not looked for: other formats than the reference are no part of this.
        scorer = services["scorer"]
        scorer.environment = {**scorer.environment, "GNOMON_SCORER_FORMAT": "onnx-fp32"}
        try:
            local.start(services)
            addresses = {name: service.address for name, service in services.items()}
            with gnomon.Client(**addresses, timeout_s=300) as client:
                found = measure(client, Path(home), arguments)
        finally:
            local.stop(services)
    figures = found | origin()
    json_files.write(RESULTS, figures)
    print(section(figures))
    return int(not all(figures["targets"].values()))


if __name__ == "__main__":
    sys.exit(main())
