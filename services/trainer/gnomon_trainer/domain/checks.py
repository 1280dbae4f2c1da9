"""What is checked of a dataset when it comes in. Pure.

`RowChecks` sees each row once and keeps a few bytes of it, so that a file may
be larger than memory.
"""

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence

from gnomon_trainer.domain.findings import Finding, finding
from gnomon_trainer.domain.rows import StoredRow
from gnomon_trainer.domain.soft_labels import COLUMN
from gnomon_trainer.domain.texts import fingerprint, normalised
from gnomon_trainer.domain.training import MetricDefinition

MIN_TRAINING_ROWS = 256
MIN_TEST_ROWS = 150
IMBALANCE_SHARE = 0.05
LONG_CHARACTERS = 4 * 512  # about four characters a token; 512 tokens is what small base models read


class RowChecks:
    """Collects what `findings` needs: `add` every row in order, then ask once."""

    def __init__(self, metric: MetricDefinition, *, unlabelled: bool = False) -> None:
        self._unlabelled = unlabelled
        self._classes = metric.classes
        self._index = {label: place for place, label in enumerate(metric.classes)}
        self._labels = array("H")
        self._near = array("q")
        self._long = array("l")
        self._doubted = array("l")

    def add(self, row: StoredRow) -> None:
        self._labels.append(0 if self._unlabelled else self._index[row.label])
        self._near.append(fingerprint(normalised(row.text)))
        if len(row.text) > LONG_CHARACTERS:
            self._long.append(len(self._labels))
        if row.is_doubted:
            self._doubted.append(len(self._labels))

    @property
    def row_count(self) -> int:
        return len(self._labels)

    def class_counts(self) -> dict[str, int]:
        """Return how many rows each class of the metric has, 0 included; nothing of unlabelled rows."""
        if self._unlabelled:
            return {}
        counts = Counter(self._labels)
        return {label: counts[place] for place, label in enumerate(self._classes)}

    def findings(self) -> tuple[Finding, ...]:
        if self._unlabelled:
            found = (_UNLABELLED, self._duplicates(), self._too_long())
            return tuple(entry for entry in found if entry is not None)
        return tuple(
            found
            for found in (
                self._conflicts(),
                self._duplicates(),
                self._shares(),
                *_balance(self.class_counts()),
                self._too_long(),
                _size(self.row_count),
            )
            if found is not None
        )

    def _conflicts(self) -> Finding | None:
        rows = [
            row for group in _groups(self._near) if len({self._labels[r] for r in group}) > 1 for row in group
        ]
        if not rows:
            return None
        return finding(
            "CONFLICTING_LABELS",
            f"{len(rows)} rows hold the same text, case and punctuation aside, with different labels. "
            "Decide on one label for each text: an evaluator cannot learn both.",
            (row + 1 for row in rows),
        )

    def _duplicates(self) -> Finding | None:
        rows = [row for group in _groups(self._near) for row in group[1:]]
        if not rows:
            return None
        return finding(
            "DUPLICATE_ROWS",
            f"{len(rows)} rows repeat the text of an earlier row, case and punctuation aside. They count "
            "several times in training and in results; leave them out unless that is meant.",
            (row + 1 for row in rows),
        )

    def _shares(self) -> Finding | None:
        if not self._doubted:
            return None
        return finding(
            "LABEL_PROBABILITIES_DISAGREE",
            f"{len(self._doubted)} rows have another class first in {COLUMN} than in their label. They are "
            "learned as shared out, and counted and checked by their label; decide which one is right.",
            self._doubted,
        )

    def _too_long(self) -> Finding | None:
        if not self._long:
            return None
        return finding(
            "LONG_TEXTS",
            f"{len(self._long)} rows are longer than {LONG_CHARACTERS} characters, about 512 tokens. Small "
            "evaluators read them in windows, up to a limit; raise max_tokens or take a recipe that reads "
            "more at once.",
            self._long,
        )


_UNLABELLED = finding(
    "UNLABELLED",
    "The rows have no labels yet. Have a judge label them: `gnomon judge label DATASET --provider …`.",
)


def _groups(keys: Sequence[int]) -> Iterator[list[int]]:
    """Yield the places of equal keys, in order, for every key that occurs more than once."""
    order = sorted(range(len(keys)), key=keys.__getitem__)
    group: list[int] = []
    for place in order:
        if group and keys[group[-1]] != keys[place]:
            if len(group) > 1:
                yield group
            group = []
        group.append(place)
    if len(group) > 1:
        yield group


def _balance(counts: dict[str, int]) -> Iterator[Finding]:
    present = {label: rows for label, rows in counts.items() if rows}
    total = sum(present.values())
    if len(present) == 1:
        yield finding(
            "ONE_CLASS_ONLY",
            f"All rows are labelled {next(iter(present))!r}. A run needs rows of at least two classes.",
        )
        return
    absent = [label for label in counts if label not in present]
    if absent:
        names = ", ".join(map(repr, absent[:8])) + (", …" if len(absent) > 8 else "")
        yield finding(
            "CLASS_WITHOUT_ROWS", f"No row is labelled {names}; an evaluator cannot learn it from these."
        )
    label, rows = min(present.items(), key=lambda entry: entry[1])
    if rows < IMBALANCE_SHARE * total:
        yield finding(
            "IMBALANCED_CLASSES",
            f"{label!r} has {rows} of {total} rows, less than {IMBALANCE_SHARE:.0%}. Add rows of that class: "
            "its results will vary by chance.",
        )


def _size(rows: int) -> Finding | None:
    if rows >= MIN_TEST_ROWS:
        return None
    return finding(
        "FEW_ROWS",
        f"{rows} rows are too few for a test set ({MIN_TEST_ROWS} or more) and for a training set "
        f"({MIN_TRAINING_ROWS} or more).",
    )
