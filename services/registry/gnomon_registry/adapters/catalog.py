"""The catalog in a SQL database."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, delete, func, insert, or_, select, update

from gnomon.names import AliasName, MetricName, ProjectName
from gnomon_registry.adapters import rows
from gnomon_registry.adapters.api_key_rows import from_api_key, to_api_key
from gnomon_registry.adapters.database import Database
from gnomon_registry.adapters.schema import (
    aliases,
    answered_requests,
    api_keys,
    blob_owners,
    changes,
    metric_versions,
    metrics,
    projects,
    webhook_deliveries,
    webhooks,
)
from gnomon_registry.domain.api_key import ApiKey
from gnomon_registry.domain.entities import Alias, Answered, BlobOwner, Change, Metric, MetricVersion, Project
from gnomon_registry.domain.ports import CatalogSizes


class SqlCatalog:
    """Implements `CatalogStore`.

    `on_commit` is called after every transaction that may have written, in the
    thread that wrote.
    """

    def __init__(self, database: Database, on_commit: Callable[[], None]) -> None:
        self._database = database
        self._on_commit = on_commit

    @contextlib.contextmanager
    def reading(self) -> Iterator["SqlReader"]:
        with self._database.read() as connection:
            yield SqlReader(connection)

    @contextlib.contextmanager
    def writing(self) -> Iterator["SqlWriter"]:
        with self._database.write() as connection:
            yield SqlWriter(connection)
        self._on_commit()

    def last_change(self) -> int:
        with self.reading() as catalog:
            return catalog.last_change()

    def sizes(self) -> CatalogSizes:
        with self.reading() as catalog:
            return catalog.sizes()


class SqlReader:
    """Implements `CatalogReader` on an open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _one(self, table: Table, *where: ColumnElement[bool]) -> Any:
        return self._connection.execute(select(table).where(*where)).one_or_none()

    def project(self, name: ProjectName) -> Project | None:
        row = self._one(projects, projects.c.project == name.project)
        return row and rows.to_project(row)

    def projects(self, after: str, limit: int) -> list[Project]:
        key = projects.c.project
        found = self._connection.execute(select(projects).where(key > after).order_by(key).limit(limit))
        return [rows.to_project(row) for row in found]

    def metric(self, name: MetricName) -> Metric | None:
        row = self._one(metrics, metrics.c.metric == name.metric)
        return row and rows.to_metric(row)

    def metrics(self, after: str, limit: int) -> list[Metric]:
        key = metrics.c.metric
        found = self._connection.execute(select(metrics).where(key > after).order_by(key).limit(limit))
        return [rows.to_metric(row) for row in found]

    def version(self, metric: str, number: int) -> MetricVersion | None:
        t = metric_versions.c
        row = self._one(metric_versions, t.metric == metric, t.number == number)
        return row and rows.to_version(row, self._aliases_by_number(metric).get(number, ()))

    def versions_newest_first(
        self, metric: str, before: int | None, limit: int, show_deleted: bool
    ) -> list[MetricVersion]:
        t = metric_versions.c
        query = select(metric_versions).where(t.metric == metric).order_by(t.number.desc()).limit(limit)
        if before is not None:
            query = query.where(t.number < before)
        if not show_deleted:
            query = query.where(t.delete_time.is_(None))
        pointing = self._aliases_by_number(metric)
        return [rows.to_version(row, pointing.get(row.number, ())) for row in self._connection.execute(query)]

    def _aliases_by_number(self, metric: str) -> dict[int, tuple[str, ...]]:
        pointing: dict[int, tuple[str, ...]] = {}
        for alias in self.aliases(metric, "", None):
            pointing[alias.number] = (*pointing.get(alias.number, ()), alias.name.alias)
        return pointing

    def live_versions(self) -> list[tuple[str, int]]:
        t = metric_versions.c
        query = select(t.metric, t.number).where(t.delete_time.is_(None)).order_by(t.metric, t.number)
        return [(row.metric, row.number) for row in self._connection.execute(query)]

    def needed(self, deleted_after: datetime) -> set[str]:
        t = metric_versions.c
        kept = or_(t.delete_time.is_(None), t.delete_time > deleted_after)
        digests: set[str] = set()
        for row in self._connection.execute(select(t.digest, t.files).where(kept)):
            digests.add(row.digest)
            digests.update(sha256 for _, sha256, _ in row.files)
        return digests

    def last_number(self, metric: str) -> int:
        t = metric_versions.c
        return self._number(select(func.max(t.number)).where(t.metric == metric))

    def alias(self, name: AliasName) -> Alias | None:
        row = self._one(aliases, aliases.c.metric == name.metric, aliases.c.alias == name.alias)
        return row and rows.to_alias(row)

    def aliases(self, metric: str | None, after: str, limit: int | None) -> list[Alias]:
        t = aliases.c
        query = select(aliases).where(t.alias > after).order_by(t.metric, t.alias).limit(limit)
        if metric is not None:
            query = query.where(t.metric == metric)
        return [rows.to_alias(row) for row in self._connection.execute(query)]

    def changes(self, after: int, limit: int) -> list[Change]:
        query = select(changes).where(changes.c.id > after).order_by(changes.c.id).limit(limit)
        return [rows.to_change(row) for row in self._connection.execute(query)]

    def last_change(self) -> int:
        return self._number(select(func.max(changes.c.id)))

    def alias_changes_newest_first(self, name: AliasName, before: int | None, limit: int) -> list[Change]:
        t = changes.c
        query = select(changes).where(t.metric == name.metric, t.alias == name.alias)
        if before is not None:
            query = query.where(t.id < before)
        found = self._connection.execute(query.order_by(t.id.desc()).limit(limit))
        return [rows.to_change(row) for row in found]

    def answered(self, request_id: str) -> Answered | None:
        row = self._one(answered_requests, answered_requests.c.request_id == request_id)
        return row and Answered(row.request_id, row.body, row.resource)

    def api_key(self, key_id: str) -> ApiKey | None:
        row = self._one(api_keys, api_keys.c.api_key == key_id)
        return row and to_api_key(row)

    def api_keys(self, after: str, limit: int) -> list[ApiKey]:
        key = api_keys.c.api_key
        found = self._connection.execute(select(api_keys).where(key > after).order_by(key).limit(limit))
        return [to_api_key(row) for row in found]

    def sizes(self) -> CatalogSizes:
        def count(table: Table, *where: ColumnElement[bool]) -> int:
            return self._number(select(func.count()).select_from(table).where(*where))

        return CatalogSizes(
            projects=count(projects),
            metrics=count(metrics),
            versions=count(metric_versions, metric_versions.c.delete_time.is_(None)),
            versions_published=count(metric_versions),
            aliases=count(aliases),
            last_change=self.last_change(),
            paused_webhooks=count(webhooks, webhooks.c.pause_cause.is_not(None)),
            waiting_deliveries=count(webhook_deliveries, webhook_deliveries.c.due_time.is_not(None)),
        )

    def blob_owner(self, sha256: str) -> BlobOwner | None:
        row = self._one(blob_owners, blob_owners.c.sha256 == sha256)
        return row and BlobOwner(row.api_key, row.size_bytes)

    def owned_blobs(self) -> list[str]:
        return list(self._connection.execute(select(blob_owners.c.sha256)).scalars())

    def stored_bytes(self, api_key: str) -> int:
        c = blob_owners.c
        return self._number(select(func.sum(c.size_bytes)).where(c.api_key == api_key))

    def _number(self, query: Select[Any]) -> int:
        return self._connection.execute(query).scalar_one() or 0


class SqlWriter(SqlReader):
    """Implements `CatalogWriter`."""

    def _put(self, table: Table, values: rows.Values) -> None:
        """Insert, or overwrite the row with the same primary key. There is no other writer meanwhile."""
        same = [column == values[column.name] for column in table.primary_key.columns]
        if self._connection.execute(update(table).where(*same).values(values)).rowcount == 0:
            self._connection.execute(insert(table).values(values))

    def check_alone(self) -> None:
        self._connection.exec_driver_sql("SELECT 1")  # fails where the server has ended the transaction

    def put_project(self, project: Project) -> None:
        self._put(projects, rows.from_project(project))

    def remove_project(self, name: ProjectName) -> None:
        self._connection.execute(delete(projects).where(projects.c.project == name.project))

    def put_metric(self, metric: Metric) -> None:
        self._put(metrics, rows.from_metric(metric))

    def remove_metric(self, name: MetricName) -> None:
        self._connection.execute(delete(metrics).where(metrics.c.metric == name.metric))

    def add_version(self, version: MetricVersion) -> None:
        self._connection.execute(insert(metric_versions).values(rows.from_version(version)))

    def set_delete_time(self, metric: str, number: int, delete_time: datetime | None) -> None:
        t = metric_versions.c
        where = (t.metric == metric, t.number == number)
        self._connection.execute(update(metric_versions).where(*where).values(delete_time=delete_time))

    def put_alias(self, alias: Alias) -> None:
        self._put(aliases, rows.from_alias(alias))

    def remove_alias(self, name: AliasName) -> None:
        t = aliases.c
        self._connection.execute(delete(aliases).where(t.metric == name.metric, t.alias == name.alias))

    def log(self, change: Change) -> None:
        self._connection.execute(insert(changes).values(rows.from_change(change)))

    def remember(self, answered: Answered) -> None:
        values = {"request_id": answered.request_id, "body": answered.body, "resource": answered.resource}
        self._connection.execute(insert(answered_requests).values(values))

    def put_api_key(self, key: ApiKey) -> None:
        self._put(api_keys, from_api_key(key))

    def put_blob_owner(self, sha256: str, owner: BlobOwner) -> None:
        values = {"sha256": sha256, "api_key": owner.api_key, "size_bytes": owner.size_bytes}
        self._put(blob_owners, values)

    def remove_blob_owner(self, sha256: str) -> None:
        self._connection.execute(delete(blob_owners).where(blob_owners.c.sha256 == sha256))
