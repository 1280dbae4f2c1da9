"""What every store of providers promises: the fake, SQLite and PostgreSQL."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gnomon.errors import AlreadyExistsError, EtagMismatchError, NotFoundError, RequestIdReusedError
from gnomon.names import ProviderName
from gnomon_trainer.adapters.sql_providers import SqlProviderStore
from gnomon_trainer.domain.datasets import Request
from gnomon_trainer.domain.providers import KeyState, Provider
from tests.databases import ENGINES, trainer_database
from tests.trainer.fakes import FakeStores

MAIN = ProviderName("main")


def provider(name: str = "main", **fields: Any) -> Provider:
    key, state = b"\x01\x00\xff", KeyState.STORED
    made = Provider(name, "Main", "https://a.example/v1", "m", key, state, "e1", 1.5, 2.5)
    return replace(made, **fields)


@pytest.fixture(params=["fake", *ENGINES])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "fake":
        yield FakeStores().providers
        return
    database = trainer_database(request.param, request, tmp_path)
    yield SqlProviderStore(database)
    database.close()


def test_a_provider_comes_back_as_it_was_stored(store: Any) -> None:
    assert store.create(provider(), None) == provider()
    assert store.get(MAIN) == provider()
    assert isinstance(store.get(MAIN).key_state, KeyState)


def test_an_id_is_taken_until_it_is_deleted(store: Any) -> None:
    store.create(provider(), None)
    with pytest.raises(AlreadyExistsError):
        store.create(provider(), None)
    store.delete(MAIN)
    store.create(provider(model="other"), None)

    assert store.get(MAIN).model == "other"


def test_a_replayed_create_gives_what_is_there_now(store: Any) -> None:
    request = Request("17", "body")
    store.create(provider(), request)
    store.change(MAIN, lambda found: replace(found, model="later"))

    assert store.create(provider(), request).model == "later"
    with pytest.raises(RequestIdReusedError):
        store.create(provider("other"), Request("17", "another body"))
    store.delete(MAIN)
    with pytest.raises(NotFoundError):
        store.create(provider(), request)


def test_a_refused_create_leaves_its_request_free(store: Any) -> None:
    store.create(provider(), None)
    with pytest.raises(AlreadyExistsError):
        store.create(provider(), Request("17", "body"))

    assert store.create(provider("other"), Request("17", "other body")).provider == "other"


def test_a_change_that_fails_changes_nothing(store: Any) -> None:
    store.create(provider(), None)

    def refuse(found: Provider) -> Provider:
        raise EtagMismatchError("no")

    with pytest.raises(EtagMismatchError):
        store.change(MAIN, refuse)
    assert store.get(MAIN) == provider()


def test_pages_go_on_after_an_id_in_order(store: Any) -> None:
    for name in ("c", "a", "b"):
        store.create(provider(name), None)

    assert [found.provider for found in store.page("", 2)] == ["a", "b"]
    assert [found.provider for found in store.page("b", 2)] == ["c"]


def test_what_is_not_there_is_not_found(store: Any) -> None:
    for call in (store.get, store.delete, lambda name: store.change(name, lambda found: found)):
        with pytest.raises(NotFoundError, match="providers/main"):
            call(MAIN)
