"""Public data through the command line alone: upload, train, register, score a file.

    python -m benchmarks.real_data [--data FOLDER]

The test rows are looked at once, by the run's own report and by the scored
file, which must agree. Figures go to benchmarks/results/real_data.json and
into benchmarks/RESULTS.md.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import public_data

HERE = Path(__file__).parent
GNOMON = str(Path(sys.executable).parent / "gnomon")
RESULTS = HERE / "results/real_data.json"
SETS = ("banking77", "davidson_hate")


def gnomon(home: Path, *arguments: str) -> Any:
    """Run one command with `--json` and return what it printed."""
    environment = os.environ | {"GNOMON_HOME": str(home)}
    done = subprocess.run(
        [GNOMON, *arguments, "--json"], env=environment, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"gnomon {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout) if done.stdout.strip() else None


def divide(source: Path, work: Path) -> tuple[Path, Path, list[str]]:
    """Write the rows of the two splits to files of their own; return them and the classes."""
    rows = [json.loads(line) for line in source.open()]
    files = []
    for split in ("train", "test"):
        file = work / f"{source.stem}.{split}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows if row["split"] == split))
        files.append(file)
    return files[0], files[1], sorted({row["label"] for row in rows})


def measure(home: Path, name: str, data: Path, work: Path) -> dict[str, Any]:
    train, test, classes = divide(data / f"{name}.jsonl", work)
    metric = name.replace("_", "-")
    options = [option for label in classes for option in ("--class", label)]
    shape = ("--output-type", "categorical", "--step", "llm_span", "--input-shape", "input")
    gnomon(home, "metrics", "create", metric, *shape, *options)
    began = time.monotonic()
    for suffix, file in (("train", train), ("test", test)):
        gnomon(home, "datasets", "upload", f"{metric}-{suffix}", str(file), "--metric", metric)
    uploaded = time.monotonic()
    sets = ("--training-set", f"{metric}-train", "--test-set", f"{metric}-test")
    run = gnomon(home, "runs", "create", "--project", "public", "--metric", metric, *sets, "--watch")
    trained = time.monotonic()
    gnomon(home, "aliases", "set", metric, "production", run["metric_version"])
    scored = work / f"{name}.scored.jsonl"
    gnomon(home, "score", metric, "--file", str(test), "--out", str(scored))
    ended = time.monotonic()
    answers = [json.loads(line) for line in scored.open()]
    right = sum(answer[f"{metric}.label"] == answer["label"] for answer in answers)
    report = run["report"]
    figures = {
        m["key"]: {key: m.get(key, 0.0) for key in ("value", "low", "high")} for m in report["measures"]
    }
    return {
        "rows": {"training": report["training_rows"], "test": report["test_rows"]},
        "measures": figures,
        "baselines": report["baselines"],
        "accuracy_of_the_scored_file": right / len(answers),
        "seconds": {
            "upload": round(uploaded - began, 1),
            "run": round(trained - uploaded, 1),
            "score_file": round(ended - trained, 1),
        },
        "rows_scored_per_second": round(len(answers) / (ended - trained), 1),
        "findings": [finding["code"] for finding in run.get("findings", [])],
    }


def table(sets: dict[str, Any]) -> str:
    """Return the section of RESULTS.md."""
    lines = [
        "## Public data through the command line",
        "",
        "| set | rows train / test | TF-IDF + LR | macro-F1 (95 %) "
        "| accuracy (95 %) | ECE | run | scored | measured |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, result in sets.items():
        measures, rows = result["measures"], result["rows"]
        linear = next(b for b in result["baselines"] if b["key"] == "tfidf_logistic_regression")
        baseline = next(m["value"] for m in linear["measures"] if m["key"] == "macro_f1")
        f1, accuracy = measures["macro_f1"], measures["accuracy"]
        lines.append(
            f"| `{name}` | {rows['training']:,} / {rows['test']:,} | {baseline:.3f} "
            f"| {f1['value']:.3f} ({f1['low']:.3f}–{f1['high']:.3f}) "
            f"| {accuracy['value']:.3f} ({accuracy['low']:.3f}–{accuracy['high']:.3f}) "
            f"| {measures['ece']['value']:.3f} | {result['seconds']['run']:.0f} s "
            f"| {result['rows_scored_per_second']:.0f} rows/s "
            f"| {result['date']}, `{result['commit']}`, {result['machine']} |"
        )
    return "\n".join(lines) + "\n"


def origin() -> dict[str, str]:
    """Return when, of which commit and on what a set was measured."""
    head = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(head, check=False, capture_output=True, text=True).stdout
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": commit.strip(),
        "machine": f"{os.cpu_count()} CPU cores, {platform.machine()}",
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    public_data.add_option(parser)
    parser.add_argument("--only", choices=SETS, action="append")
    arguments = parser.parse_args()
    public_data.need(parser, arguments.data, arguments.only or SETS)
    sets = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        home = work / "home"
        ports = ("--registry-port", "0", "--trainer-port", "0", "--scorer-port", "0")
        up = subprocess.Popen([GNOMON, "up", "--home", str(home), *ports], stdout=subprocess.DEVNULL)
        try:
            while not (home / "up.json").exists():
                if up.poll() is not None:
                    raise SystemExit("gnomon up ended")
                time.sleep(0.2)
            gnomon(home, "projects", "create", "public")
            for name in arguments.only or SETS:
                sets[name] = measure(home, name, arguments.data, work) | origin()
        finally:
            up.send_signal(signal.SIGINT)
            up.wait(60)
    RESULTS.write_text(json.dumps(sets, indent=2) + "\n")
    print(table(sets))
    return 0


if __name__ == "__main__":
    sys.exit(main())
