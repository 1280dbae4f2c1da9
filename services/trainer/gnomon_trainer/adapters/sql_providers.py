"""Providers in SQL."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from gnomon.names import ProviderName
from gnomon_trainer.adapters.database import Database
from gnomon_trainer.adapters.records import find_request, keep_request
from gnomon_trainer.adapters.tables import providers as table
from gnomon_trainer.domain.datasets import Request
from gnomon_trainer.domain.providers import Change, KeyState, Provider, no_provider, taken


class SqlProviderStore:
    """A `ProviderStore` on SQLAlchemy."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, provider: Provider, request: Request | None) -> Provider:
        with self._database.write() as connection:
            if request and (name := find_request(connection, request)) is not None:
                return _get(connection, ProviderName.parse(name))
            if _row(connection, provider.name) is not None:
                raise taken(provider.name)
            connection.execute(insert(table).values(asdict(provider)))
            if request:
                keep_request(connection, request, str(provider.name), provider.create_time)
        return provider

    def get(self, name: ProviderName) -> Provider:
        with self._database.read() as connection:
            return _get(connection, name)

    def page(self, after: str, size: int) -> Sequence[Provider]:
        query = select(table).where(table.c.provider > after).order_by(table.c.provider).limit(size)
        with self._database.read() as connection:
            return [_provider(row) for row in connection.execute(query)]

    def change(self, name: ProviderName, change: Change) -> Provider:
        with self._database.write() as connection:
            provider = _get(connection, name)
            changed = change(provider)
            if changed != provider:
                mine = table.c.provider == name.provider
                connection.execute(update(table).where(mine).values(asdict(changed)))
        return changed

    def delete(self, name: ProviderName) -> None:
        with self._database.write() as connection:
            _get(connection, name)
            connection.execute(delete(table).where(table.c.provider == name.provider))


def _row(connection: Connection, name: ProviderName) -> Row[Any] | None:
    return connection.execute(select(table).where(table.c.provider == name.provider)).first()


def _get(connection: Connection, name: ProviderName) -> Provider:
    row = _row(connection, name)
    if row is None:
        raise no_provider(name)
    return _provider(row)


def _provider(row: Row[Any]) -> Provider:
    return Provider(**{**row._mapping, "key_state": KeyState(row.key_state)})
