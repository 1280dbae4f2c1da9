"""Whole sessions through the real services: upload, train, register, serve, score raw trajectories.

    python -m benchmarks.sessions [--data FOLDER]

Reads `tau_bench.jsonl` from the folder: chats with tool calls, labelled by
whether they reached their goal. Prints the AUROC on the test rows and the
largest difference between what the scorer says of a raw trajectory and what
the trainer predicted of the same row; ends with status 1 if it is above 1e-4.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import public_data
from sklearn.metrics import roc_auc_score

import gnomon
from gnomon import local
from gnomon.v1 import resources_pb2 as pb

METRIC = "goal-reached"
TOLERANCE = 1e-4  # of a logit
RUN_TIMEOUT_S = 3600


def divide(source: Path, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Write the rows of both splits to files of their own, chat and label alone; return them."""
    rows = [json.loads(line) for line in source.open(encoding="utf-8")]
    splits = {split: [row for row in rows if row["split"] == split] for split in ("train", "test")}
    for split, some in splits.items():
        kept = ({key: row[key] for key in ("id", "messages", "label")} for row in some)
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))
    return splits


def train(client: gnomon.Client, folder: Path, parameters: Mapping[str, Any]) -> pb.Run:
    client.projects.create("sessions")
    client.metrics.create(METRIC, output_type="boolean", step="session", input_shape="whole_session")
    for split in ("train", "test"):
        client.datasets.upload(f"tau-{split}", folder / f"{split}.jsonl", metric=METRIC)
    operation = client.runs.create(
        "sessions",
        metric=METRIC,
        training_set="tau-train",
        test_set="tau-test",
        allow_small=True,
        **parameters,
    )
    run: pb.Run = operation.result(timeout_s=RUN_TIMEOUT_S)
    client.aliases.set(METRIC, "production", run.metric_version)
    return run


def compare(predictions: Sequence[pb.Score], scores: Sequence[pb.Score]) -> dict[str, float]:
    """Return the largest differences between what was measured and what is served."""
    pairs = [
        (predicted, served)
        for one, other in zip(predictions, scores, strict=True)
        for predicted, served in zip(one.classes, other.classes, strict=True)
    ]
    return {
        "logit": max(abs(a.logit - b.logit) for a, b in pairs),
        "probability": max(abs(a.probability - b.probability) for a, b in pairs),
    }


def measure(
    client: gnomon.Client, folder: Path, source: Path, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    splits = divide(source, folder)
    began = time.monotonic()
    run = train(client, folder, parameters)
    trained = time.monotonic()
    test = splits["test"]
    scores = [client.score(METRIC, messages=row["messages"]) for row in test]
    scored = time.monotonic()
    predictions = {entry.row: entry.score for entry in client.runs.predictions(run.name)}
    kept = [n for n in range(1, len(test) + 1) if n in predictions]
    reached = [next(c.probability for c in s.classes if c.label == "true") for s in scores]
    reported = {m.key: (m.value, m.low, m.high) for m in run.report.measures}
    return {
        "rows": {"training": run.report.training_rows, "test": len(test)},
        "auroc": roc_auc_score([row["label"] for row in test], reached),
        "reported_auroc": reported["auroc"],
        "largest_difference": compare([predictions[n] for n in kept], [scores[n - 1] for n in kept]),
        "shortened": sum(score.truncated for score in scores),
        "seconds": {"run": trained - began, "milliseconds_a_session": (scored - trained) / len(test) * 1e3},
        "warnings": list(run.report.warnings),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    public_data.add_option(parser)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--max-tokens", type=int)
    parser.add_argument("--seed", type=int)
    arguments = parser.parse_args()
    public_data.need(parser, arguments.data, ["tau_bench"])
    given = {key: getattr(arguments, key) for key in ("epochs", "max_tokens", "seed")}
    with tempfile.TemporaryDirectory() as home:
        services = local.deployment(Path(home) / "gnomon")
        # The trainer's predictions are those of the reference format.
        scorer = services["scorer"]
        scorer.environment = {**scorer.environment, "GNOMON_SCORER_FORMAT": "onnx-fp32"}
        try:
            local.start(services)
            addresses = {name: service.address for name, service in services.items()}
            with gnomon.Client(**addresses, timeout_s=60) as client:
                parameters = {key: value for key, value in given.items() if value is not None}
                found = measure(client, Path(home), arguments.data / "tau_bench.jsonl", parameters)
        finally:
            local.stop(services)
    print(json.dumps(found, indent=2))
    return int(found["largest_difference"]["logit"] > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
