"""What a review finds of labels that were flipped, and what correcting them gives back.

    python -m benchmarks.review [--data FOLDER] [--seeds 0,1,2] [--methods frozen,gnomon_small]

10 % of the training labels of `banking77` are flipped, each to another class,
all as likely. Through the real services: the rows are uploaded, a review of
the first 10 % of its queue is made (order `label_noise`), somebody who knows
the true labels answers all of it, and the review is applied. Then methods of
`benchmarks.quality` learn from the true, the flipped and the corrected labels;
the test rows are looked at by these alone. What was measured before is kept,
so that seeds and methods can be added. Figures go to
benchmarks/results/review.json and a section of benchmarks/RESULTS.md.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import json_files, public_data
from benchmarks.quality import methods, origin, section
from benchmarks.quality.sets import SETS, Division, Record, classes_of, divisions
from benchmarks.quality.task import Task

from gnomon import Client, local

RESULTS = Path(__file__).parent / "results/review.json"
PUBLIC = SETS["banking77"]
SHARE = 0.1
_NAME, _REVIEWER = "banking", "oracle"
_AT_ONCE = 100
_TARGETS = {"found": 0.7, "regained": 0.8}

_HOW = """\
10 % of the training labels of `banking77` flipped to any other class, all as likely; a review of 10 % of the
rows (order `label_noise`), answered by somebody who knows the true labels, and applied; all through the
services. The order was chosen on flips of training rows; test rows were looked at by the methods below alone,
which learn from the true, the flipped and the corrected labels. Other work ran beside it: times are too long.
"""


def flipped(training: Sequence[Record], seed: int, share: float = SHARE) -> tuple[list[Record], set[int]]:
    """Return the rows with some labels changed to another class, and the places of those."""
    chooser, classes = random.Random(seed), classes_of(training)
    places = set(chooser.sample(range(len(training)), round(share * len(training))))
    return [
        record | {"label": chooser.choice([label for label in classes if label != record["label"]])}
        if place in places
        else record
        for place, record in enumerate(training)
    ], places


def review(client: Client, truth: Sequence[Record], given: Sequence[Record], folder: Path) -> dict[str, Any]:
    """Upload the rows as they are given, correct what a review asks about, and return what came of it."""
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in given), encoding="utf-8")
    classes = [{"label": label} for label in classes_of(truth)]
    client.metrics.create(_NAME, output_type="categorical", input_shape="input", classes=classes)
    client.datasets.upload(_NAME, file, metric=_NAME)
    began = time.monotonic()
    made = client.reviews.create(_NAME, order="label_noise", limit=round(SHARE * len(truth)))
    ordered = time.monotonic()
    asked = []
    while items := client.reviews.next_items(made.name, _REVIEWER, _AT_ONCE).items:
        for item in items:
            client.reviews.decide(made.name, item.row, reviewer=_REVIEWER, label=truth[item.row - 1]["label"])
            asked.append(item.row - 1)
    answered = time.monotonic()
    client.reviews.apply(made.name)
    client.datasets.download(_NAME, file)
    lines = file.read_text(encoding="utf-8").splitlines()
    corrected = [{key: json.loads(line)[key] for key in ("input", "label")} for line in lines]
    return {
        "asked": asked,
        "corrected": corrected,
        "order_s": ordered - began,
        "answer_ms": 1e3 * (answered - ordered) / len(asked),
    }


def found_of(division: Division, seed: int) -> tuple[dict[str, Any], dict[str, list[Record]]]:
    """Return what a review of flipped labels finds, and the rows to learn from."""
    truth = [{"input": record["input"], "label": record["label"]} for record in division.training]
    given, places = flipped(truth, seed)
    with tempfile.TemporaryDirectory() as home:
        services = local.deployment(Path(home) / "gnomon")
        registry, trainer = services["registry"], services["trainer"]
        try:
            address = registry.start(120.0)
            trainer.environment = dict(trainer.environment) | {"GNOMON_TRAINER_REGISTRY_ADDRESS": address}
            with Client(registry=address, trainer=trainer.start(120.0), timeout_s=120.0) as client:
                got = review(client, truth, given, Path(home))
        finally:
            local.stop({"registry": registry, "trainer": trainer})
    asked, corrected = got.pop("asked"), got.pop("corrected")
    figures = {
        "rows": len(truth),
        "flipped": len(places),
        "asked": len(asked),
        "found": len(places & set(asked)) / len(places),
        "wrong_after": sum(a["label"] != b["label"] for a, b in zip(truth, corrected, strict=True)),
        **got,
    }
    return figures, {"true": truth, "flipped": given, "corrected": corrected}


def accuracy(method: str, division: Division, training: Sequence[Record], seed: int) -> float:
    classes = classes_of([*division.training, *division.test])
    with tempfile.TemporaryDirectory() as work:
        task = Task(PUBLIC, replace(division, training=training), classes, seed, Path(work), False, 0.0)
        probabilities = methods.answer(method, task).probabilities
        return float((probabilities.argmax(axis=1) == task.test_labels).mean())


def learned(method: str, division: Division, rows: dict[str, list[Record]], seed: int) -> dict[str, float]:
    reached = {}
    for variant, training in rows.items():
        reached[variant] = accuracy(method, division, training, seed)
        print(f"seed {seed}, {method}, {variant} labels: {reached[variant]:.4f}", flush=True)
    lost = reached["true"] - reached["flipped"]
    return reached | {"regained": (reached["corrected"] - reached["flipped"]) / lost}


def rendered(content: dict[str, Any]) -> str:
    """Return the section of RESULTS.md."""
    seeds = content["seeds"]
    lines = [
        "## Flipped labels, found by a review\n",
        f"Date `{content['date']}`, commit `{content['commit']}`, `{content['machine']}`, "
        "`python -m benchmarks.review`.\n",
        _HOW,
        "| seed | rows | flipped | found in the first 10 % | wrong after | ordering | an answer |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {seed} | {one['rows']:,} | {one['flipped']} | **{one['found']:.3f}** | {one['wrong_after']} | "
        f"{one['order_s']:.0f} s | {one['answer_ms']:.0f} ms |"
        for seed, one in seeds.items()
    ]
    lines += [
        "\n| method | seed | true labels | flipped | corrected | accuracy regained |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{method}` | {seed} | {one['true']:.4f} | {one['flipped']:.4f} | {one['corrected']:.4f} | "
        f"**{one['regained']:.0%}** |"
        for seed, figures in seeds.items()
        for method, one in figures["learned"].items()
    ]
    return "\n".join([*lines, "", *_targets(seeds)]) + "\n"


def _targets(seeds: dict[str, Any]) -> list[str]:
    found = [one["found"] for one in seeds.values()]
    regained = [one["regained"] for figures in seeds.values() for one in figures["learned"].values()]
    wanted = (
        ("flipped labels in the first 10 %", "found", found),
        ("accuracy regained", "regained", regained),
    )
    return ["| target | wanted | found | |", "|---|---|---|---|"] + [
        f"| {what} | ≥ {_TARGETS[key]:.0%} | {min(values):.0%} … {max(values):.0%} | "
        f"{'met' if min(values) >= _TARGETS[key] else '**missed**'} |"
        for what, key, values in wanted
        if values
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.review", description=__doc__)
    public_data.add_option(parser)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--methods", default="frozen")
    options = parser.parse_args()
    public_data.need(parser, options.data, [PUBLIC.name])
    content = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"seeds": {}}
    for seed in map(int, options.seeds.split(",")):
        measured = origin.now(quick=False)
        (division,) = divisions(PUBLIC, options.data, seed)
        figures, rows = found_of(division, seed)
        print(f"seed {seed}: {figures}", flush=True)
        kept = content["seeds"].get(str(seed), {}).get("learned", {})
        content["seeds"][str(seed)] = figures | {"learned": kept}
        for method in filter(None, options.methods.split(",")):
            kept[method] = learned(method, division, rows, seed)
        content |= {key: measured[key] for key in ("date", "commit", "machine")}
        json_files.write(RESULTS, content)
        section.put("review", rendered(content), by="benchmarks/review.py")


if __name__ == "__main__":
    main()
