"""Reviews in SQL."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Insert, Row, Select, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from gnomon.names import DatasetName, ReviewName
from gnomon_trainer.adapters import sql_datasets
from gnomon_trainer.adapters.database import Database
from gnomon_trainer.adapters.records import find_request, keep_request
from gnomon_trainer.adapters.sql_review_queue import open_rows
from gnomon_trainer.adapters.tables import review_decisions as said_table
from gnomon_trainer.adapters.tables import review_holds as holds
from gnomon_trainer.adapters.tables import review_items as items_table
from gnomon_trainer.adapters.tables import reviews as table
from gnomon_trainer.domain import reviews as rules
from gnomon_trainer.domain.datasets import Dataset, DatasetDraft, Request
from gnomon_trainer.domain.review_agreement import Progress
from gnomon_trainer.domain.review_store import HandedOut, check_applicable, rows_left
from gnomon_trainer.domain.reviews import Answer, Decision, Item, Order, Reason, Review, Said, Signals

_SPARE_ROWS = 20


class SqlReviewStore:
    """A `ReviewStore` on SQLAlchemy."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replayed(self, request: Request) -> Review | None:
        with self._database.read() as connection:
            return _replayed(connection, request)

    def create(self, review: Review, items: Sequence[Item], request: Request | None) -> Review:
        values = asdict(review)
        del values["number"]
        with self._database.write() as connection:
            if request and (known := _replayed(connection, request)):
                return known
            sql_datasets.check_there(connection, review.reviewed)
            try:
                number = _inserted(connection, insert(table).values(values))
            except IntegrityError as error:
                raise rules.taken(review.name) from error
            if items:
                connection.execute(insert(items_table), [_item_values(number, item) for item in items])
            if request:
                keep_request(connection, request, str(review.name), review.create_time)
        return replace(review, number=number)

    def get(self, name: ReviewName) -> Review:
        with self._database.read() as connection:
            return _get(connection, name)

    def page(self, dataset: str | None, before: int | None, size: int) -> Sequence[Review]:
        query = select(table).order_by(table.c.number.desc()).limit(size)
        if dataset is not None:
            query = query.where(table.c.dataset == dataset)
        if before is not None:
            query = query.where(table.c.number < before)
        with self._database.read() as connection:
            return [_review(row) for row in connection.execute(query)]

    def progress(self, name: ReviewName) -> Progress:
        with self._database.read() as connection:
            return _progress(connection, _get(connection, name))

    def item(self, name: ReviewName, row: int) -> Item:
        with self._database.read() as connection:
            return _item_of(connection, _get(connection, name), row)

    def hand_out(
        self, name: ReviewName, reviewer: str, count: int, *, now: float, hold_s: float
    ) -> HandedOut:
        while True:
            with self._database.read() as connection:
                review = _get(connection, name)
                rules.check_open(review)
                # Nobody waits while a long queue is read; a few more, as others may take some meanwhile.
                query = open_rows(review, reviewer, now).limit(count + _SPARE_ROWS)
                found = connection.execute(query).all()
            if not found:
                return HandedOut((), 0)
            with self._database.write() as connection:
                free = _still_free(connection, name, [row.row for row in found], reviewer, now)
                for row in free[:count]:
                    _hold(connection, review, row, reviewer, now + hold_s)
                items = tuple(_item_of(connection, review, row) for row in free[:count])
            if items:
                return HandedOut(items, found[0].left)

    def record(self, name: ReviewName, said: Said, request: Request | None, now: float) -> Decision:
        with self._database.write() as connection:
            if request and (known := find_request(connection, request)) is not None:
                return _decision_numbered(connection, known)
            review = _get(connection, name)
            _item_of(connection, review, said.row)
            rules.check_said(review, _live(connection, review, said_table.c.row == said.row), said)
            values = asdict(said) | {"review": review.number, "create_time": now}
            number = _inserted(connection, insert(said_table).values(values))
            connection.execute(
                delete(holds).where(
                    holds.c.review == review.number,
                    holds.c.row == said.row,
                    holds.c.reviewer == said.reviewer,
                )
            )
            _touch(connection, review, request, number, now)
            return _decision_numbered(connection, number)

    def withdraw(
        self, name: ReviewName, reviewer: str, row: int | None, request: Request | None, now: float
    ) -> Decision:
        with self._database.write() as connection:
            if request and (known := find_request(connection, request)) is not None:
                return _decision_numbered(connection, known)
            review = _get(connection, name)
            newest = said_table.c.number == _newest(review, reviewer, row).scalar_subquery()
            decision = rules.to_withdraw(review, _live(connection, review, newest), row)
            of_row = _live(connection, review, said_table.c.row == decision.row)
            rules.check_withdrawal(review, of_row, decision)
            connection.execute(
                update(said_table).where(said_table.c.number == decision.number).values(withdraw_time=now)
            )
            _touch(connection, review, request, decision.number, now)
            return replace(decision, withdraw_time=now)

    def decisions(self, name: ReviewName, reviewer: str | None, after: int, size: int) -> Sequence[Decision]:
        with self._database.read() as connection:
            query = select(said_table).where(
                said_table.c.review == _get(connection, name).number, said_table.c.number > after
            )
            if reviewer is not None:
                query = query.where(said_table.c.reviewer == reviewer)
            rows = connection.execute(query.order_by(said_table.c.number).limit(size))
            return [_decision(row) for row in rows]

    def apply(
        self, review: Review, base: Dataset, draft: DatasetDraft, request: Request | None, now: float
    ) -> Dataset:
        with self._database.write() as connection:
            if request and (known := find_request(connection, request)) is not None:
                return sql_datasets.get_version(connection, DatasetName.parse(known[0]), deleted=True)
            newest = sql_datasets.get_version(connection, DatasetName(review.dataset))
            check_applicable(review, _get(connection, review.name), base, newest)
            dataset = sql_datasets.add_version(connection, draft, now)
            connection.execute(
                update(table)
                .where(table.c.number == review.number)
                .values(applied_version=dataset.version, apply_time=now, revision=review.revision + 1)
            )
            if request:
                keep_request(connection, request, [str(dataset.name)], now)
        return dataset


def _replayed(connection: Connection, request: Request) -> Review | None:
    name = find_request(connection, request)
    return None if name is None else _get(connection, ReviewName.parse(name))


def _get(connection: Connection, name: ReviewName) -> Review:
    query = select(table).where(table.c.dataset == name.dataset, table.c.review == name.review)
    row = connection.execute(query).first()
    if row is None:
        raise rules.no_review(name)
    return _review(row)


def _progress(connection: Connection, review: Review) -> Progress:
    query = select(items_table).where(items_table.c.review == review.number).order_by(items_table.c.rank)
    items = [_item(row) for row in connection.execute(query)]
    return Progress(review, items, _live(connection, review))


def _still_free(
    connection: Connection, name: ReviewName, rows: Sequence[int], reviewer: str, now: float
) -> list[int]:
    """Return those of a few rows that a person may still be handed."""
    review = _get(connection, name)
    query = select(holds.c.row, holds.c.reviewer).where(
        holds.c.review == review.number, holds.c.expires > now, holds.c.row.in_(rows)
    )
    held = [(row.row, row.reviewer) for row in connection.execute(query)]
    return rows_left(
        review, rows, _live(connection, review, said_table.c.row.in_(rows)), held, reviewer=reviewer
    )


def _hold(connection: Connection, review: Review, row: int, reviewer: str, expires: float) -> None:
    mine = (holds.c.review == review.number, holds.c.row == row, holds.c.reviewer == reviewer)
    connection.execute(delete(holds).where(*mine))
    values = {"review": review.number, "row": row, "reviewer": reviewer, "expires": expires}
    connection.execute(insert(holds).values(values))


def _item_of(connection: Connection, review: Review, row: int) -> Item:
    query = select(items_table).where(items_table.c.review == review.number, items_table.c.row == row)
    found = connection.execute(query).first()
    if found is None:
        raise rules.no_item(review, row)
    return _item(found)


def _live(connection: Connection, review: Review, *only: ColumnElement[bool]) -> list[Decision]:
    query = select(said_table).where(
        said_table.c.review == review.number, said_table.c.withdraw_time.is_(None), *only
    )
    return [_decision(row) for row in connection.execute(query.order_by(said_table.c.number))]


def _newest(review: Review, reviewer: str, row: int | None) -> Select[Any]:
    """Return the number of a person's newest decision that stands, on a row if one is named."""
    query = select(func.max(said_table.c.number)).where(
        said_table.c.review == review.number,
        said_table.c.reviewer == reviewer,
        said_table.c.withdraw_time.is_(None),
    )
    return query if row is None else query.where(said_table.c.row == row)


def _decision_numbered(connection: Connection, number: int) -> Decision:
    return _decision(connection.execute(select(said_table).where(said_table.c.number == number)).one())


def _touch(connection: Connection, review: Review, request: Request | None, answer: int, now: float) -> None:
    """Count a change of the review, and keep the answer of its request."""
    changed = update(table).where(table.c.number == review.number).values(revision=review.revision + 1)
    connection.execute(changed)
    if request:
        keep_request(connection, request, answer, now)


def _inserted(connection: Connection, statement: Insert) -> int:
    """Insert a row; return the number that the database gave it."""
    key = connection.execute(statement).inserted_primary_key
    assert key is not None
    return int(key[0])


def _item_values(number: int, item: Item) -> dict[str, Any]:
    return asdict(item) | {"review": number}


def _item(row: Row[Any]) -> Item:
    return Item(row.row, row.rank, Reason(row.reason), Signals(**row.signals))


def _decision(row: Row[Any]) -> Decision:
    values = dict(row._mapping)
    del values["review"]
    return Decision(**{**values, "answer": Answer(values["answer"])})


def _review(row: Row[Any]) -> Review:
    values = dict(row._mapping)
    return Review(**{**values, "classes": tuple(values["classes"]), "order": Order(values["order"])})
