"""What API keys use of the trainer: bytes of datasets, and hours of workers.

Written in the transactions that store datasets and runs and that lease work, so
that nothing is counted twice and nothing that was undone is. What nobody with a
key created is nobody's.
"""

from collections.abc import Callable

from sqlalchemy import Connection, and_, func, insert, select, update

from gnomon.names import ApiKeyName
from gnomon.quotas import DAYS, Usage, check_storage, check_training
from gnomon_rpc import caller
from gnomon_trainer.adapters.database import Database
from gnomon_trainer.adapters.tables import dataset_owners, dataset_versions, run_owners, worker_times
from gnomon_trainer.domain.datasets import Dataset

_WINDOW_S = DAYS * 86_400.0
_HOUR_S = 3600.0


class SqlUsage:
    """Tells what a key uses; see `gnomon_rpc.usage_service`."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def of(self, key: ApiKeyName) -> Usage:
        with self._database.read() as connection:
            hours = _hours(connection, str(key), self._clock())
            return Usage(storage_bytes=_stored_bytes(connection, str(key)), training_hours=hours)


def charge_dataset(connection: Connection, dataset: Dataset) -> None:
    """Count a version that is stored in this transaction for the key that calls.

    Raises:
        QuotaExceededError: it is more than the key may store.
    """
    who = caller.current()
    if who.is_local:
        return
    check_storage(who.quotas, _stored_bytes(connection, who.name), dataset.size_bytes, who.name)
    owner = {"dataset": dataset.dataset, "version": dataset.version, "api_key": who.name}
    connection.execute(insert(dataset_owners).values(owner))


def charge_run(connection: Connection, uid: str, now: float) -> None:
    """Count the work on a run, which is stored in this transaction, for the key that calls.

    Raises:
        QuotaExceededError: the key's hours are used up.
    """
    who = caller.current()
    if who.is_local:
        return
    check_training(who.quotas, _hours(connection, who.name, now), who.name)
    connection.execute(insert(run_owners).values(uid=uid, api_key=who.name))


def begin_work(connection: Connection, uid: str, fence: int, now: float) -> None:
    """A worker begins with a run; nothing happens if the run is nobody's."""
    owned = select(run_owners.c.uid).where(run_owners.c.uid == uid)
    if connection.execute(owned).first() is not None:
        times = {"uid": uid, "fence": fence, "start_time": now, "last_time": now}
        connection.execute(insert(worker_times).values(times))


def go_on(connection: Connection, uid: str, fence: int, now: float) -> None:
    """A worker still has a run, or is done with it. A clock that went back takes nothing away."""
    this = and_(worker_times.c.uid == uid, worker_times.c.fence == fence, worker_times.c.last_time < now)
    connection.execute(update(worker_times).where(this).values(last_time=now))


def _stored_bytes(connection: Connection, key: str) -> int:
    versions, owners = dataset_versions.c, dataset_owners.c
    is_its = and_(versions.dataset == owners.dataset, versions.version == owners.version)
    query = (
        select(func.sum(versions.size_bytes))
        .select_from(dataset_owners.join(dataset_versions, is_its))
        .where(owners.api_key == key, versions.delete_time.is_(None))
    )
    return int(connection.execute(query).scalar_one() or 0)


def _hours(connection: Connection, key: str, now: float) -> float:
    query = (
        select(worker_times.c.start_time, worker_times.c.last_time)
        .select_from(worker_times.join(run_owners, worker_times.c.uid == run_owners.c.uid))
        .where(run_owners.c.api_key == key, worker_times.c.last_time > now - _WINDOW_S)
    )
    seconds: float = sum(last - max(start, now - _WINDOW_S) for start, last in connection.execute(query))
    return max(0.0, seconds) / _HOUR_S
