"""What holds of every queue, every pair of reviewers and every undo."""

import itertools
import json
import tracemalloc
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from gnomon.instances import OutputType, text_span
from gnomon.names import ReviewName
from gnomon_trainer.domain import measures
from gnomon_trainer.domain.review_agreement import Progress, agreement, cohens_kappa
from gnomon_trainer.domain.review_blinding import shown_columns
from gnomon_trainer.domain.review_corrections import COLUMN, corrected
from gnomon_trainer.domain.review_order import doubt, queue
from gnomon_trainer.domain.reviews import (
    Answer,
    Decision,
    Item,
    Order,
    Outcome,
    Reason,
    Said,
    Signals,
    verdict,
)
from gnomon_trainer.domain.training import Row
from tests.trainer.fake_reviews import FakeReviewStore
from tests.trainer.fakes import FakeStores
from tests.trainer.things import TOXICITY, draft, new_review

FIRST = ReviewName("train", "first")
LABELS = ("false", "true")
TOPIC = replace(TOXICITY, output_type=OutputType.CATEGORICAL, classes=("Billing", "other", "3"))
shares = st.none() | st.floats(0, 1)
signals = st.builds(
    Signals,
    label=st.sampled_from(LABELS),
    expected_label=st.sampled_from(("", *LABELS)),
    label_probability=shares,
    expected_probability=shares,
    margin=shares,
    judge_label=st.sampled_from(("", *LABELS)),
    judge_share=shares,
)
rows = st.lists(signals, max_size=20).map(lambda found: list(enumerate(found, 1)))
answers = st.sampled_from(
    [(Answer.LABEL, "true"), (Answer.LABEL, "false"), (Answer.UNSURE, ""), (Answer.SKIP, "")]
)


# ------------------------------------------------------------------------------ order


@given(rows, st.sampled_from(Order))
def test_doubt_falls_along_a_queue_and_rows_of_which_nothing_is_known_come_last_as_they_stood(
    given_rows: Any, order: Order
) -> None:
    items = queue(given_rows, order, len(given_rows))

    assert sorted(item.row for item in items) == [row for row, _ in given_rows]
    assert [item.rank for item in items] == list(range(1, len(items) + 1))
    found = [doubt(item.signals, order) for item in items]
    known = [value for value in found if value is not None]
    assert found == [*known, *[None] * (len(found) - len(known))]
    assert known == sorted(known, reverse=True)
    silent = [
        item.row for item in items if doubt(item.signals, order) is None and item.signals.margin is None
    ]
    assert silent == sorted(silent)


@given(rows, st.sampled_from(Order), st.integers(0, 25))
def test_a_shorter_queue_is_the_beginning_of_a_longer_one(given_rows: Any, order: Order, limit: int) -> None:
    assert queue(given_rows, order, limit) == queue(given_rows, order, len(given_rows))[:limit]


@given(rows, st.sampled_from(Order), st.sets(st.integers(1, 20)))
def test_rows_to_ask_first_come_first_and_among_themselves_as_without_others(
    given_rows: Any, order: Order, first: set[int]
) -> None:
    items = queue(given_rows, order, len(given_rows), first)

    parts = [[e for e in given_rows if e[0] in first], [e for e in given_rows if e[0] not in first]]
    wanted = [item.row for part in parts for item in queue(part, order, len(part))]
    assert [item.row for item in items] == wanted
    assert [item.rank for item in items] == list(range(1, len(items) + 1))


@given(signals, st.sampled_from(Order))
def test_doubt_is_a_share(found: Signals, order: Order) -> None:
    value = doubt(found, order)
    assert value is None or 0 <= value <= 1


# --------------------------------------------------------------------------- blindness

ways_to_name_a_class = st.sampled_from(
    [
        *(str.upper, str.title, lambda label: f" {label}\n"),
        *(lambda label: [label, "?"], lambda label: {label: 0.9}, lambda label: {"gpt": label}),
        *(lambda label: json.dumps([label]), lambda label: json.dumps({label: 1})),
    ]
)


@given(label=st.sampled_from(TOPIC.classes), named=ways_to_name_a_class, column=st.text(min_size=1))
def test_a_blind_review_shows_no_cell_that_names_a_class(label: str, named: Any, column: str) -> None:
    row = Row(1, text_span(output="x"), label, {column: named(label), "source_": f"{label}.example.com"})

    blind = shown_columns(new_review(blind=True), row, TOPIC)
    assert blind.keys() <= {"source_"}
    assert shown_columns(new_review(blind=False), row, TOPIC) == row.extra


# -------------------------------------------------------------------------- agreement


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=40))
def test_kappa_is_that_of_scikit_learn_and_lies_in_its_interval(labels: list[tuple[str, str]]) -> None:
    found = agreement("ann", "ben", labels)

    first, second = zip(*labels, strict=True)
    assert found.agreement.value == pytest.approx(np.mean([a == b for a, b in labels]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = cohen_kappa_score(first, second)
    if np.isfinite(expected):
        assert found.kappa is not None
        assert found.kappa.value == pytest.approx(expected)
        assert found.kappa.low <= found.kappa.high
    else:
        assert found.kappa is None


def test_only_rows_that_two_people_labelled_count_for_their_agreement() -> None:
    said = [
        *((1, "ann", "true"), (1, "ben", "true"), (2, "ann", "true"), (2, "ben", "")),
        *((3, "ann", "true"), (4, "ann", "false"), (4, "cleo", "true")),
    ]
    live = [
        Decision(n, row, who, Answer.LABEL if label else Answer.UNSURE, label, False, 1.0)
        for n, (row, who, label) in enumerate(said, 1)
    ]

    pairs = Progress(new_review(), [], live).agreements()

    assert [(p.first_reviewer, p.second_reviewer, p.row_count) for p in pairs] == [
        ("ann", "ben", 1),
        ("ann", "cleo", 1),
    ]
    assert pairs[0].kappa is None


def test_the_intervals_are_those_of_a_bootstrap_of_the_rows() -> None:
    labels = [("abc"[n % 3], "abc"[n % 3 if n % 5 else n % 2]) for n in range(300)]
    said = np.array([["abc".index(label) for label in pair] for pair in labels])
    counted = measures.confusion(said[:, 0], said[:, 1], 3, measures.draw(300, seed=1))
    kappa = cohens_kappa(counted.right, counted.true, counted.predicted)
    expected = measures.interval("kappa", kappa)

    found = agreement("ann", "ben", labels).kappa

    assert found is not None
    assert expected is not None
    assert (found.value, found.low, found.high) == (
        pytest.approx(expected.value),
        pytest.approx(expected.low, abs=0.02),
        pytest.approx(expected.high, abs=0.02),
    )


def test_the_agreement_on_many_rows_draws_no_row_for_each_resample() -> None:
    labels = [("ab"[n % 2], "ab"[n % 3 % 2]) for n in range(50_000)]
    tracemalloc.start()
    agreement("ann", "ben", labels)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 1_000 * len(labels)  # every row in each of 1,000 resamples would be eight times that


def test_of_very_many_people_those_who_share_most_rows_are_compared() -> None:
    pairs = list(itertools.combinations([f"p{n:02}" for n in range(20)], 2))
    said = [(pair, who) for n, pair in enumerate(pairs) for who in pair * (2 if n % 2 else 1)]
    rows = (n // 2 for n in itertools.count())
    live = [
        Decision(n, row, who, Answer.LABEL, "true", False, 1.0)
        for n, (row, (_, who)) in enumerate(zip(rows, said, strict=False))
    ]

    found = Progress(new_review(), [], live).agreements()

    people = [(pair.first_reviewer, pair.second_reviewer) for pair in found]
    assert len(people) == 100
    assert people == sorted(people)
    assert sum(pair.row_count == 2 for pair in found) == 95


# --------------------------------------------------------------------------- decisions


def store(reviewers: int) -> FakeReviewStore:
    stores = FakeStores()
    stores.datasets.add([draft("train")], None, 1.0)
    reviews = FakeReviewStore(stores)
    items = [Item(row, row, Reason.NO_SIGNAL, Signals("true")) for row in range(1, 7)]
    reviews.create(replace(new_review(), reviewers_per_row=reviewers), items, None)
    return reviews


def seen(reviews: FakeReviewStore, reviewer: str) -> list[int]:
    return [item.row for item in reviews.hand_out(FIRST, reviewer, 9, now=1.0, hold_s=0.0).items]


def state(reviews: FakeReviewStore) -> Any:
    progress = reviews.progress(FIRST)
    queues = {who: seen(reviews, who) for who in ("ann", "ben", "cleo")}
    return list(progress.verdicts()), progress.of_reviewers(), queues


@given(
    st.integers(1, 2),
    st.dictionaries(st.integers(1, 6), answers, max_size=6),
    st.dictionaries(st.integers(1, 6), answers, min_size=1, max_size=6),
)
def test_undo_takes_back_all_that_a_decision_did(reviewers: int, of_ann: Any, of_ben: Any) -> None:
    reviews = store(reviewers)
    for row, (answer, label) in of_ann.items():
        reviews.record(FIRST, Said(row, "ann", answer, label), None, 1.0)
    open_rows, states = set(seen(reviews, "ben")), [state(reviews)]
    decided = [row for row in of_ben if row in open_rows]
    for row in decided:
        reviews.record(FIRST, Said(row, "ben", *of_ben[row]), None, 2.0)
        states.append(state(reviews))

    for row in reversed(decided):
        assert state(reviews) == states.pop()
        assert reviews.withdraw(FIRST, "ben", None, None, 3.0).row == row
    assert state(reviews) == states.pop()


@given(st.dictionaries(st.integers(1, 6), answers), st.dictionaries(st.integers(1, 6), answers))
def test_of_two_reviewers_neither_is_asked_differently_for_what_the_other_said(
    of_ann: Any, otherwise: Any
) -> None:
    one, other = store(2), store(2)
    for reviews, said in ((one, of_ann), (other, otherwise)):
        for row, (answer, label) in said.items():
            reviews.record(FIRST, Said(row, "ann", answer, label), None, 1.0)

    assert seen(one, "ben") == seen(other, "ben") == [1, 2, 3, 4, 5, 6]


@given(st.lists(answers, max_size=4), st.integers(1, 2))
def test_a_verdict_does_not_depend_on_who_answered_first(given_answers: Any, reviewers: int) -> None:
    live = [
        Decision(n, 1, f"person {n}", answer, label, False, 1.0)
        for n, (answer, label) in enumerate(given_answers)
    ]
    forth, back = verdict(live, reviewers), verdict(live[::-1], reviewers)

    assert (forth.outcome, forth.label) == (back.outcome, back.label)
    assert bool(forth.label) == (forth.outcome is Outcome.SETTLED)


# ------------------------------------------------------------------------- corrections


@given(st.sampled_from(LABELS), st.sampled_from(LABELS), st.none() | st.floats(0, 1))
def test_a_settled_row_keeps_its_content_and_tells_what_it_was(
    before: str, settled: str, share: float | None
) -> None:
    record = {"input": "Hello?", "label": before, "source": "web"}
    if share is not None:
        record |= {"label_probabilities": {"true": share, "false": 1 - share}}
    live = [Decision(1, 1, "ann", Answer.LABEL, settled, False, 1_700_000_000.25)]

    after = corrected(record, verdict(live, 1), FIRST)

    assert after["label"] == settled
    assert after[COLUMN] == {
        "review": "datasets/train/reviews/first",
        "by": ["ann"],
        "time": "2023-11-14T22:13:20.250Z",
        "label_before": before,
    }
    assert {key: after[key] for key in ("input", "source")} == {"input": "Hello?", "source": "web"}
    if "label_probabilities" in after:
        assert before == settled
        kept = after["label_probabilities"]
        assert kept[settled] == max(kept.values())
    assert "label_review" not in record


def test_a_later_decision_of_another_review_stays() -> None:
    late = [Decision(1, 1, "ann", Answer.LABEL, "true", False, 2_000.0)]
    early = [Decision(2, 1, "ben", Answer.LABEL, "false", False, 1_000.0)]
    record = corrected({"input": "a", "label": "false"}, verdict(late, 1), FIRST)

    assert corrected(record, verdict(early, 1), ReviewName("train", "second")) == record
