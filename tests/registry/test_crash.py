"""What a kill -9 leaves, with a real process."""

import asyncio
import contextlib
import uuid

import grpc
import pytest

from gnomon.local import ServiceProcess
from gnomon.v1 import registry_service_pb2 as rpc
from tests.registry import bundles
from tests.registry.running import Caller, until, version_request

CALLS = 50


@pytest.fixture
def process(tmp_path):
    process = ServiceProcess(
        "registry",
        tmp_path,
        {
            "GNOMON_REGISTRY_DATABASE_URL": f"sqlite:///{tmp_path / 'data' / 'registry.db'}",
            "GNOMON_REGISTRY_ARTIFACT_URL": f"file://{tmp_path / 'data' / 'artifacts'}",
        },
    )
    process.start()
    yield process
    process.stop()


@contextlib.asynccontextmanager
async def calling(process):
    async with grpc.aio.insecure_channel(process.address) as channel:
        yield Caller(channel)


async def number_of(call):
    """Return the number that a create answered, or None if the registry died meanwhile."""
    try:
        return int((await call).name.rpartition("/")[2])
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return None


@pytest.mark.slow
@pytest.mark.parametrize("answers_before", [1, 7, 30])
async def test_a_kill_amid_creates_loses_no_answer_and_makes_nothing_twice(process, tmp_path, answers_before):
    every = [bundles.files(salt=str(i)) for i in range(CALLS)]
    requests = [version_request(contents, request_id=str(uuid.uuid4())) for contents in every]
    async with calling(process) as caller:
        await caller.metric()
        for contents in every:
            await caller.upload_all(contents)
        tasks = [asyncio.ensure_future(number_of(caller.CreateMetricVersion(r))) for r in requests]
        await until(lambda: sum(task.done() for task in tasks) >= answers_before)
        process.kill()
        answered = await asyncio.gather(*tasks)

    process.start()
    async with calling(process) as caller:
        left = list(await caller.versions(page_size=1000))
        again = [await number_of(caller.CreateMetricVersion(request)) for request in requests]
        listed = list(await caller.versions(page_size=1000))
        for version in listed:
            missing = rpc.FindMissingBlobsRequest(sha256=[f.sha256 for f in version.bundle.files])
            assert list((await caller.FindMissingBlobs(missing)).missing_sha256) == []
            manifest = tmp_path / "data" / "artifacts" / "manifests" / f"{version.bundle.digest}.json"
            assert bundles.sha256(manifest.read_bytes()) == version.bundle.digest

    numbers = [int(version.name.rpartition("/")[2]) for version in listed]
    assert numbers == list(range(CALLS, 0, -1))
    assert sorted(again) == list(range(1, CALLS + 1))
    assert all(before in (None, after) for before, after in zip(answered, again, strict=True))
    assert [version.name for version in left] == [version.name for version in listed[CALLS - len(left) :]]


async def test_a_kill_amid_an_upload_leaves_no_part_of_it_after_the_restart(process, tmp_path):
    folder = tmp_path / "data" / "artifacts"
    content = b"x" * 3_000_000
    begun = asyncio.Event()

    async def messages():
        yield rpc.UploadBlobRequest(
            sha256=bundles.sha256(content), size_bytes=len(content), content=content[:9]
        )
        begun.set()
        await asyncio.sleep(60)

    async with calling(process) as caller:
        call = asyncio.ensure_future(number_of(caller.UploadBlob(messages())))
        await begun.wait()
        await until(lambda: list(folder.glob("parts/*")))
        process.kill()
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
            await call
    process.start()

    assert list(folder.glob("parts/*")) == []
    async with calling(process) as caller:
        await caller.upload(content)


async def test_a_registry_that_is_told_to_stop_does_so_although_it_is_watched(process):
    async with calling(process) as caller:
        call = caller.WatchCatalog(rpc.WatchCatalogRequest())
        await call.read()
        await asyncio.to_thread(process.stop, 8.0)

    assert process.process.returncode == 0
