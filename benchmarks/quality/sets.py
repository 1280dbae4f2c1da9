"""The public sets: which rows are learned from, which are measured on, and what of them is read."""

import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.quality.unseen import unseen

from gnomon.cells import instance
from gnomon.instances import InputShape, OutputType, Step
from gnomon.rendering import Rendered, render, template_for
from gnomon_trainer.domain.training import MetricDefinition, Row

Record = dict[str, Any]

_FOLDS = 5
_DAVIDSON_ROWS = 8_000
_FEW_CLASSES = 4  # of a quick try


@dataclass(frozen=True, slots=True)
class PublicSet:
    """One set. `figure` is accuracy, macro_f1 or auroc: what methods are compared by."""

    name: str
    figure: str
    input_shape: InputShape
    columns: dict[str, str]  # from the product's columns to the file's; nothing else is read
    learned_from: str = "train"  # the split
    step: Step = Step.LLM_SPAN
    rows: int | None = None  # to learn from, drawn by class; None: all of the split
    by_folds: bool = False  # five, of all rows: too few for a test set

    @property
    def is_boolean(self) -> bool:
        return self.figure == "auroc"

    @property
    def output_type(self) -> OutputType:
        return OutputType.BOOLEAN if self.is_boolean else OutputType.CATEGORICAL


SETS = {
    one.name: one
    for one in (
        PublicSet("banking77", "accuracy", InputShape.INPUT, {"input": "input"}),
        PublicSet("davidson_hate", "macro_f1", InputShape.INPUT, {"input": "input"}, rows=_DAVIDSON_ROWS),
        PublicSet("jailbreak_itw", "auroc", InputShape.INPUT, {"input": "input"}),
        PublicSet(
            "summedits",
            "auroc",
            InputShape.DOCUMENTS_INPUT_OUTPUT,
            {"documents": "context", "input": "input", "output": "output"},
            learned_from="dev",
        ),
        PublicSet(
            "tau_bench",
            "auroc",
            InputShape.WHOLE_SESSION,
            {"messages": "messages"},
            step=Step.SESSION,
            by_folds=True,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Division:
    """Rows in the product's columns, with a `label`. `test_rows` are the test rows' lines in the file.

    `left_out`: rows that would have been learned from but for what they share with the test rows.
    """

    training: Sequence[Record]
    test: Sequence[Record]
    test_rows: Sequence[int]
    left_out: int = 0


def classes_of(records: Sequence[Record]) -> list[str]:
    return sorted({record["label"] for record in records})


def file_of(public: PublicSet, data: Path) -> Path:
    return data / f"{public.name}.jsonl"


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def divisions(
    public: PublicSet, data: Path, seed: int, shots: int = 0, cache: Path | None = None
) -> list[Division]:
    """Return what a method learns from and is measured on: once, or in five folds.

    Rows that the test rows have too are left out of what is learned from; see `unseen`, also for `cache`.
    `shots`: rows a class to learn from; 0: as many as the set has, or as `PublicSet.rows` says.
    """
    with file_of(public, data).open(encoding="utf-8") as lines:
        raw = [json.loads(line) for line in lines]
    records = [_record(row, public) for row in raw]
    if public.by_folds:
        parts = _folds(records, [_task(row["id"]) for row in raw], seed)
        return [_without_overlap(part, public, cache) for part in parts]
    training = [
        record for record, row in zip(records, raw, strict=True) if row["split"] == public.learned_from
    ]
    test = [i for i, row in enumerate(raw) if row["split"] == "test"]
    whole = _without_overlap(Division(training, [records[i] for i in test], test), public, cache)
    training = list(whole.training)
    if shots:
        training = _some_of_each(training, seed, dict.fromkeys(classes_of(training), shots))
    elif public.rows:
        training = _some_of_each(training, seed, _shares(training, public.rows))
    if len(training) == len(whole.training):
        return [whole]
    # Once more: how much a word says is learned from all rows, so that among fewer others may be near.
    return [_without_overlap(replace(whole, training=training), public, cache)]


def metric_of(public: PublicSet, division: Division) -> MetricDefinition:
    labels = tuple(classes_of([*division.training, *division.test]))
    return MetricDefinition(
        f"metrics/{public.name}", public.output_type, public.step, public.input_shape, labels, ()
    )


def _without_overlap(division: Division, public: PublicSet, cache: Path | None) -> Division:
    metric = metric_of(public, division)
    training, test = rows_of(public, division.training), rows_of(public, division.test)
    kept = [division.training[row.number - 1] for row in unseen(training, test, metric, cache)]
    gone = len(division.training) - len(kept)
    return replace(division, training=kept, left_out=division.left_out + gone)


def rows_of(public: PublicSet, records: Sequence[Record]) -> list[Row]:
    """Return the rows as the product has them, numbered from 1."""
    read = ({name: record[name] for name in public.columns} for record in records)
    return [
        Row(number, instance(cells, public.step), record["label"])
        for number, (cells, record) in enumerate(zip(read, records, strict=True), 1)
    ]


def parted(division: Division, seed: int, rows: int, most: int) -> Division:
    """Return a division of what is learned from alone: so many `rows`, and of the others at most so many."""
    learned = set(_drawn(division.training, seed, _shares(division.training, rows)))
    others = [i for i in range(len(division.training)) if i not in learned]
    measured = sorted(random.Random(seed).sample(others, min(most, len(others))))
    return Division(
        [division.training[i] for i in sorted(learned)], [division.training[i] for i in measured], measured
    )


def smaller(division: Division, training: int, test: int) -> Division:
    """Return a few rows of a few classes, to try every step. Its figures are worth nothing."""
    classes = set(classes_of(division.training)[:_FEW_CLASSES])
    few = [record for record in division.training if record["label"] in classes]
    held = [record for record in division.test if record["label"] in classes]
    kept = set(_drawn(division.test, 0, _shares(held, test)))
    return Division(
        _some_of_each(few, 0, _shares(few, training)),
        [record for i, record in enumerate(division.test) if i in kept],
        [row for i, row in enumerate(division.test_rows) if i in kept],
        division.left_out,
    )


def rendered(public: PublicSet, records: Sequence[Record]) -> list[Rendered]:
    """Return the texts that the product reads of the rows; all methods read the same."""
    template = template_for(public.input_shape)
    cells = ({name: record[name] for name in public.columns} for record in records)
    return [render(instance(row, public.step), template, public.step) for row in cells]


def _record(row: Record, public: PublicSet) -> Record:
    label = row["label"]
    text = str(label).lower() if isinstance(label, bool) else label
    return {ours: row[theirs] for ours, theirs in public.columns.items()} | {"label": text}


def _task(row_id: str) -> str:
    """Return what a trajectory was to do: trials of one task lie in one fold."""
    return row_id.rpartition("-r")[0]


def _folds(records: Sequence[Record], tasks: Sequence[str], seed: int) -> list[Division]:
    shuffled = sorted(set(tasks))
    random.Random(seed).shuffle(shuffled)
    fold_of = {task: i % _FOLDS for i, task in enumerate(shuffled)}
    return [_fold(records, [fold_of[task] == fold for task in tasks]) for fold in range(_FOLDS)]


def _fold(records: Sequence[Record], is_test: Sequence[bool]) -> Division:
    test = [i for i, held_out in enumerate(is_test) if held_out]
    training = [record for record, held_out in zip(records, is_test, strict=True) if not held_out]
    return Division(training, [records[i] for i in test], test)


def _shares(records: Sequence[Record], rows: int) -> dict[str, int]:
    """Return how many rows of each class make `rows` in all, in the classes' own proportions."""
    counts: dict[str, int] = defaultdict(int)
    for record in records:
        counts[record["label"]] += 1
    return {label: max(1, round(rows * count / len(records))) for label, count in sorted(counts.items())}


def _drawn(records: Sequence[Record], seed: int, wanted: dict[str, int]) -> list[int]:
    by_class: dict[str, list[int]] = defaultdict(list)
    for index, record in enumerate(records):
        by_class[record["label"]].append(index)
    chosen = random.Random(seed)
    return sorted(
        index
        for label in sorted(wanted)
        for index in chosen.sample(by_class[label], min(wanted[label], len(by_class[label])))
    )


def _some_of_each(records: Sequence[Record], seed: int, wanted: dict[str, int]) -> list[Record]:
    return [records[i] for i in _drawn(records, seed, wanted)]
