"""What the data checks find: rows of the test set planted in the training set, half of them altered.

    python -m benchmarks.data_checks [--data FOLDER] [--show 20]

5 % of the test rows are planted, half of them as they are, half with their
case, their punctuation or one word changed. Rows that were left out without
having been planted are counted apart: public sets hold near duplicates across
their splits. `--show` prints some of them, to judge by eye whether the pair
says the same. Figures go to benchmarks/results/data_checks.json.
"""

import argparse
import json
import random
import resource
import string
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import public_data

from gnomon.instances import InputShape, OutputType, Step, text_span
from gnomon_trainer.adapters.minhash import MinHashNeighbours
from gnomon_trainer.domain.overlap import Overlap, overlap
from gnomon_trainer.domain.texts import rendered
from gnomon_trainer.domain.training import MetricDefinition, Row

RESULTS = Path(__file__).parent / "results/data_checks.json"
SETS = {"banking77": "train", "davidson_hate": "train", "jailbreak_itw": "train", "summedits": "dev"}
PLANTED_SHARE, SEED = 0.05, 0

Change = Callable[[str, random.Random, list[str]], str]


def _case(text: str, chooser: random.Random, words: list[str]) -> str:  # noqa: ARG001
    return chooser.choice([text.upper(), text.lower(), text.title()])


def _punctuation(text: str, chooser: random.Random, words: list[str]) -> str:  # noqa: ARG001
    plain = text.translate(str.maketrans(string.punctuation, " " * len(string.punctuation)))
    return chooser.choice([plain, f"{text}!!", text.replace(" ", ", ", 1)])


def _word(text: str, chooser: random.Random, words: list[str]) -> str:
    parts = text.split(" ")
    place, change = chooser.randrange(len(parts)), chooser.choice(["replaced", "added", "removed"])
    parts[place : place + (change != "added")] = [] if change == "removed" else [chooser.choice(words)]
    return " ".join(parts)


CHANGES: Mapping[str, Change] = {"case": _case, "punctuation": _punctuation, "word": _word}


def read(path: Path, training: str) -> tuple[list[Row], list[Row]]:
    """Return the rows to learn from and those to measure on; an output is judged with its documents."""
    sets: dict[str, list[Row]] = {training: [], "test": []}
    with path.open(encoding="utf-8") as lines:
        records = [record for record in map(json.loads, lines) if record["split"] in sets]
    for record in records:
        rows = sets[record["split"]]
        made = text_span(
            input=record["input"], output=record["output"], documents=record.get("context") or ()
        )
        rows.append(Row(len(rows) + 1, made, str(record["label"])))
    return sets[training], sets["test"]


def metric_of(name: str, rows: list[Row]) -> MetricDefinition:
    shape = InputShape.DOCUMENTS_INPUT_OUTPUT if name == "summedits" else InputShape.INPUT
    classes = tuple(sorted({row.label for row in rows}))
    return MetricDefinition(f"metrics/{name}", OutputType.CATEGORICAL, Step.LLM_SPAN, shape, classes, ())


def plant(
    test: list[Row], training: list[Row], metric: MetricDefinition, chooser: random.Random
) -> dict[int, tuple[str, Row]]:
    """Return by its number what is planted behind the training set, with how it was changed."""
    is_pair = metric.input_shape is not InputShape.INPUT
    words = [word for row in chooser.sample(training, 500) for word in rendered(row.instance, metric).split()]
    planted: dict[int, tuple[str, Row]] = {}
    for n, row in enumerate(chooser.sample(test, round(PLANTED_SHARE * len(test)))):
        kind = "exact" if n % 2 else list(CHANGES)[n // 2 % len(CHANGES)]
        made = row.instance
        if kind != "exact":
            side = "output" if is_pair else "input"
            (message,) = getattr(made, side)
            changed = CHANGES[kind](message.content, chooser, words)
            made = replace(made, **{side: (replace(message, content=changed),)})
        number = len(training) + len(planted) + 1
        planted[number] = kind, Row(number, made, row.label)
    return planted


def measure(name: str, training: list[Row], test: list[Row], show: int) -> dict[str, Any]:
    metric, chooser = metric_of(name, [*training, *test]), random.Random(SEED)
    planted = plant(test, training, metric, chooser)
    began = time.monotonic()
    found = overlap([*training, *(row for _, row in planted.values())], test, metric, MinHashNeighbours())
    seconds = time.monotonic() - began
    there = Counter(kind for kind, _ in planted.values())
    removed = Counter(kind for number, (kind, _) in planted.items() if number in found.rows)
    altered = sum(removed[kind] for kind in CHANGES) / sum(there[kind] for kind in CHANGES)
    others = {number for number in found.rows if number not in planted}
    _show(found, others, training, test, metric, chooser, show)
    return {
        "training_rows": len(training),
        "test_rows": len(test),
        "planted_rows": len(planted),
        "exact_found": removed["exact"] / there["exact"],
        "altered_found": altered,
        **{f"{kind}_found": removed[kind] / there[kind] for kind in CHANGES},
        "not_planted_and_equal": len(others - found.near.keys()),
        "not_planted_and_near": len(others & found.near.keys()),
        "not_planted_share": len(others) / len(training),
        "seconds": round(seconds, 1),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _show(
    found: Overlap,
    others: set[int],
    training: list[Row],
    test: list[Row],
    metric: MetricDefinition,
    chooser: random.Random,
    show: int,
) -> None:
    near = sorted(others & found.near.keys())
    for number in chooser.sample(near, min(show, len(near))):
        pair = training[number - 1], test[found.near[number] - 1]
        print("  " + "\n  | ".join(rendered(row.instance, metric)[:200] for row in pair))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data_checks", description=__doc__)
    public_data.add_option(parser)
    parser.add_argument("--show", type=int, default=0, metavar="N")
    options = parser.parse_args()
    public_data.need(parser, options.data, SETS)
    results = {}
    for name, split in SETS.items():
        results[name] = measure(name, *read(options.data / f"{name}.jsonl", split), options.show)
        print(name, json.dumps(results[name]), flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
