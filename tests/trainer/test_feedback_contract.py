"""What every store of feedback promises: the fake, SQLite and PostgreSQL."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from gnomon.errors import AlreadyExistsError, InvalidRequestError, RequestIdReusedError, Violation
from gnomon_trainer.adapters.database import Database
from gnomon_trainer.adapters.sql_feedback import SqlFeedbackStore
from gnomon_trainer.domain.datasets import Request
from gnomon_trainer.domain.feedback import Feedback, FeedbackDraft, FeedbackStore
from tests.databases import ENGINES, trainer_database
from tests.trainer.fake_feedback import FakeFeedbackStore
from tests.trainer.fakes import FakeStores

METRIC = "metrics/toxicity"
REQUEST = Request("4b5e8c1e-5a0f-4f0e-9a59-0d7f2c7a0b11", "body")


@pytest.fixture(params=["fake", *ENGINES])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FeedbackStore]:
    if request.param == "fake":
        yield FakeFeedbackStore(FakeStores())
        return
    database = trainer_database(request.param, request, tmp_path)
    yield SqlFeedbackStore(database, secrets.token_bytes)
    database.close()


def draft(text: int = 1, label: str = "true", **fields: Any) -> FeedbackDraft:
    return (
        FeedbackDraft(
            metric=METRIC,
            version=3,
            cells={"input": f"text {text}", "documents": ["one", {"id": "2", "content": "two"}]},
            text=text,
            label=label,
            score_label="false",
            score_probability=0.8,
            reviewer="ann",
            review_time=None,
            comment="Why not?",
            external_id="",
        )
        if not fields
        else replace(draft(text, label), **fields)
    )


def add(store: FeedbackStore, *drafts: Any, now: float = 5.0, share: float = 0.2) -> Any:
    return store.add(drafts, None, now, share)


def test_feedback_comes_back_as_it_was_stored(store: FeedbackStore) -> None:
    (said,) = add(store, draft(2**62))

    assert store.all(METRIC) == [said]
    assert store.all("metrics/other") == []
    assert (said.metric_version, said.text, said.score_probability) == (f"{METRIC}/versions/3", 2**62, 0.8)
    assert (said.create_time, said.review_time) == (5.0, 5.0)
    assert said.cells == draft().cells | {"input": f"text {2**62}"}


def test_a_time_of_review_that_is_given_is_kept(store: FeedbackStore) -> None:
    (said,) = add(store, draft(review_time=2.5))
    assert (said.review_time, said.create_time) == (2.5, 5.0)


def test_errors_among_the_drafts_are_handed_through_in_their_places(store: FeedbackStore) -> None:
    error = InvalidRequestError("No.")
    first, second, third = add(store, draft(1), error, draft(2))

    assert second is error
    assert store.all(METRIC) == [first, third]


def test_a_replayed_request_stores_nothing_and_answers_the_same(store: FeedbackStore) -> None:
    error = InvalidRequestError("No.", violations=[Violation("label", "must be known")], resource="x")
    assert store.replayed(REQUEST) is None
    first = store.add([draft(), error], REQUEST, 1.0, 0.2)

    for again in (store.add([draft(), error], REQUEST, 2.0, 0.2), store.replayed(REQUEST)):
        assert again is not None
        assert again[0] == first[0]
        assert isinstance(again[1], InvalidRequestError)
        assert (again[1].message, again[1].violations) == (error.message, error.violations)
        assert again[1].metadata == {"resource": "x"}
    assert len(store.all(METRIC)) == 1
    with pytest.raises(RequestIdReusedError):
        store.replayed(Request(REQUEST.request_id, "another"))


def test_an_external_id_is_stored_once_even_within_a_batch(store: FeedbackStore) -> None:
    same, other = draft(external_id="7"), draft(external_id="7", label="false")
    first, again, refused = add(store, same, same, other)

    assert again == first
    assert isinstance(refused, AlreadyExistsError)
    assert len(store.all(METRIC)) == 1
    (elsewhere,) = add(store, replace(other, metric="metrics/other"))
    assert isinstance(elsewhere, Feedback)


def test_pages_go_from_the_newest_to_the_oldest(store: FeedbackStore) -> None:
    add(store, *map(draft, range(5)))

    first = store.page(METRIC, None, 3)
    rest = store.page(METRIC, first[-1].number, 3)

    assert [said.text for said in (*first, *rest)] == [4, 3, 2, 1, 0]


@pytest.mark.parametrize("batch", [1, 100])
def test_a_share_of_the_texts_of_each_class_is_held_out_whatever_the_batches(
    store: FeedbackStore, batch: int
) -> None:
    drafts = [draft(n, "true" if n % 4 else "false") for n in range(100)]
    for start in range(0, 100, batch):
        add(store, *drafts[start : start + batch])

    held_out = [said for said in store.all(METRIC) if said.held_out]

    assert sum(said.label == "true" for said in held_out) == 15
    assert sum(said.label == "false" for said in held_out) == 5


def test_a_text_keeps_its_side_whatever_is_said_of_it_later(store: FeedbackStore) -> None:
    add(store, *map(draft, range(20)))
    add(store, *(draft(n, "false") for n in range(20)), share=0.9)
    sides: dict[int, set[bool]] = {}
    for said in store.all(METRIC):
        sides.setdefault(said.text, set()).add(said.held_out)

    assert all(len(side) == 1 for side in sides.values())
    assert sum(True in side for side in sides.values()) == 4


def test_recording_takes_no_more_work_the_more_was_recorded(tmp_path: Path) -> None:
    database, steps = Database(f"sqlite:///{tmp_path / 'trainer.db'}"), 0

    def count() -> None:
        nonlocal steps
        steps += 1

    event.listen(database.engine, "connect", lambda connection, _: connection.set_progress_handler(count, 10))
    database.migrate()
    store = SqlFeedbackStore(database, secrets.token_bytes)

    def work(first: int) -> int:
        before = steps
        add(store, *map(draft, range(first, first + 50)))
        return steps - before

    add(store, draft(0))
    of_few = work(1)
    add(store, *map(draft, range(1_000, 2_000)))
    add(store, draft(2_000))  # what others added since is counted once
    of_many = work(5_000)
    database.close()

    assert of_many < 1.5 * of_few


def test_texts_that_another_process_recorded_count_for_the_share(tmp_path: Path) -> None:
    one, other = (Database(f"sqlite:///{tmp_path / 'trainer.db'}") for _ in range(2))
    one.migrate()
    stores = [SqlFeedbackStore(database, secrets.token_bytes) for database in (one, other)]
    for n in range(100):
        add(stores[n % 2], draft(n))
    held_out = [said for said in stores[0].all(METRIC) if said.held_out]
    one.close()
    other.close()

    assert len(held_out) == 20


def test_texts_that_were_not_stored_in_the_end_count_for_nothing(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'trainer.db'}")
    database.migrate()
    store = SqlFeedbackStore(database, secrets.token_bytes)
    for n in range(50):
        with pytest.raises(TypeError):
            add(store, draft(n), draft(1_000, cells={"input": object()}))
        add(store, draft(n))
    held_out = [said for said in store.all(METRIC) if said.held_out]
    database.close()

    assert len(held_out) == 10
