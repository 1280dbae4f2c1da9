import asyncio
import uuid

import pytest

from gnomon.errors import (
    AliasProtectedError,
    EtagMismatchError,
    InvalidRequestError,
    NotFoundError,
    RequestIdReusedError,
)
from gnomon.v1 import registry_service_pb2 as rpc
from gnomon.v1.resources_pb2 import Alias
from tests.registry.running import error_of

NAME = "metrics/tox/aliases/production"


@pytest.fixture
async def caller(caller):
    """A caller of a registry whose metric has three versions."""
    for _ in range(3):
        await caller.version()
    return caller


def get(caller, name=NAME):
    return caller.GetAlias(rpc.GetAliasRequest(name=name))


def delete(caller, name=NAME, **fields):
    return caller.DeleteAlias(rpc.DeleteAliasRequest(name=name, **fields))


async def history(caller, **fields):
    answer = await caller.ListAliasEvents(rpc.ListAliasEventsRequest(parent=NAME, **fields))
    number = lambda name: name.rpartition("/")[2]  # noqa: E731
    return [(number(e.old_metric_version), number(e.new_metric_version)) for e in answer.alias_events]


async def test_an_alias_is_made_moved_and_read(caller):
    made = await caller.alias("production", 1)
    moved = await caller.alias("production", 2)

    assert (made.name, made.metric_version) == (NAME, "metrics/tox/versions/1")
    assert moved.metric_version == "metrics/tox/versions/2"
    assert moved.etag != made.etag
    assert await get(caller) == moved
    assert await history(caller) == [("1", "2"), ("", "1")]


async def test_setting_what_is_so_already_is_no_write(caller):
    made = await caller.alias("production", 1, protected=True)
    again = await caller.alias("production", 1, protected=True)

    assert again == made
    assert await history(caller) == [("", "1")]


async def test_a_repeated_call_does_not_undo_a_later_one(caller):
    request_id = str(uuid.uuid4())
    made = await caller.alias("production", 1)

    def first(version=2):
        alias = Alias(name=NAME, metric_version=f"metrics/tox/versions/{version}", etag=made.etag)
        return caller.SetAlias(rpc.SetAliasRequest(alias=alias, request_id=request_id))

    moved = await first()
    assert await first() == moved  # its own move is not somebody else's
    third = await caller.alias("production", 3)
    assert await first() == third
    assert await history(caller) == [("2", "3"), ("1", "2"), ("", "1")]
    assert isinstance(await error_of(first(version=1)), RequestIdReusedError)


async def test_a_repeated_call_that_changed_nothing_changes_nothing_later(caller):
    request_id = str(uuid.uuid4())
    await caller.alias("production", 1)
    alias = Alias(name=NAME, metric_version="metrics/tox/versions/1")
    await caller.SetAlias(rpc.SetAliasRequest(alias=alias, request_id=request_id))
    moved = await caller.alias("production", 2)

    assert await caller.SetAlias(rpc.SetAliasRequest(alias=alias, request_id=request_id)) == moved


async def test_a_refused_call_may_be_repeated_once_nothing_stands_in_its_way(caller):
    await caller.alias("production", 1, protected=True)
    alias = Alias(name=NAME, metric_version="metrics/tox/versions/2", protected=True)
    request = rpc.SetAliasRequest(alias=alias, request_id=str(uuid.uuid4()))
    assert isinstance(await error_of(caller.SetAlias(request)), AliasProtectedError)
    await caller.alias("production", 1, allow_protected=True)

    assert (await caller.SetAlias(request)).metric_version == "metrics/tox/versions/2"


async def test_an_alias_that_must_be_new_takes_the_place_of_none(caller):
    def wanted(number):
        alias = Alias(name=NAME, metric_version=f"metrics/tox/versions/{number}")
        return caller.SetAlias(rpc.SetAliasRequest(alias=alias, must_be_new=True))

    made = await wanted(1)
    assert isinstance(await error_of(wanted(2)), EtagMismatchError)
    assert await wanted(1) == made  # a repeated call
    assert await get(caller) == made
    assert await history(caller) == [("", "1")]


async def test_an_alias_can_be_set_to_where_another_one_points(caller):
    await caller.alias("shadow", 3)
    made = await caller.alias("production", "shadow")

    assert made.metric_version == "metrics/tox/versions/3"


async def test_an_alias_points_at_versions_that_are_there(caller):
    await caller.DeleteMetricVersion(rpc.DeleteMetricVersionRequest(name="metrics/tox/versions/2"))
    for number in (2, 4, "shadow"):
        assert isinstance(await error_of(caller.alias("production", number)), NotFoundError)
    assert isinstance(await error_of(caller.alias("production", 1, metric="other")), NotFoundError)
    assert isinstance(await error_of(get(caller)), NotFoundError)


async def test_an_alias_points_at_versions_of_its_own_metric(caller):
    alias = Alias(name=NAME, metric_version="metrics/other/versions/1")
    error = await error_of(caller.SetAlias(rpc.SetAliasRequest(alias=alias)))

    assert isinstance(error, InvalidRequestError)


@pytest.mark.parametrize("alias", ["1", "12", "", "..", "a/b", "Prod", "a\0"])
async def test_a_wrong_alias_is_refused(caller, alias):
    error = await error_of(caller.alias(alias, 1))

    assert isinstance(error, InvalidRequestError)
    assert error.violations[0].field == "alias.name"


async def test_a_protected_alias_changes_only_when_that_is_asked_for(caller):
    made = await caller.alias("production", 1, protected=True)
    for call in (
        caller.alias("production", 2, protected=True),
        caller.alias("production", 1),
        caller.alias("production", 2),
        delete(caller),
    ):
        error = await error_of(call)
        assert isinstance(error, AliasProtectedError)
        assert error.metadata == {"resource": NAME}
    assert await get(caller) == made

    moved = await caller.alias("production", 2, protected=True, allow_protected=True)
    assert (moved.metric_version, moved.protected) == ("metrics/tox/versions/2", True)
    freed = await caller.alias("production", 2, allow_protected=True)
    assert not freed.protected
    await caller.alias("production", 3)


async def test_protecting_is_no_move(caller):
    made = await caller.alias("production", 1)
    protected = await caller.alias("production", 1, protected=True)

    assert protected.protected
    assert protected.etag != made.etag
    assert protected.update_time == made.update_time
    assert await history(caller) == [("", "1")]


async def test_a_protected_alias_can_be_deleted_when_that_is_asked_for(caller):
    await caller.alias("production", 1, protected=True)
    await delete(caller, allow_protected=True)

    assert isinstance(await error_of(get(caller)), NotFoundError)


async def test_a_stale_etag_is_refused(caller):
    made = await caller.alias("production", 1)
    moved = await caller.alias("production", 2, etag=made.etag)

    assert isinstance(await error_of(caller.alias("production", 3, etag=made.etag)), EtagMismatchError)
    assert isinstance(await error_of(caller.alias("shadow", 3, etag=made.etag)), EtagMismatchError)
    assert await get(caller) == moved


async def test_of_many_who_move_it_by_etag_one_wins(caller):
    made = await caller.alias("production", 1)

    async def move():
        try:
            await caller.alias("production", 2, etag=made.etag)
        except Exception:
            return 0
        return 1

    assert sum(await asyncio.gather(*(move() for _ in range(20)))) == 1
    assert await history(caller) == [("1", "2"), ("", "1")]


async def test_history_outlives_the_alias_and_pages_backwards(caller):
    await caller.alias("production", 1)
    await caller.alias("production", 2)
    await delete(caller)
    await caller.alias("production", 3)

    assert await history(caller) == [("", "3"), ("2", ""), ("1", "2"), ("", "1")]
    request = rpc.ListAliasEventsRequest(parent=NAME, page_size=3)
    first = await caller.ListAliasEvents(request)
    await caller.alias("production", 1)
    request.page_token = first.next_page_token
    second = await caller.ListAliasEvents(request)
    assert [len(page.alias_events) for page in (first, second)] == [3, 1]
    assert second.alias_events[0].new_metric_version == "metrics/tox/versions/1"
    assert second.alias_events[0].HasField("create_time")


async def test_there_is_no_history_of_what_never_was(caller):
    error = await error_of(caller.ListAliasEvents(rpc.ListAliasEventsRequest(parent=NAME)))
    assert isinstance(error, NotFoundError)
    assert isinstance(await error_of(delete(caller)), NotFoundError)


async def test_aliases_are_listed_by_name(caller):
    for alias in ("shadow", "blue", "production"):
        await caller.alias(alias, 1)
    request = rpc.ListAliasesRequest(parent="metrics/tox", page_size=2)
    first = await caller.ListAliases(request)
    request.page_token = first.next_page_token
    second = await caller.ListAliases(request)

    names = [alias.name.rpartition("/")[2] for page in (first, second) for alias in page.aliases]
    assert names == ["blue", "production", "shadow"]
    error = await error_of(caller.ListAliases(rpc.ListAliasesRequest(parent="metrics/other")))
    assert isinstance(error, NotFoundError)


async def test_readers_see_one_version_or_the_other_while_an_alias_moves(caller):
    await caller.alias("production", 1)
    seen = []

    async def read():
        while len(seen) < 100:
            version = await caller.get_version("production")
            assert list(version.aliases) == ["production"]
            seen.append(version.name)

    async def move():
        for i in range(20):
            await caller.alias("production", 1 + i % 2)

    await asyncio.gather(read(), read(), move())
    assert set(seen) <= {"metrics/tox/versions/1", "metrics/tox/versions/2"}
