"""What every store of reviews promises: the fake, SQLite and PostgreSQL."""

import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from gnomon.errors import (
    AlreadyExistsError,
    EtagMismatchError,
    InvalidRequestError,
    NotFoundError,
    RequestIdReusedError,
    ReviewStateError,
)
from gnomon.names import DatasetName, ReviewName
from gnomon_storage.engines import WRITE
from gnomon_trainer.adapters import sql_reviews
from gnomon_trainer.adapters.database import Database
from gnomon_trainer.adapters.sql_datasets import SqlDatasetStore
from gnomon_trainer.adapters.sql_reviews import SqlReviewStore
from gnomon_trainer.domain.datasets import Request
from gnomon_trainer.domain.reviews import Answer, Decision, Item, Reason, Said, Signals
from tests.databases import ENGINES, trainer_database
from tests.trainer.fake_reviews import FakeReviewStore
from tests.trainer.fakes import FakeStores
from tests.trainer.things import draft, new_review

FIRST = ReviewName("train", "first")
ITEMS = [
    Item(7, 1, Reason.LABEL_NOISE, Signals("true", "false", 0.1, 0.9, 0.8)),
    Item(3, 2, Reason.JUDGE_DISAGREEMENT, Signals("true", judge_label="false", judge_share=0.25)),
    Item(5, 3, Reason.NO_SIGNAL, Signals("false")),
]


class SqlStores:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.datasets = SqlDatasetStore(self.database)
        self.reviews = SqlReviewStore(self.database)


@pytest.fixture(params=["fake", *ENGINES])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "fake":
        yield fake_stores()
    else:
        stores = filled(trainer_database(request.param, request, tmp_path))
        yield stores
        stores.database.close()


def fake_stores() -> Any:
    stores: Any = FakeStores()
    stores.reviews = FakeReviewStore(stores)
    stores.datasets.add([draft("train")], None, 1.0)
    return stores


def sql_stores(path: Path) -> SqlStores:
    database = Database(f"sqlite:///{path}")
    database.migrate()
    return filled(database)


def filled(database: Database) -> SqlStores:
    stores = SqlStores(database)
    stores.datasets.add([draft("train")], None, 1.0)
    return stores


@pytest.fixture
def reviews(stores: Any) -> Any:
    stores.reviews.create(new_review(), ITEMS, None)
    return stores.reviews


def said(row: int, label: str = "true", reviewer: str = "ann", **fields: Any) -> Said:
    return Said(row, reviewer, Answer.LABEL if label else Answer.UNSURE, label, **fields)


def handed(reviews: Any, reviewer: str = "ann", count: int = 1, now: float = 10.0) -> list[int]:
    given = reviews.hand_out(FIRST, reviewer, count, now=now, hold_s=5.0)
    return [item.row for item in given.items]


def test_a_review_comes_back_as_it_was_stored(stores: Any) -> None:
    stored = stores.reviews.create(new_review(), ITEMS, None)

    assert stored == stores.reviews.get(FIRST)
    progress = stores.reviews.progress(FIRST)
    assert (progress.review, list(progress.items), list(progress.live)) == (stored, ITEMS, [])
    assert stores.reviews.item(FIRST, 3) == ITEMS[1]


def test_what_is_not_there_is_not_found(stores: Any, reviews: Any) -> None:
    absent = ReviewName("train", "absent")
    for ask in (reviews.get, reviews.progress, lambda name: reviews.record(name, said(7), None, 1.0)):
        with pytest.raises(NotFoundError):
            ask(absent)
    with pytest.raises(NotFoundError):
        reviews.record(FIRST, said(8), None, 1.0)
    stores.datasets.delete("train", 2.0)
    with pytest.raises(NotFoundError):
        reviews.create(new_review("second"), ITEMS, None)


def test_a_review_is_made_once_for_a_request_and_its_id_is_taken(stores: Any) -> None:
    request = Request("17", "body")
    assert stores.reviews.replayed(request) is None
    first = stores.reviews.create(new_review(), ITEMS, request)

    assert stores.reviews.create(new_review(), ITEMS, request) == first == stores.reviews.replayed(request)
    with pytest.raises(RequestIdReusedError):
        stores.reviews.create(new_review(), ITEMS, Request("17", "other"))
    with pytest.raises(AlreadyExistsError):
        stores.reviews.create(new_review(), ITEMS, None)


def test_reviews_are_paged_newest_first(stores: Any) -> None:
    stores.datasets.add([draft("other")], None, 1.0)
    for dataset, review in (("train", "a"), ("other", "b"), ("train", "c")):
        stores.reviews.create(new_review(review, dataset=dataset), [], None)

    newest = stores.reviews.page(None, None, 2)

    assert [review.review for review in newest] == ["c", "b"]
    assert [review.review for review in stores.reviews.page(None, newest[-1].number, 2)] == ["a"]
    assert [review.review for review in stores.reviews.page("train", None, 9)] == ["c", "a"]


def test_a_row_is_held_for_whom_it_was_handed_to_until_the_time_is_over(reviews: Any) -> None:
    assert handed(reviews, "ann", 2) == [7, 3]
    assert handed(reviews, "ben", 2) == [5]
    assert handed(reviews, "ann", 3) == [7, 3]
    assert handed(reviews, "ben", 3, now=15.0) == [7, 3, 5]


def test_a_decision_frees_what_its_maker_held(reviews: Any) -> None:
    handed(reviews, "ann", 1)
    reviews.record(FIRST, Said(7, "ann", Answer.SKIP), None, 11.0)

    assert handed(reviews, "ben", 1) == [7]
    assert reviews.hand_out(FIRST, "ann", 9, now=11.0, hold_s=1.0).left == 2


@pytest.mark.parametrize("per_row", [1, 2])
def test_both_stores_hand_out_the_same_rows_whatever_happened(tmp_path: Path, per_row: int) -> None:
    chance, clock = random.Random(per_row), itertools.count()
    both = [sql_stores(tmp_path / "trainer.db"), fake_stores()]
    for stores in both:
        stores.reviews.create(new_review(reviewers_per_row=per_row), ITEMS, None)
    outcomes = Counter[str]()
    for now in itertools.islice(clock, 400):
        reviewer, row = chance.choice(["ann", "ben", "cleo"]), chance.choice([3, 5, 7])
        answer = chance.choice([*Answer])
        done = Said(row, reviewer, answer, "true" if answer is Answer.LABEL else "", chance.random() < 0.2)
        act = chance.choice(
            [
                lambda reviews, who=reviewer, at=now: reviews.hand_out(FIRST, who, 2, now=at, hold_s=4.0),
                lambda reviews, done=done, at=now: reviews.record(FIRST, done, None, float(at)),
                lambda reviews, who=reviewer, at=now: reviews.withdraw(FIRST, who, None, None, float(at)),
            ]
        )
        one, other = (attempt(act, stores.reviews) for stores in both)
        assert one == other
        outcomes[type(one).__name__] += 1
    both[0].database.close()

    assert min(outcomes[kind] for kind in ("HandedOut", "Decision")) > 50


def attempt(act: Callable[[Any], Any], reviews: Any) -> Any:
    """Return what a store answers; of its errors only the class, as those of two stores are not equal."""
    try:
        return act(reviews)
    except (InvalidRequestError, ReviewStateError) as error:
        return type(error)


MANY = [Item(row, row, Reason.NO_SIGNAL, Signals("true")) for row in range(1, 41)]


def test_who_finds_all_rows_taken_meanwhile_gets_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = sql_stores(tmp_path / "trainer.db")
    stores.reviews.create(new_review(item_count=40), MANY, None)
    write = stores.database.write

    def write_late() -> Any:
        monkeypatch.undo()
        assert handed(stores.reviews, "ben", 35) == [*range(1, 36)]
        return write()

    monkeypatch.setattr(stores.database, "write", write_late)
    given = stores.reviews.hand_out(FIRST, "ann", 2, now=10.0, hold_s=5.0)
    stores.database.close()

    assert [item.row for item in given.items] == [36, 37]
    assert given.left == 5


def test_a_long_queue_is_not_read_while_others_wait_to_write(tmp_path: Path) -> None:
    stores = sql_stores(tmp_path / "trainer.db")
    steps, writes = 0, False

    def count() -> None:
        nonlocal steps
        steps += writes

    def note(connection: Any) -> None:
        nonlocal writes
        writes = connection.get_execution_options().get(WRITE, False)

    def work(many: list[Item], review: str) -> int:
        stores.reviews.create(new_review(review, item_count=len(many)), many, None)
        before = steps
        stores.reviews.hand_out(ReviewName("train", review), "ann", 1, now=10.0, hold_s=5.0)
        return steps - before

    stores.database.engine.dispose()
    event.listen(
        stores.database.engine, "connect", lambda connection, _: connection.set_progress_handler(count, 10)
    )
    event.listen(stores.database.engine, "begin", note)
    few = work(MANY[:30], "few")
    many = work([replace(MANY[0], row=row, rank=row) for row in range(1, 3001)], "many")
    stores.database.close()

    assert 0 < many < 1.5 * few


def test_undo_does_not_read_all_that_a_person_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stores = sql_stores(tmp_path / "trainer.db")
    stores.reviews.create(new_review(item_count=40), MANY, None)
    for row in range(1, 41):
        stores.reviews.record(FIRST, said(row), None, 2.0)
    read, decision = Counter[int](), sql_reviews._decision

    def counted(row: Any) -> Decision:
        read[row.row] += 1
        return decision(row)

    monkeypatch.setattr(sql_reviews, "_decision", counted)

    assert stores.reviews.withdraw(FIRST, "ann", None, None, 3.0).row == 40
    assert read.keys() == {40}
    stores.database.close()


def test_decisions_are_numbered_kept_and_withdrawn(reviews: Any) -> None:
    first = reviews.record(FIRST, said(7), None, 1.0)
    second = reviews.record(FIRST, said(3, reviewer="ben"), None, 2.0)

    taken = reviews.withdraw(FIRST, "ann", None, None, 3.0)

    assert (taken.number, taken.withdraw_time) == (first.number, 3.0)
    assert list(reviews.decisions(FIRST, None, 0, 9)) == [taken, second]
    assert list(reviews.decisions(FIRST, "ben", 0, 9)) == [second]
    assert list(reviews.decisions(FIRST, None, first.number, 1)) == [second]
    assert list(reviews.progress(FIRST).live) == [second]
    assert reviews.get(FIRST).revision == 3


def test_requests_to_decide_and_to_withdraw_are_done_once(reviews: Any) -> None:
    decide, undo = Request("1", "body"), Request("2", "body")
    first = reviews.record(FIRST, said(7), decide, 1.0)
    assert reviews.record(FIRST, said(7), decide, 2.0) == first
    reviews.record(FIRST, said(3), None, 3.0)

    taken = reviews.withdraw(FIRST, "ann", None, undo, 4.0)

    assert reviews.withdraw(FIRST, "ann", None, undo, 5.0) == taken
    assert [decision.row for decision in reviews.progress(FIRST).live] == [7]
    with pytest.raises(RequestIdReusedError):
        reviews.record(FIRST, said(5), Request("1", "other"), 6.0)


def test_a_refused_decision_leaves_nothing(reviews: Any) -> None:
    reviews.record(FIRST, said(7), None, 1.0)
    before = reviews.progress(FIRST)

    with pytest.raises(ReviewStateError):
        reviews.record(FIRST, said(7, reviewer="ben"), Request("1", "body"), 2.0)

    assert reviews.progress(FIRST) == before
    assert reviews.record(FIRST, said(3), Request("1", "body"), 3.0).row == 3


def test_applying_stores_the_version_and_ends_the_review_once(stores: Any, reviews: Any) -> None:
    reviews.record(FIRST, said(7), None, 1.0)
    base, request = stores.datasets.get(DatasetName("train")), Request("9", "body")
    made = draft("train", "c" * 64, review=str(FIRST))

    dataset = reviews.apply(reviews.get(FIRST), base, made, request, 5.0)

    assert (dataset.version, dataset.review) == (2, str(FIRST))
    assert stores.datasets.get(DatasetName("train")) == dataset
    review = reviews.get(FIRST)
    assert (review.applied_version, review.apply_time) == (2, 5.0)
    assert reviews.apply(review, base, made, request, 6.0) == dataset
    assert stores.datasets.replayed(request) == (dataset,)
    for late in (
        lambda: reviews.apply(review, base, made, None, 7.0),
        lambda: reviews.record(FIRST, said(3), None, 7.0),
        lambda: reviews.withdraw(FIRST, "ann", None, None, 7.0),
        lambda: handed(reviews),
    ):
        with pytest.raises(ReviewStateError):
            late()


def test_a_review_is_not_applied_as_it_was_read_when_it_or_its_dataset_has_changed(
    stores: Any, reviews: Any
) -> None:
    read, base = reviews.get(FIRST), stores.datasets.get(DatasetName("train"))
    made = draft("train", "c" * 64)

    reviews.record(FIRST, said(7), None, 1.0)
    with pytest.raises(EtagMismatchError):
        reviews.apply(read, base, made, None, 2.0)
    stores.datasets.add([draft("train", "d" * 64)], None, 3.0)
    with pytest.raises(EtagMismatchError):
        reviews.apply(reviews.get(FIRST), base, made, None, 4.0)

    assert reviews.get(FIRST).applied_version is None
    assert stores.datasets.get(DatasetName("train")).version == 2


def test_datasets_of_an_earlier_release_were_made_by_no_review(tmp_path: Path) -> None:
    old = Database(f"sqlite:///{tmp_path / 'old.db'}")
    old.migrate("0001")
    with old.write() as connection:
        connection.execute(
            text(
                "INSERT INTO dataset_versions VALUES ('train', 1, 'metrics/toxicity', 'abc', '[]', 1, '{}', "
                "'[]', 1, 'rows.csv', '', 1.0, NULL)"
            )
        )
    old.migrate()

    assert SqlDatasetStore(old).get(DatasetName("train")).review == ""
    assert SqlReviewStore(old).page(None, None, 9) == []
    old.close()
