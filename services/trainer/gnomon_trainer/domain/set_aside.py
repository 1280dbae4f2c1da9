"""Which training rows are kept from everything but a guarantee. Pure.

A bound on an error rate holds only on rows that had no part in making the
scores. The held-out rows had one: early stopping and calibration look at
them. So a run that asks for a guarantee sets further rows aside, by whose
texts, labels and number nothing else is decided.
"""

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from gnomon.errors import DatasetTooSmallError
from gnomon_trainer.domain.guarantees import needed_rows
from gnomon_trainer.domain.texts import fingerprint, normalised, rendered
from gnomon_trainer.domain.thresholds import FALSE_POSITIVE_RATE
from gnomon_trainer.domain.training import MetricDefinition, Parameters, Row
from gnomon_trainer.domain.validation_split import hold_out

_MOST = 0.5  # the share of the rows that may be set aside
_STEP = 0.05
NEGATIVES, POSITIVES = "no flagged class", "a flagged class"


@dataclass(frozen=True, slots=True)
class SetAside:
    """Places (from 0) of rows, ascending: those nothing may learn from, and of these one a text."""

    rows: Sequence[int]
    counted: Sequence[int]


@dataclass(frozen=True, slots=True)
class Needed:
    """The fewest rows of each kind that a run's guarantees can be given on, and what asks for them."""

    rows: Mapping[str, int]
    what: str


def needed(parameters: Parameters) -> Needed | None:
    """Return what a run's guarantees need; None if it asks for none."""
    risk, negatives, positives, what = 1 - parameters.threshold_confidence, 0, 0, ""
    if parameters.threshold_aim == FALSE_POSITIVE_RATE:
        negatives = needed_rows(parameters.threshold_target, risk)
        what = f"A false-positive rate of at most {parameters.threshold_target:g}"
    if rate := parameters.abstain_error_rate:
        positives = needed_rows(rate, risk / 2)
        negatives = max(negatives, positives)
        what = f"An error rate of at most {rate:g} outside the abstain band"
    return Needed({NEGATIVES: negatives, POSITIVES: positives}, what) if what else None


def set_aside(
    labels: Sequence[str],
    keys: Sequence[Hashable],
    flagged: Collection[str],
    parameters: Parameters,
    training_set: str,
) -> SetAside | None:
    """Return the rows that a run's guarantees are given on; None if it asks for none.

    As large a share of every class as is held out for validation, more if that
    is too few, half at most. Rows of equal keys stay together and count once:
    45 copies of a text say no more than one. The same rows give the same
    answer, when the run is created and when it is trained.

    Raises:
        DatasetTooSmallError: half of the rows are too few; it names the number.
    """
    wanted = needed(parameters)
    if wanted is None:
        return None
    share = min(parameters.validation_share, _MOST)
    while True:
        _, rows = hold_out(labels, keys, share, parameters.seed)
        counted = _one_a_text(rows, keys)
        found = _kinds(counted, labels, flagged)
        if all(found[kind] >= rows_ for kind, rows_ in wanted.rows.items()):
            return SetAside(rows, counted)
        if share >= _MOST:
            kind = next(kind for kind, rows_ in wanted.rows.items() if found[kind] < rows_)
            there = _kinds(_one_a_text(range(len(labels)), keys), labels, flagged)[kind]
            raise _too_few(wanted, kind, there, parameters.threshold_confidence, training_set)
        share = min(_MOST, share + _STEP)


def _one_a_text(places: Sequence[int], keys: Sequence[Hashable]) -> list[int]:
    return sorted({keys[place]: place for place in reversed(places)}.values())


def _kinds(places: Sequence[int], labels: Sequence[str], flagged: Collection[str]) -> dict[str, int]:
    """Return how many of these rows are of no flagged class and of one."""
    positives = sum(labels[place] in flagged for place in places)
    return {NEGATIVES: len(places) - positives, POSITIVES: positives}


def check_set_aside(
    rows: Iterable[Row], metric: MetricDefinition, parameters: Parameters, training_set: str
) -> None:
    """Raise what `set_aside` will raise in training, of the rows that will be left to learn from."""
    if needed(parameters) is None:
        return
    pairs = [(row.label, fingerprint(normalised(rendered(row.instance, metric)))) for row in rows]
    labels, keys = [label for label, _ in pairs], [key for _, key in pairs]
    set_aside(labels, keys, metric.flagged_classes, parameters, training_set)


def _too_few(
    wanted: Needed, kind: str, there: int, confidence: float, training_set: str
) -> DatasetTooSmallError:
    rows = wanted.rows[kind]
    least = round(rows / _MOST)
    missing = f"{least} such rows with different texts, and it has {there}"
    if there >= least:  # texts that stand there many times take the room
        missing = f"more than the {there} such rows with different texts that it has"
    return DatasetTooSmallError(
        f"{wanted.what} with confidence {confidence:g} needs {rows} rows of {kind} that nothing else is done "
        f"with. At most half of {training_set} is set aside for it, so that it needs {missing}. Add rows, or "
        "ask for less.",
        resource=training_set,
        row_count=str(there),
        required_row_count=str(max(least, there + 1)),
        set_aside_row_count=str(rows),
    )
