"""The journal of paid answers in SQL."""

from sqlalchemy import insert, select, update

from gnomon_trainer.adapters.database import Database
from gnomon_trainer.adapters.tables import paid_answers as table
from gnomon_trainer.adapters.tables import paid_work
from gnomon_trainer.domain.chat import ChatAnswer
from gnomon_trainer.domain.chat_budget import Tokens
from gnomon_trainer.domain.paid_work import WorkState
from gnomon_trainer.domain.remembered_chat import answer_from, answer_to


class SqlJournal:
    """A `Journal` on SQLAlchemy."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def answer(self, uid: str, key: str) -> ChatAnswer | None:
        query = select(table.c.answer).where(table.c.uid == uid, table.c.key == key)
        with self._database.read() as connection:
            found = connection.execute(query).scalar()
        return None if found is None else answer_from(found)

    def keep(self, uid: str, subject: str, key: str, answer: ChatAnswer, spent: Tokens) -> None:
        counted = (
            update(paid_work)
            .where(paid_work.c.uid == uid)
            .values(
                input_tokens=paid_work.c.input_tokens + spent.input,
                output_tokens=paid_work.c.output_tokens + spent.output,
                crashes=0,  # who gets answers gets somewhere
            )
            .returning(paid_work.c.state)
        )
        known = select(table.c.key).where(table.c.uid == uid, table.c.key == key)
        with self._database.write() as connection:
            state = connection.execute(counted).scalar()
            if state in {None, WorkState.DONE} or connection.execute(known).first() is not None:
                return
            values = {"uid": uid, "key": key, "subject": subject, "answer": answer_to(answer)}
            connection.execute(insert(table).values(values))
