"""Which rows of a review are open to a person, in SQL."""

from typing import Any

from sqlalchemy import ColumnElement, Select, Table, exists, func, select, union

from gnomon_trainer.adapters.tables import review_decisions as said
from gnomon_trainer.adapters.tables import review_holds as holds
from gnomon_trainer.adapters.tables import review_items as items
from gnomon_trainer.domain.reviews import Answer, Review


def open_rows(review: Review, reviewer: str, now: float) -> Select[Any]:
    """Return the rows that `may_answer` allows to a person, in their order; `left` is how many there are.

    Long queues are read so: the rule itself takes half a second of Python over
    20,000 rows and their decisions.
    """
    live = said.c.withdraw_time.is_(None)
    own = exists().where(*_of_item(said), live, said.c.reviewer == reviewer).correlate(items)
    answered = select(said.c.reviewer).where(*_of_item(said), live, said.c.answer != Answer.SKIP)
    held = select(holds.c.reviewer).where(
        *_of_item(holds), holds.c.expires > now, holds.c.reviewer != reviewer
    )
    others = union(answered.correlate(items), held.correlate(items)).subquery()
    count = select(func.count()).select_from(others).correlate(items).scalar_subquery()
    return (
        select(items.c.row, func.count().over().label("left"))
        .where(items.c.review == review.number, ~own, count < review.reviewers_per_row)
        .order_by(items.c.rank)
    )


def _of_item(table: Table) -> tuple[ColumnElement[bool], ...]:
    return table.c.review == items.c.review, table.c.row == items.c.row
