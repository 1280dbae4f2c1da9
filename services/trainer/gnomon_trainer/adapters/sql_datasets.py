"""Datasets in SQL."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Connection, Row, and_, func, insert, or_, select, update

from gnomon.names import DatasetName
from gnomon_trainer.adapters import usage
from gnomon_trainer.adapters.database import Database
from gnomon_trainer.adapters.records import find_request, finding_from, keep_request
from gnomon_trainer.adapters.tables import dataset_versions as table
from gnomon_trainer.adapters.tables import paid_work, runs
from gnomon_trainer.domain.datasets import Dataset, DatasetDraft, Request, in_use, next_version, no_dataset
from gnomon_trainer.domain.findings import Finding
from gnomon_trainer.domain.paid_work import WorkState
from gnomon_trainer.domain.runs import RunState


class SqlDatasetStore:
    """A `DatasetStore` on SQLAlchemy."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replayed(self, request: Request) -> tuple[Dataset, ...] | None:
        with self._database.read() as connection:
            return _replayed(connection, request)

    def add(self, drafts: Sequence[DatasetDraft], request: Request | None, now: float) -> tuple[Dataset, ...]:
        with self._database.write() as connection:
            if request and (known := _replayed(connection, request)) is not None:
                return known
            stored = tuple(add_version(connection, draft, now) for draft in drafts)
            if request:
                keep_request(connection, request, [str(dataset.name) for dataset in stored], now)
            return stored

    def get(self, name: DatasetName, *, deleted: bool = False) -> Dataset:
        with self._database.read() as connection:
            return get_version(connection, name, deleted=deleted)

    def page(self, after: str | None, size: int) -> Sequence[Dataset]:
        newest = (
            select(table.c.dataset, func.max(table.c.version).label("version"))
            .where(table.c.delete_time.is_(None), table.c.dataset > (after or ""))
            .group_by(table.c.dataset)
            .order_by(table.c.dataset)
            .limit(size)
            .subquery()
        )
        query = select(table).join(
            newest, and_(table.c.dataset == newest.c.dataset, table.c.version == newest.c.version)
        )
        with self._database.read() as connection:
            return [_dataset(row) for row in connection.execute(query.order_by(table.c.dataset))]

    def keep_findings(self, name: DatasetName, findings: tuple[Finding, ...]) -> Dataset:
        with self._database.write() as connection:
            dataset = get_version(connection, name)
            connection.execute(
                update(table)
                .where(table.c.dataset == dataset.dataset, table.c.version == dataset.version)
                .values(findings=[asdict(entry) for entry in findings])
            )
        return replace(dataset, findings=findings)

    def delete(self, dataset: str, now: float) -> None:
        with self._database.write() as connection:
            get_version(connection, DatasetName(dataset))
            _check_unused(connection, dataset)
            connection.execute(
                update(table)
                .where(table.c.dataset == dataset, table.c.delete_time.is_(None))
                .values(delete_time=now)
            )

    def digests(self) -> frozenset[str]:
        with self._database.read() as connection:
            return frozenset(connection.execute(select(table.c.digest)).scalars())


def check_there(connection: Connection, name: DatasetName) -> None:
    """Raise NotFoundError if the dataset was deleted."""
    get_version(connection, name)


def _replayed(connection: Connection, request: Request) -> tuple[Dataset, ...] | None:
    names = find_request(connection, request)
    if names is None:
        return None
    return tuple(get_version(connection, DatasetName.parse(name), deleted=True) for name in names)


def add_version(connection: Connection, draft: DatasetDraft, now: float) -> Dataset:
    """Store a draft as `next_version` says, as part of a transaction."""
    newest = _newest(connection, draft.dataset)
    dataset = next_version(newest, draft, now)
    if dataset is not newest:
        connection.execute(insert(table).values(asdict(dataset)))
        usage.charge_dataset(connection, dataset)
    return dataset


def _newest(connection: Connection, dataset: str) -> Dataset | None:
    query = select(table).where(table.c.dataset == dataset).order_by(table.c.version.desc()).limit(1)
    row = connection.execute(query).first()
    return _dataset(row) if row else None


def get_version(connection: Connection, name: DatasetName, *, deleted: bool = False) -> Dataset:
    """Return a version as `SqlDatasetStore.get` does, as part of a transaction."""
    query = select(table).where(table.c.dataset == name.dataset)
    if name.version is not None:
        query = query.where(table.c.version == name.version)
    if not deleted:
        query = query.where(table.c.delete_time.is_(None))
    row = connection.execute(query.order_by(table.c.version.desc()).limit(1)).first()
    if row is None:
        raise no_dataset(name)
    return _dataset(row)


def _check_unused(connection: Connection, dataset: str) -> None:
    ended = [RunState.REGISTERED, RunState.FAILED, RunState.CANCELLED]
    needs_it = and_(
        or_(
            runs.c.training_set.startswith(f"datasets/{dataset}@", autoescape=True),
            runs.c.test_set.startswith(f"datasets/{dataset}@", autoescape=True),
        ),
        runs.c.state.not_in(ended),
        or_(runs.c.state != RunState.FINE_TUNED, runs.c.error.is_(None)),
    )
    row = connection.execute(select(runs.c.project, runs.c.run).where(needs_it).limit(1)).first()
    if row:
        raise in_use(dataset, f"projects/{row.project}/runs/{row.run}")
    under_way = paid_work.c.state.in_([WorkState.WORKING, WorkState.WAITING])
    named = paid_work.c.needs.contains(f"datasets/{dataset}@", autoescape=True)
    work = select(paid_work.c.kind, paid_work.c.work_id).where(under_way, named).limit(1)
    if row := connection.execute(work).first():
        raise in_use(dataset, f"{row.kind}/{row.work_id}")


def _dataset(row: Row[Any]) -> Dataset:
    values = dict(row._mapping)
    values["findings"] = tuple(map(finding_from, values["findings"]))
    values["extra_columns"] = tuple(values["extra_columns"])
    return Dataset(**values)
