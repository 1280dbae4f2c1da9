"""What is checked of two sets before a run is queued. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gnomon.errors import DatasetTooSmallError, DatasetUnsuitableError
from gnomon_trainer.domain.checks import MIN_TEST_ROWS, MIN_TRAINING_ROWS
from gnomon_trainer.domain.datasets import Dataset, RowStore, check_labelled
from gnomon_trainer.domain.findings import Finding, finding, matched
from gnomon_trainer.domain.generation_seeds import kept_out
from gnomon_trainer.domain.label_origins import generated_rows, judged_rows
from gnomon_trainer.domain.nearness import CHANGED_SHARE, NEAR_BYTES, NEAR_ROWS, Neighbours, affordable
from gnomon_trainer.domain.overlap import Overlap, overlap
from gnomon_trainer.domain.reviews import MOST_ITEMS
from gnomon_trainer.domain.rows import row_of
from gnomon_trainer.domain.training import MetricDefinition, Row
from gnomon_trainer.domain.validation_split import LEAST_HELD_OUT_FROM

RECOMMENDED_TRAINING_ROWS = 300
RECOMMENDED_CLASS_ROWS = 100
# Below these nothing can be held out and learned, whatever is allowed.
LEAST_TRAINING_ROWS = 16
LEAST_CLASS_ROWS = 2  # one row of a class is more often a mistake than a class; see `LEAST_HELD_OUT_FROM`
LEAST_TEST_ROWS = 4
_ABOUT_LABELS = {"CONFLICTING_LABELS", "NEAR_CONFLICTING_LABELS", "LIKELY_MISLABELLED", "DOUBTFUL_LABELS"}


@dataclass(frozen=True, slots=True)
class CheckedSets:
    """What the checks allow a run to be made of.

    `training_rows` counts what is left to learn from once the rows numbered
    `left_out` are gone. The evaluator is measured on the test set without the
    rows numbered `test_left_out`.
    """

    training_rows: int
    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]
    left_out: frozenset[int] = frozenset()
    test_left_out: frozenset[int] = frozenset()


def read_rows(rows: RowStore, digest: str, metric: MetricDefinition) -> Iterator[Row]:
    """Yield a dataset's rows, numbered from 1."""
    for number, record in enumerate(rows.read(digest), 1):
        yield row_of(number, record, metric)


def check_sets(
    training: Dataset,
    test: Dataset,
    metric: MetricDefinition,
    rows: RowStore,
    *,
    allow_small: bool,
    neighbours: Neighbours,
    seeds: Sequence[Row] = (),
) -> CheckedSets:
    """Check that an evaluator can be learned from one set and measured on the other. Reads both.

    `seeds` are the rows that the training set was generated from: the evaluator
    is not measured on them, nor on what is nearly the same.

    Raises:
        DatasetUnlabelledError: a set has no labels.
        DatasetUnsuitableError: a set belongs to another metric, holds one class
            only, or both are the same.
        DatasetTooSmallError: a set has fewer rows than needed, overlapping ones
            not counted.
    """
    for dataset in (training, test):
        check_labelled(dataset)
    _check_fit(training, test, metric)
    seen = kept_out(read_rows(rows, test.digest, metric), seeds, metric, neighbours) if seeds else {}
    test_left = _counts_left(test, frozenset(seen), metric, rows)
    looks_near = affordable(training.row_count + test.row_count, training.size_bytes + test.size_bytes)
    found = overlap(
        read_rows(rows, training.digest, metric),
        (row for row in read_rows(rows, test.digest, metric) if row.number not in seen),
        metric,
        neighbours if looks_near else None,
    )
    left = _counts_left(training, found.rows, metric, rows)
    left_rows = sum(left.values())
    _check_classes(training, left, "rows of the test set" if found.rows else "")
    _check_size(training, left_rows, _least_rows(allow_small)[0], allow_small, "overlapping ones")
    _check_measurable(test, test_left, seen, allow_small)
    rare = {label: n for label, n in left.items() if 0 < n < LEAST_CLASS_ROWS}
    if rare:
        label, count = next(iter(rare.items()))
        raise DatasetTooSmallError(
            f"{training.name} has {count} row of class {label!r} to learn from; {LEAST_CLASS_ROWS} are the "
            f"least, and {LEAST_HELD_OUT_FROM} for one of them to be held out. Add rows of it.",
            resource=str(training.name),
            row_count=str(count),
            required_row_count=str(LEAST_CLASS_ROWS),
        )
    findings = (
        *_seed_findings(training, test, seen),
        *_origin_findings(test, seen, rows),
        *_overlap_findings(found, looks_near),
        *_repeated(training),
        *_repeated(test),
    )
    sizes = (*_size_findings(test_left, left), *_unseen(left, test_left))
    every = (*findings, *sizes)
    warnings = tuple(entry.message for entry in every)
    return CheckedSets(left_rows, every, warnings, found.rows, frozenset(seen))


def check_test_set(
    test: Dataset,
    metric: MetricDefinition,
    rows: RowStore,
    *,
    allow_small: bool,
    neighbours: Neighbours,
    seeds: Sequence[Row],
) -> None:
    """Check what `check_sets` does that needs no training set, only its `seeds`; raises as it does."""
    check_labelled(test)
    _check_metric(test, metric)
    seen = kept_out(read_rows(rows, test.digest, metric), seeds, metric, neighbours) if seeds else {}
    left = _counts_left(test, frozenset(seen), metric, rows)
    _check_measurable(test, left, seen, allow_small)


def _check_measurable(
    test: Dataset, left: Mapping[str, int], seen: Mapping[int, int], allow_small: bool
) -> None:
    """Check that enough is left of the test set once what its generator saw is gone."""
    _check_classes(test, left, "the seeds of the training set" if seen else "")
    _, least = _least_rows(allow_small)
    _check_size(test, sum(left.values()), least, allow_small, "seeds of the training set")


def _least_rows(allow_small: bool) -> tuple[int, int]:
    """Return how many rows a training and a test set must have."""
    return (LEAST_TRAINING_ROWS, LEAST_TEST_ROWS) if allow_small else (MIN_TRAINING_ROWS, MIN_TEST_ROWS)


def _check_metric(dataset: Dataset, metric: MetricDefinition) -> None:
    if dataset.metric != metric.name:
        raise DatasetUnsuitableError(
            f"{dataset.name} is labelled for {dataset.metric}, not for {metric.name}.",
            resource=str(dataset.name),
        )
    unknown = sorted(dataset.labels - set(metric.classes))
    if unknown:
        raise DatasetUnsuitableError(
            f"{dataset.name} has labels that {metric.name} no longer declares: "
            f"{', '.join(unknown[:8])}. Upload it again.",
            resource=str(dataset.name),
        )


def _check_fit(training: Dataset, test: Dataset, metric: MetricDefinition) -> None:
    for dataset in (training, test):
        _check_metric(dataset, metric)
    if training.digest == test.digest:
        raise DatasetUnsuitableError(
            f"{training.name} and {test.name} hold the same rows. An evaluator must be measured on rows it "
            "has not seen: `gnomon datasets split` makes two sets of one.",
            resource=str(test.name),
        )


def _counts_left(
    dataset: Dataset, gone: frozenset[int], metric: MetricDefinition, rows: RowStore
) -> Counter[str]:
    counts = Counter(dataset.class_counts)
    if gone:
        counts.subtract(r.label for r in read_rows(rows, dataset.digest, metric) if r.number in gone)
    return counts


def _check_classes(dataset: Dataset, left: Mapping[str, int], taken_out: str) -> None:
    present = [label for label, rows in left.items() if rows]
    if len(present) >= 2:
        return
    after = f" once {taken_out} are taken out" if taken_out else ""
    holds = f"only rows labelled {next(iter(present))!r}" if present else "no rows"
    raise DatasetUnsuitableError(
        f"{dataset.name} holds {holds}{after}; a run needs at least two classes in each set.",
        resource=str(dataset.name),
    )


def _check_size(dataset: Dataset, rows: int, needed: int, allow_small: bool, which: str) -> None:
    if rows >= needed:
        return
    taken = f", {dataset.row_count - rows} {which} not counted" if rows < dataset.row_count else ""
    remedy = "Add rows" if allow_small else "Add rows, or set allow_small and take the report with caution"
    raise DatasetTooSmallError(
        f"{dataset.name} has {rows} rows to use{taken}; a run needs {needed}. {remedy}.",
        resource=str(dataset.name),
        row_count=str(rows),
        required_row_count=str(needed),
    )


def _seed_findings(training: Dataset, test: Dataset, seen: Mapping[int, int]) -> Iterator[Finding]:
    if seen:
        yield matched(
            "TEST_SEEDS_LEFT_OUT",
            f"{len(seen)} of {test.row_count} rows of the test set seeded "
            f"{training.generation or 'a generation'}, which the training set is from, or are nearly the "
            "same as a seed; the run leaves them out of its evaluation.",
            seen,
        )


def _origin_findings(test: Dataset, seen: Mapping[int, int], rows: RowStore) -> Iterator[Finding]:
    """Say which of the rows to measure on have no label of people, or are no rows of an application."""
    measured = test.row_count - len(seen)
    if judged := [number for number in judged_rows(test, rows) if number not in seen]:
        yield finding(
            "TEST_LABELS_OF_A_JUDGE",
            f"{len(judged)} of {measured} rows of the test set have a judge's label that no person has "
            "settled since: on them the report says how well the evaluator agrees with that judge. Review "
            f"them: `gnomon review create {test.dataset} --limit {min(len(judged), MOST_ITEMS)}`.",
            judged,
        )
    if generated := [number for number in generated_rows(test, rows) if number not in seen]:
        yield finding(
            "TEST_ROWS_GENERATED",
            f"{len(generated)} of {measured} rows of the test set were written by a model: the report says "
            "less of how the evaluator does on what people write. Measure on rows of your application.",
            generated,
        )


def _overlap_findings(found: Overlap, looks_near: bool) -> Iterator[Finding]:
    if found.exact:
        yield matched(
            "OVERLAP_EXACT",
            f"{len(found.exact)} rows of the training set are in the test set too; the run leaves them "
            "out of training.",
            found.exact,
        )
    if found.normalised:
        yield matched(
            "OVERLAP_NORMALISED",
            f"{len(found.normalised)} rows of the training set are in the test set too, case and "
            "punctuation aside; the run leaves them out of training.",
            found.normalised,
        )
    if found.near:
        yield matched(
            "OVERLAP_NEAR",
            f"{len(found.near)} rows of the training set are, but for one word or {CHANGED_SHARE:.0%} of "
            "the words, in the test set too, with the same label; the run leaves them out of training.",
            found.near,
        )
    if found.conflicting:
        yield matched(
            "OVERLAP_CONFLICTING_LABELS",
            f"{len(found.conflicting)} of the overlapping rows have another label in the test set. One of "
            "the two is wrong; if it is the test set's, results look worse than they are.",
            found.conflicting,
        )
    if not looks_near:
        yield finding(
            "OVERLAP_NEAR_NOT_CHECKED",
            f"The two sets are larger than {NEAR_ROWS} rows or {NEAR_BYTES >> 20} MiB, so rows that differ "
            "in a word from those of the test set were not looked for: results may look better than they "
            "are.",
        )


def _repeated(dataset: Dataset) -> Iterator[Finding]:
    """Repeat what was found about the labels of a set: it decides how good an evaluator can be."""
    for entry in dataset.findings:
        if entry.code in _ABOUT_LABELS:
            yield replace(entry, message=f"{dataset.name}: {entry.message}")


def _size_findings(test: Mapping[str, int], left: Mapping[str, int]) -> Iterator[Finding]:
    rows, test_rows = sum(left.values()), sum(test.values())
    if test_rows < MIN_TEST_ROWS:
        yield finding(
            "SMALL_TEST_SET",
            f"The test set has {test_rows} rows to measure on, fewer than {MIN_TEST_ROWS}: the intervals "
            "of the report are wide.",
        )
    if rows < MIN_TRAINING_ROWS:
        yield finding(
            "SMALL_TRAINING_SET",
            f"The training set has {rows} rows, fewer than {MIN_TRAINING_ROWS}: expect a weak evaluator.",
        )
    elif rows < RECOMMENDED_TRAINING_ROWS:
        yield finding(
            "FEW_TRAINING_ROWS",
            f"The training set has {rows} rows; {RECOMMENDED_TRAINING_ROWS} or more are recommended.",
        )
    few = {label: n for label, n in left.items() if 0 < n < RECOMMENDED_CLASS_ROWS}
    if few:
        shown = ", ".join(f"{label} {n}" for label, n in sorted(few.items(), key=lambda e: e[1])[:5])
        yield finding(
            "FEW_CLASS_ROWS",
            f"{len(few)} of {len(left)} classes have fewer than the recommended {RECOMMENDED_CLASS_ROWS} "
            f"rows to learn from (fewest: {shown}).",
        )


def _unseen(left: Mapping[str, int], test: Mapping[str, int]) -> Iterator[Finding]:
    absent = [label for label, n in test.items() if n and not left.get(label)]
    if absent:
        yield finding(
            "CLASS_NOT_LEARNED",
            f"The training set has no rows of {', '.join(map(repr, absent[:8]))}, which the test set has: "
            "the evaluator cannot know that class.",
        )
    untested = [label for label, n in left.items() if n > 0 and not test.get(label)]
    if untested:
        yield finding(
            "CLASS_NOT_MEASURED",
            f"The test set has no rows of {', '.join(map(repr, untested[:8]))}: the report says nothing "
            "of that class.",
        )
