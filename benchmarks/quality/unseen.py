"""Leaves out of the rows to learn from what the test rows say too, exactly as the product does.

A run of the product leaves such rows out by itself. The other methods get the same rows: else they would be
measured, in part, on what they learned.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from gnomon_trainer.adapters import minhash
from gnomon_trainer.domain import nearness, overlap, texts
from gnomon_trainer.domain.training import MetricDefinition, Row

# What decides which rows are left out: cells are measured again when it changes.
SOURCES = tuple(Path(module.__file__) for module in (overlap, nearness, texts, minhash))


def unseen(
    training: Sequence[Row], test: Sequence[Row], metric: MetricDefinition, cache: Path | None
) -> list[Row]:
    """Return the rows to learn from without those that the test rows have too, exactly or nearly.

    `cache`: a folder that keeps what was found for the same rows, since looking takes seconds.
    """
    numbers = _kept(training, test, metric, cache) if cache else _overlapping(training, test, metric)
    gone = frozenset(numbers)
    return [row for row in training if row.number not in gone]


def _overlapping(training: Sequence[Row], test: Sequence[Row], metric: MetricDefinition) -> list[int]:
    return sorted(overlap.overlap(training, test, metric, minhash.MinHashNeighbours()).rows)


def _kept(training: Sequence[Row], test: Sequence[Row], metric: MetricDefinition, cache: Path) -> list[int]:
    file = cache / f"{_digest(training, test, metric)}.json"
    if file.exists():
        known: list[int] = json.loads(file.read_text())
        return known
    found = _overlapping(training, test, metric)
    cache.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(f".{os.getpid()}.new")
    beside.write_text(json.dumps(found) + "\n")
    beside.replace(file)
    return found


def _digest(training: Sequence[Row], test: Sequence[Row], metric: MetricDefinition) -> str:
    hashed = hashlib.sha256()
    for source in SOURCES:
        hashed.update(hashlib.sha256(source.read_bytes()).digest())
    for rows in (training, test):
        hashed.update(f"{metric.input_shape} {metric.step} {len(rows)}\n".encode())
        for row in rows:
            line = json.dumps([row.number, row.label, texts.rendered(row.instance, metric)])
            hashed.update(f"{line}\n".encode())
    return hashed.hexdigest()
