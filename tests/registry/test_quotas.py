"""Quotas over the real wire, at the registry: at each limit and one beyond; others are not touched."""

import asyncio
import uuid

import grpc

from gnomon.errors import InvalidRequestError, QuotaExceededError
from gnomon.v1 import access_service_pb2 as rpc
from gnomon.v1 import registry_service_pb2 as registry_pb
from gnomon.v1 import usage_service_pb2 as usage_pb
from gnomon.v1 import usage_service_pb2_grpc
from tests.registry import bundles
from tests.registry.running import error_of, upload_messages
from tests.registry.test_api_keys import ADMIN, bearer, guarded

LIST = registry_pb.ListProjectsRequest()


async def list_as(access, made):
    return await access.registry.ListProjects(LIST, metadata=bearer(made.key_text))


async def limited(access, **quotas):
    return await access.create("score", "registry:write", quotas=rpc.Quotas(**quotas))


async def test_a_key_says_its_quotas_and_they_can_be_changed(tmp_path):
    async with guarded(tmp_path) as access:
        made = await limited(access, calls_per_second=2.5, storage_bytes=10)
        get = rpc.GetApiKeyRequest(name=made.api_key.name)
        got = await access.access.GetApiKey(get, metadata=bearer(ADMIN))
        changed = rpc.ApiKey(name=made.api_key.name, quotas=rpc.Quotas(calls_in_flight=3))
        request = rpc.UpdateApiKeyRequest(api_key=changed, update_mask={"paths": ["quotas"]})
        updated = await access.access.UpdateApiKey(request, metadata=bearer(ADMIN))
        renamed = rpc.ApiKey(name=made.api_key.name, display_name="bot")
        request = rpc.UpdateApiKeyRequest(api_key=renamed)
        after = await access.access.UpdateApiKey(request, metadata=bearer(ADMIN))
        wrong = await error_of(limited(access, calls_per_second=-1))

    assert made.api_key.quotas == got.quotas == rpc.Quotas(calls_per_second=2.5, storage_bytes=10)
    assert updated.quotas == after.quotas == rpc.Quotas(calls_in_flight=3)
    assert isinstance(wrong, InvalidRequestError)
    assert [v.field for v in wrong.violations] == ["api_key.quotas.calls_per_second"]


async def test_calls_beyond_the_rate_are_refused_until_it_allows_more(tmp_path):
    async with guarded(tmp_path) as access:
        made, other = await limited(access, calls_per_second=0.2), await limited(access, calls_per_second=0.2)
        await list_as(access, made)
        error = await error_of(list_as(access, made))
        await list_as(access, other)
        await access.create()  # the administrator's key has none

    assert isinstance(error, QuotaExceededError)
    assert error.metadata["quota"] == "calls_per_second"
    assert error.metadata["resource"] == made.api_key.name
    assert 0 < error.retry_after_s <= 5.0


async def test_calls_in_flight_are_counted_until_they_end(tmp_path):
    async with guarded(tmp_path) as access:
        made, other = await limited(access, calls_in_flight=2), await limited(access, calls_in_flight=2)
        watches = [
            access.registry.WatchCatalog(registry_pb.WatchCatalogRequest(), metadata=bearer(made.key_text))
            for _ in range(2)
        ]
        for watch in watches:
            await watch.read()
        error = await error_of(list_as(access, made))
        await list_as(access, other)
        watches[0].cancel()
        async with asyncio.timeout(10):
            while True:  # the end is known here before it is there
                try:
                    await list_as(access, made)
                    break
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.05)
        watches[1].cancel()

    assert isinstance(error, QuotaExceededError)
    assert (error.metadata["limit"], error.metadata["used"]) == ("2", "2")
    assert error.retry_after_s is not None


async def test_blobs_fill_a_key_s_storage_and_count_once(tmp_path):
    async with guarded(tmp_path) as access:
        made, other = await limited(access, storage_bytes=1000), await limited(access, storage_bytes=1000)

        def put(content, key=made):
            return access.registry.UploadBlob(iter(upload_messages(content)), metadata=bearer(key.key_text))

        async def used(key=made):
            stub = usage_service_pb2_grpc.UsageServiceStub(channel)
            name = usage_pb.GetUsageRequest(name=key.api_key.name)
            return (await stub.GetUsage(name, metadata=bearer(ADMIN))).storage_bytes

        async with grpc.aio.insecure_channel(access.app.address) as channel:
            for _ in range(3):
                await put(b"a" * 600)
            assert await used() == 600
            error = await error_of(put(b"b" * 401))
            bad = upload_messages(b"c" * 300, sha256=bundles.sha256(b"other"))
            await error_of(access.registry.UploadBlob(iter(bad), metadata=bearer(made.key_text)))
            assert await used() == 600
            await put(b"d" * 400)
            assert await used() == 1000
            one_more = await error_of(put(uuid.uuid4().bytes[:1]))
            await put(b"a" * 600, other)  # stored already, and counted for who stored it
            assert await used(other) == 0
            await put(b"e" * 1000, other)
            assert await used(other) == 1000

    for refused in (error, one_more):
        assert isinstance(refused, QuotaExceededError)
        assert refused.metadata["quota"] == "storage_bytes"
        assert refused.retry_after_s is None
    assert error.metadata["used"] == "600"


async def test_parallel_uploads_do_not_store_more_than_the_quota_together(tmp_path):
    async with guarded(tmp_path) as access:
        made = await limited(access, storage_bytes=1000)
        shown = bearer(made.key_text)

        async def put(index):
            content = bytes([index]) * 300
            try:
                await access.registry.UploadBlob(iter(upload_messages(content)), metadata=shown)
            except grpc.aio.AioRpcError:
                return 0
            return 300

        assert sum(await asyncio.gather(*(put(i) for i in range(12)))) == 900


async def test_a_quota_that_is_taken_away_limits_no_more_within_a_second(tmp_path):
    async with guarded(tmp_path) as access:
        made = await limited(access, calls_per_second=0.01)
        await list_as(access, made)
        await error_of(list_as(access, made))
        free = rpc.ApiKey(name=made.api_key.name)
        request = rpc.UpdateApiKeyRequest(api_key=free, update_mask={"paths": ["quotas"]})
        await access.access.UpdateApiKey(request, metadata=bearer(ADMIN))
        await asyncio.sleep(1.0)
        await list_as(access, made)
        await list_as(access, made)
