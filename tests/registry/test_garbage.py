"""What no version needs is removed, and never what a version needs, however they meet."""

import asyncio
import os
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from gnomon.errors import BlobMissingError, ServiceUnavailableError
from gnomon.v1 import registry_service_pb2 as rpc
from gnomon_registry.domain import garbage as garbage_module
from gnomon_registry.domain.entities import BlobOwner
from gnomon_registry.wiring import garbage, stores
from tests.registry import bundles
from tests.registry.running import error_of, registry, settings, version_request

DAY = timedelta(days=1)
AT_ONCE = timedelta(days=-1)  # not even what is stored just now is too young


@pytest.fixture
async def caller(tmp_path):
    async with registry(tmp_path) as caller:
        await caller.metric("tox")
        yield caller


@pytest.fixture
def collect(tmp_path):
    """Find and remove, with connections of its own, as `gnomon gc` does in another process."""
    database, blobs = stores(settings(tmp_path))

    def make(min_age=DAY, retention=30 * DAY):
        return garbage(database, blobs, min_age, retention)

    yield make
    database.close()


def grow_old(folder, days=2):
    long_ago = (datetime.now(UTC) - timedelta(days=days)).timestamp()
    for path in (folder / "artifacts").rglob("*"):
        os.utime(path, (long_ago, long_ago))


def removed(garbage):
    return {file.digest for file in garbage.remove(garbage.find())}


async def whole(caller, version):
    answer = await caller.FindMissingBlobs(
        rpc.FindMissingBlobsRequest(sha256=[file.sha256 for file in version.bundle.files])
    )
    return not answer.missing_sha256


async def test_what_no_version_needs_goes_once_it_is_old_and_the_rest_stays(caller, collect, tmp_path):
    version = await caller.version(salt="kept")
    await caller.upload(b"left by a publish that was never finished")
    grow_old(tmp_path)
    await caller.upload(b"of a publish that is under way")

    assert removed(collect()) == {bundles.sha256(b"left by a publish that was never finished")}
    assert await whole(caller, version)
    assert removed(collect()) == set()


async def test_nobody_is_charged_for_what_is_gone(caller, collect):
    await caller.upload(b"alone")
    digest, collector = bundles.sha256(b"alone"), collect(AT_ONCE)
    with collector.store.writing() as catalog:
        catalog.put_blob_owner(digest, BlobOwner("apiKeys/a", 5))

    assert removed(collector) == {digest}
    with collector.store.reading() as catalog:
        assert (catalog.blob_owner(digest), catalog.stored_bytes("apiKeys/a")) == (None, 0)


async def test_nobody_is_charged_for_what_is_not_there(caller, collect):
    await caller.upload(b"alone")
    digest, lost, collector = bundles.sha256(b"alone"), "0" * 64, collect()
    with collector.store.writing() as catalog:
        catalog.put_blob_owner(digest, BlobOwner("apiKeys/a", 5))
        catalog.put_blob_owner(lost, BlobOwner("apiKeys/a", 7))

    assert removed(collector) == set()
    with collector.store.reading() as catalog:
        assert (catalog.owned_blobs(), catalog.stored_bytes("apiKeys/a")) == ([digest], 5)


async def test_finding_removes_nothing(caller, collect):
    await caller.upload(b"alone")
    assert [file.size_bytes for file in collect(AT_ONCE).find()] == [5]
    assert len(collect(AT_ONCE).find()) == 1


async def test_a_deleted_version_keeps_its_files_as_long_as_it_may_be_undeleted(caller, collect):
    version = await caller.version(salt="deleted")
    other = await caller.version(salt="other")
    await caller.DeleteMetricVersion(rpc.DeleteMetricVersionRequest(name=version.name))

    assert removed(collect(AT_ONCE)) == set()
    await caller.UndeleteMetricVersion(rpc.UndeleteMetricVersionRequest(name=version.name))
    await caller.DeleteMetricVersion(rpc.DeleteMetricVersionRequest(name=version.name))
    gone = removed(collect(AT_ONCE, retention=AT_ONCE))
    undeleted = await error_of(
        caller.UndeleteMetricVersion(rpc.UndeleteMetricVersionRequest(name=version.name))
    )

    assert gone
    assert isinstance(undeleted, BlobMissingError)
    assert await whole(caller, other), "files that both have are needed by the other one"
    for content in bundles.files("tox", salt="deleted").values():
        await caller.upload(content)
    await caller.UndeleteMetricVersion(rpc.UndeleteMetricVersionRequest(name=version.name))


async def test_a_file_that_a_version_takes_up_after_it_was_found_stays(caller, collect):
    contents = bundles.files("tox", salt="again")
    await caller.upload_all(contents)
    collecting = collect(AT_ONCE)
    found = collecting.find()
    version = await caller.CreateMetricVersion(version_request(contents))

    assert {file.sha256 for file in version.bundle.files} <= {file.digest for file in found}
    assert list(collecting.remove(found)) == []
    assert await whole(caller, version)


async def test_a_file_that_was_uploaded_again_after_it_was_found_stays(caller, collect):
    await caller.upload(b"twice")
    collecting = collect(AT_ONCE)
    found = collecting.find()
    await caller.upload(b"twice")

    assert list(collecting.remove(found)) == []


async def test_each_batch_asks_anew_what_is_needed_and_ends_when_it_took_long(caller, collect, monkeypatch):
    monkeypatch.setattr(garbage_module, "_LONGEST_S", 0.0)
    contents = bundles.files("tox", salt="between")
    await caller.upload(b"alone")
    await caller.upload_all(contents)
    collecting = collect(AT_ONCE)
    alone = bundles.sha256(b"alone")
    removing = collecting.remove(sorted(collecting.find(), key=lambda file: file.digest != alone))
    first = next(removing)
    version = await caller.CreateMetricVersion(version_request(contents))  # the first batch has ended

    assert first.digest == alone
    assert list(removing) == []
    assert await whole(caller, version)


async def test_a_version_that_is_published_while_the_collector_has_lost_its_turn_keeps_its_files(
    tmp_path, postgres_server, monkeypatch
):
    url = postgres_server.database()
    async with registry(tmp_path, database_url=url) as caller:
        await caller.metric("tox")
        contents = bundles.files("tox", salt="old")
        await caller.upload_all(contents)
        database, blobs = stores(settings(tmp_path, database_url=url))
        collecting, loop = garbage(database, blobs, AT_ONCE, AT_ONCE), asyncio.get_running_loop()
        published = []

        async def publish():
            return await caller.CreateMetricVersion(version_request(contents))

        def stall(path):
            monkeypatch.undo()  # the store takes so long that the server ends the collector's transaction
            postgres_server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
                f" AND database = (SELECT oid FROM pg_database WHERE datname = '{url.rpartition('/')[2]}')"
            )
            published.append(asyncio.run_coroutine_threadsafe(publish(), loop).result(30))
            return info(path)

        found, info = collecting.find(), blobs._files.info
        monkeypatch.setattr(blobs._files, "info", stall)
        with pytest.raises(ServiceUnavailableError):
            await asyncio.to_thread(list, collecting.remove(found))
        database.close()

        assert await whole(caller, published[0])
    postgres_server.drop(url)


async def test_a_version_whose_files_go_while_it_is_checked_is_refused(caller, collect, monkeypatch):
    contents = bundles.files("tox", salt="late")
    await caller.upload_all(contents)
    blobs, collecting = caller.app._blobs, collect(AT_ONCE)
    put = blobs.put_manifest

    def late(digest, content):  # after the files were looked at, before the version is written
        put(digest, content)
        assert removed(collecting)

    with monkeypatch.context() as patch:
        patch.setattr(type(blobs), "put_manifest", lambda self, *a: late(*a))
        error = await error_of(caller.CreateMetricVersion(version_request(contents)))

    assert isinstance(error, BlobMissingError)
    assert len(await caller.versions()) == 0


async def test_no_version_ever_lacks_a_file_although_garbage_is_collected_meanwhile(caller, collect):
    gone = set()

    async def collect_once():  # leaves nothing alone, so that it is not met by every attempt
        gone.update(await asyncio.to_thread(removed, collect(AT_ONCE)))

    async def publish(number):
        contents = bundles.files("tox", salt=f"{number}")
        request = version_request(contents, request_id=f"00000000-0000-4000-8000-{number:012d}")
        for attempt in range(4):
            await caller.upload_all(contents)
            collecting = asyncio.create_task(collect_once() if attempt < 3 else asyncio.sleep(0))
            await asyncio.sleep(0.004 * number)
            try:
                return await caller.CreateMetricVersion(request)
            except grpc.aio.AioRpcError as error:
                assert "is not stored" in error.details()
            finally:
                await collecting
        raise AssertionError("never published")

    versions = [await publish(number) for number in range(8)]

    assert [version.name.rpartition("/")[2] for version in versions] == [str(n) for n in range(1, 9)]
    assert all([await whole(caller, version) for version in versions])
    assert gone, "nothing was ever removed, so that the test shows nothing"
