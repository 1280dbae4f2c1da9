"""What keys use of the trainer, counted in the transactions that store it."""

import contextlib
import dataclasses
from pathlib import Path

import pytest

from gnomon.errors import QuotaExceededError
from gnomon.names import ApiKeyName
from gnomon.quotas import Quotas, Usage
from gnomon_rpc import caller
from gnomon_rpc.caller import LOCAL, Caller
from gnomon_trainer.adapters.sql_runs import SqlRunStore
from gnomon_trainer.adapters.usage import SqlUsage
from gnomon_trainer.domain.datasets import Request
from gnomon_trainer.domain.run_store import Lease
from tests.databases import ENGINES, trainer_database
from tests.trainer.test_stores_contract import SqlStores
from tests.trainer.things import draft, new_run

DAY_S = 86_400.0


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@contextlib.contextmanager
def calling(name, **quotas):
    caller.set_current(Caller(f"apiKeys/{name}", name, frozenset({"train"}), quotas=Quotas(**quotas)))
    try:
        yield
    finally:
        caller.set_current(LOCAL)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=ENGINES)
def stores(request, tmp_path: Path, clock):
    stores = SqlStores(trainer_database(request.param, request, tmp_path))
    stores.runs = SqlRunStore(stores.database, clock)
    stores.usage = SqlUsage(stores.database, clock)
    yield stores
    stores.database.close()


def at(made, now):
    return dataclasses.replace(made, create_time=now)


def used(stores, name):
    return stores.usage.of(ApiKeyName(name))


def test_datasets_count_for_the_key_that_stored_them_until_they_are_deleted(stores):
    with calling("a"):
        stores.datasets.add([draft("one", size_bytes=30), draft("two", "b" * 64, size_bytes=12)], None, 1.0)
        stores.datasets.add([draft("one", "c" * 64, size_bytes=5)], None, 1.0)
        stores.datasets.add([draft("one", "c" * 64, size_bytes=5)], None, 1.0)  # the same rows: no version
    with calling("b"):
        stores.datasets.add([draft("three", "d" * 64, size_bytes=1)], None, 1.0)
    stores.datasets.add([draft("four", "e" * 64, size_bytes=1000)], None, 1.0)

    assert used(stores, "a") == Usage(storage_bytes=47)
    assert used(stores, "b") == Usage(storage_bytes=1)
    assert used(stores, "nobody") == Usage()
    stores.datasets.delete("one", 2.0)
    assert used(stores, "a") == Usage(storage_bytes=12)


def test_a_call_that_is_made_twice_counts_once(stores):
    request = Request("3d7e0b5c-0000-4000-8000-000000000001", "body")
    with calling("a", storage_bytes=100):
        for _ in range(3):
            stores.datasets.add([draft("one", size_bytes=60)], request, 1.0)

    assert used(stores, "a") == Usage(storage_bytes=60)


def test_storage_is_filled_to_its_last_byte_and_not_beyond(stores):
    with calling("a", storage_bytes=100):
        stores.datasets.add([draft("one", size_bytes=60)], None, 1.0)
        with pytest.raises(QuotaExceededError, match="60 of 100"):
            stores.datasets.add([draft("two", "b" * 64, size_bytes=41)], None, 1.0)
        with pytest.raises(QuotaExceededError):  # of two, none is stored
            stores.datasets.add(
                [draft("two", "b" * 64, size_bytes=30), draft("three", "c" * 64, size_bytes=11)], None, 1.0
            )
        assert [dataset.dataset for dataset in stores.datasets.page(None, 10)] == ["one"]
        stores.datasets.add([draft("two", "b" * 64, size_bytes=40)], None, 1.0)
        assert used(stores, "a") == Usage(storage_bytes=100)
        stores.datasets.delete("one", 2.0)
        stores.datasets.add([draft("three", "c" * 64, size_bytes=60)], None, 3.0)
    with calling("b", storage_bytes=100):
        stores.datasets.add([draft("four", "d" * 64, size_bytes=100)], None, 1.0)


def work(stores, clock, name, seconds, steps=4):
    """Have a worker lease the oldest run and work on it for a while."""
    leased = stores.runs.claim("worker", clock.now)
    assert leased.run == name
    lease = Lease(leased.uid, leased.fence)
    for _ in range(steps):
        clock.now += seconds / steps
        stores.runs.write_leased(lease, lambda found: found)
    return leased


def test_hours_of_workers_count_for_the_key_that_created_the_run(stores, clock):
    stores.datasets.add([draft("train"), draft("test", "b" * 64)], None, 1.0)
    clock.now = 1000.0
    with calling("a", training_hours=2):
        stores.runs.create(at(new_run("first"), clock.now), None)
    leased = work(stores, clock, "first", 3600)
    clock.now += 50_000  # the worker is silent: nobody works
    stores.runs.expire_leases("worker")
    work(stores, clock, "first", 1800)

    assert used(stores, "a").training_hours == pytest.approx(1.5)
    assert used(stores, "b").training_hours == 0
    with calling("a", training_hours=2):
        stores.runs.create(at(new_run("second"), clock.now), None)
    clock.now += 1
    stores.runs.write_leased(Lease(leased.uid, 2), lambda found: found)
    with calling("a", training_hours=1.5), pytest.raises(QuotaExceededError, match=r"1\.5 hours"):
        stores.runs.create(at(new_run("third"), clock.now), None)
    with calling("b", training_hours=1.5):
        stores.runs.create(at(new_run("third"), clock.now), None)


def test_hours_of_long_ago_count_no_more(stores, clock):
    stores.datasets.add([draft("train"), draft("test", "b" * 64)], None, 1.0)
    with calling("a"):
        stores.runs.create(at(new_run("first"), 0.0), None)
    work(stores, clock, "first", 7200)
    clock.now = 30 * DAY_S + 3600

    assert used(stores, "a").training_hours == pytest.approx(1.0)
    clock.now = 31 * DAY_S
    assert used(stores, "a").training_hours == 0


def test_a_run_that_is_refused_is_not_there(stores, clock):
    stores.datasets.add([draft("train"), draft("test", "b" * 64)], None, 1.0)
    with calling("a"):
        stores.runs.create(at(new_run("first"), 0.0), None)
    work(stores, clock, "first", 3600)
    with calling("a", training_hours=1), pytest.raises(QuotaExceededError):
        stores.runs.create(at(new_run("second"), clock.now), None)

    assert [found.run for found in stores.runs.page(frozenset({"demo"}), None, 10)] == ["first"]
