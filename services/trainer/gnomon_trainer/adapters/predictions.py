"""Reads what a run predicted from its work folder."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from gnomon.bundle import EVALUATOR_FILE, Evaluator, parse_evaluator
from gnomon.errors import ArtifactCorruptError
from gnomon_trainer.domain.datasets import RowStore
from gnomon_trainer.domain.run_checks import read_rows
from gnomon_trainer.domain.run_use_cases import PredictedRow
from gnomon_trainer.domain.runs import Run
from gnomon_trainer.domain.training import Row


class PredictionFiles:
    """A `PredictionStore`: the predictions' file beside the rows of the test set."""

    def __init__(self, runs_folder: Path, rows: RowStore) -> None:
        self._runs_folder = runs_folder
        self._rows = rows

    def page(self, run: Run, after: int, size: int) -> Sequence[PredictedRow]:
        return list(itertools.islice(self._whole(run, after), size))

    def all(self, run: Run) -> Iterator[PredictedRow]:
        return self._whole(run, 0)

    def _whole(self, run: Run, after: int) -> Iterator[PredictedRow]:
        try:
            yield from self._after(run, after)
        except FileNotFoundError as error:
            raise ArtifactCorruptError(
                f"Files of {run.name} are missing on the trainer's disk.",
                resource=str(run.name),
                path=Path(error.filename or "").name,
            ) from error

    def _after(self, run: Run, after: int) -> Iterator[PredictedRow]:
        folder = self._runs_folder / run.work_folder
        evaluator = parse_evaluator((folder / run.bundle_folder / EVALUATOR_FILE).read_bytes())
        left_out = frozenset(run.spec.test_left_out)
        every = read_rows(self._rows, run.spec.test_set_digest, run.spec.metric)
        rows = (row for row in every if row.number not in left_out)
        with (folder / run.predictions_file).open("rb") as lines:
            for row, line in zip(rows, lines, strict=False):
                if row.number > after:
                    yield _predicted(row, orjson.loads(line), evaluator)


def _predicted(row: Row, said: dict[str, Any], evaluator: Evaluator) -> PredictedRow:
    return PredictedRow(
        row=row,
        classes=evaluator.classes,
        logits=tuple(said["logits"]),
        probabilities=tuple(said["probabilities"]),
        label=said["label"],
        flagged=said["flagged"],
        threshold=evaluator.threshold.value,
        token_count=said["token_count"],
        truncated=said["truncated"],
        window_count=said.get("window_count", 1),  # runs from before there were windows
        deciding_window=said.get("deciding_window", 0),
        abstained=said.get("abstained", False),
    )
