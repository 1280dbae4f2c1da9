"""Which training rows are kept from everything but a guarantee. Pure.

A bound on an error rate holds only on rows that had no part in making the
scores. The held-out rows had one: early stopping and calibration look at
them. So a run that asks for a guarantee sets further rows aside: no weight,
calibration or checkpoint comes from them (a recipe and its defaults may, from
how many and how long all rows are). Nor do they share a context with the rows
that are learned from, where that can be.
"""

from collections import Counter
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gnomon.errors import DatasetTooSmallError
from gnomon_trainer.domain.guarantees import needed_rows
from gnomon_trainer.domain.thresholds import FALSE_POSITIVE_RATE
from gnomon_trainer.domain.training import Parameters
from gnomon_trainer.domain.validation_split import LEAST_HELD_OUT_FROM, hold_out, hold_out_contexts

_MOST = 0.5  # the share of the rows that may be set aside
_STEP = 0.05
NEGATIVES, POSITIVES = "no flagged class", "a flagged class"


@dataclass(frozen=True, slots=True)
class SetAside:
    """Places (from 0) of rows, ascending: those nothing may learn from, and of these one a text.

    `are_apart`: no other row has the context of one of them.
    """

    rows: Sequence[int]
    counted: Sequence[int]
    are_apart: bool = True


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
    contexts: Sequence[Hashable],
    flagged: Collection[str],
    parameters: Parameters,
    *,
    training_set: str,
) -> SetAside | None:
    """Return the rows that a run's guarantees are given on; None if it asks for none.

    As large a share of every class as is held out for validation, more if that
    is too few, half at most. Rows of equal keys stay together and count once:
    45 copies of a text say no more than one. Rows of equal contexts stay together
    too, unless that leaves too few; see `hold_out_contexts`. The same rows give
    the same answer, when the run is created and when it is trained.

    Raises:
        DatasetTooSmallError: half of the rows are too few; it names the number.
    """
    wanted = needed(parameters)
    if wanted is None:
        return None
    for share in _shares(parameters):
        _, rows = hold_out_contexts(labels, keys, contexts, share, parameters.seed)
        counted = _one_a_text(rows, keys)
        if _are_apart(rows, contexts) and _missing(wanted, counted, labels, flagged) is None:
            return SetAside(rows, counted)
    for share in _shares(parameters):
        _, rows = hold_out(labels, keys, share, parameters.seed)
        counted = _one_a_text(rows, keys)
        missing = _missing(wanted, counted, labels, flagged)
        if missing is None:
            return SetAside(rows, counted, _are_apart(rows, contexts))
    assert missing is not None  # of the largest share
    there = kinds(_one_a_text(_never_too_rare(labels), keys), labels, flagged)[missing]
    raise _too_few(wanted, missing, there, parameters.threshold_confidence, training_set)


def _shares(parameters: Parameters) -> Iterator[float]:
    share = min(parameters.validation_share, _MOST)
    while share < _MOST:
        yield share
        share += _STEP
    yield _MOST


def _are_apart(places: Sequence[int], contexts: Sequence[Hashable]) -> bool:
    within = set(places)
    theirs = {contexts[place] for place in within}
    return not any(context in theirs for place, context in enumerate(contexts) if place not in within)


def _missing(
    wanted: Needed, counted: Sequence[int], labels: Sequence[str], flagged: Collection[str]
) -> str | None:
    """Return a kind of rows of which there are too few; None if there are enough."""
    found = kinds(counted, labels, flagged)
    return next((kind for kind, rows in wanted.rows.items() if found[kind] < rows), None)


def _never_too_rare(labels: Sequence[str]) -> list[int]:
    """Return the places of the rows whose class has enough of them for some to be set aside."""
    counts = Counter(labels)
    return [place for place, label in enumerate(labels) if counts[label] >= LEAST_HELD_OUT_FROM]


def _one_a_text(places: Sequence[int], keys: Sequence[Hashable]) -> list[int]:
    return sorted({keys[place]: place for place in reversed(places)}.values())


def kinds(places: Sequence[int], labels: Sequence[str], flagged: Collection[str]) -> dict[str, int]:
    """Return how many of these rows are of no flagged class and of one."""
    positives = sum(labels[place] in flagged for place in places)
    return {NEGATIVES: len(places) - positives, POSITIVES: positives}


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
        f"with, in classes of at least {LEAST_HELD_OUT_FROM} rows. At most half of {training_set} is set "
        f"aside for it, so that it needs {missing}. Add rows, or ask for less.",
        resource=training_set,
        row_count=str(there),
        required_row_count=str(max(least, there + 1)),
        set_aside_row_count=str(rows),
    )
