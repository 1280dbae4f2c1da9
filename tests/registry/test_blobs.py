import asyncio
import hashlib
import threading

import pytest

from gnomon.errors import (
    ArtifactCorruptError,
    BlobDigestMismatchError,
    InvalidRequestError,
    NotFoundError,
    UploadTooLargeError,
)
from gnomon.v1 import registry_service_pb2 as rpc
from tests.registry import bundles
from tests.registry.bundles import sha256
from tests.registry.running import error_of, registry, until, upload_messages, version_request

CONTENT = bytes(range(256)) * 20_000  # about 5 MB


def stored(folder):
    return sorted(path for path in (folder / "artifacts").rglob("*") if path.is_file())


async def download(caller, digest):
    return b"".join(
        [part.content async for part in caller.DownloadBlob(rpc.DownloadBlobRequest(sha256=digest))]
    )


@pytest.mark.parametrize("content", [CONTENT, b"x", b""])
async def test_a_blob_goes_in_and_comes_out(caller, content):
    answer = await caller.upload(content)

    assert answer.sha256 == sha256(content)
    assert await download(caller, answer.sha256) == content


async def test_only_missing_blobs_are_told(caller):
    await caller.upload(b"here")
    asked = [sha256(b"there"), sha256(b"here")]
    answer = await caller.FindMissingBlobs(rpc.FindMissingBlobsRequest(sha256=asked))

    assert list(answer.missing_sha256) == [sha256(b"there")]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ([], "sha256"),
        (["0" * 64] * 1001, "sha256"),
        (["0" * 64, "../x"], "sha256[1]"),
        (["A" * 64], "sha256[0]"),
    ],
)
async def test_wrong_digests_are_refused(caller, asked, field):
    error = await error_of(caller.FindMissingBlobs(rpc.FindMissingBlobsRequest(sha256=asked)))

    assert isinstance(error, InvalidRequestError)
    assert error.violations[0].field == field


@pytest.mark.parametrize("digest", ["../../etc/passwd", "0" * 63, "", "0" * 64 + "\n", "\0" * 64])
async def test_a_digest_never_becomes_another_path(caller, digest):
    error = await error_of(caller.DownloadBlob(rpc.DownloadBlobRequest(sha256=digest)))
    assert isinstance(error, InvalidRequestError)
    error = await error_of(caller.upload(b"x", sha256=digest or " "))
    assert isinstance(error, InvalidRequestError)


async def test_an_upload_without_messages_is_refused(caller):
    assert isinstance(await error_of(caller.UploadBlob(iter([]))), InvalidRequestError)
    error = await error_of(caller.UploadBlob(iter([rpc.UploadBlobRequest(content=b"x")])))
    assert isinstance(error, InvalidRequestError)


@pytest.mark.parametrize(
    "how", [{"size": 1}, {"size": len(CONTENT) + 1}, {"sha256": sha256(b"other")}, {"size": 0}]
)
async def test_what_is_not_as_announced_is_not_stored(caller, tmp_path, how):
    error = await error_of(caller.upload(CONTENT, **how))

    assert isinstance(error, BlobDigestMismatchError)
    assert stored(tmp_path) == []


async def test_a_negative_size_is_refused(caller):
    assert isinstance(await error_of(caller.upload(b"x", size=-1)), InvalidRequestError)


async def test_a_blob_over_the_limit_is_refused_before_it_is_sent(tmp_path):
    async with registry(tmp_path, max_blob_bytes=1000) as caller:
        await caller.upload(b"x" * 1000)
        error = await error_of(caller.upload(b"x" * 1001))

    assert isinstance(error, UploadTooLargeError)
    assert error.metadata == {"limit_bytes": "1000"}
    assert len(stored(tmp_path)) == 1


async def test_a_caller_who_leaves_amid_an_upload_leaves_nothing_behind(caller, tmp_path):
    begun, stay = asyncio.Event(), asyncio.Event()

    async def messages():
        for number, message in enumerate(upload_messages(CONTENT)):
            yield message
            if number == 3:
                begun.set()
                await stay.wait()

    call = caller.UploadBlob(messages())
    sending = asyncio.ensure_future(asyncio.wait_for(call, 30))
    await begun.wait()
    await until(lambda: stored(tmp_path))
    call.cancel()
    await asyncio.wait([sending])
    await until(lambda: not stored(tmp_path))


async def test_a_crash_amid_an_upload_leaves_nothing_after_the_restart(tmp_path):
    part = tmp_path / "artifacts" / "parts" / "0123"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half of")
    async with registry(tmp_path):
        assert stored(tmp_path) == []


async def test_many_uploads_of_one_blob_at_once_store_it_once(caller, tmp_path):
    await asyncio.gather(*(caller.upload(CONTENT) for _ in range(8)))

    assert [path.name for path in stored(tmp_path)] == [sha256(CONTENT)]
    assert await download(caller, sha256(CONTENT)) == CONTENT


async def test_a_blob_that_is_not_stored_is_not_found(caller):
    error = await error_of(caller.DownloadBlob(rpc.DownloadBlobRequest(sha256="0" * 64)))

    assert isinstance(error, NotFoundError)
    assert error.metadata == {"resource": f"blobs/{'0' * 64}"}


@pytest.mark.parametrize("content", [CONTENT, b"small"])
@pytest.mark.parametrize(
    "alter", [lambda c: c[:-1], lambda c: c[:-1] + b"?", lambda c: b"", lambda c: c + b"?"]
)
async def test_an_altered_blob_is_data_loss_and_never_arrives_whole(caller, tmp_path, content, alter):
    digest = (await caller.upload(content)).sha256
    stored(tmp_path)[0].write_bytes(alter(content))
    received = hashlib.sha256()

    async def read():
        async for part in caller.DownloadBlob(rpc.DownloadBlobRequest(sha256=digest)):
            received.update(part.content)

    error = await error_of(read())
    assert isinstance(error, ArtifactCorruptError)
    assert error.metadata["resource"] == f"blobs/{digest}"
    assert received.hexdigest() != digest


async def test_a_caller_who_leaves_amid_a_download_keeps_no_file_open(caller, tmp_path):
    import psutil

    digest = (await caller.upload(CONTENT)).sha256
    call = caller.DownloadBlob(rpc.DownloadBlobRequest(sha256=digest))
    await call.read()
    call.cancel()

    await until(lambda: digest not in " ".join(f.path for f in psutil.Process().open_files()))


async def test_checks_of_bundles_leave_threads_for_other_calls_and_make_way_when_cancelled(
    caller, monkeypatch
):
    blobs, go_on, running, most = caller.app._blobs, threading.Event(), set(), []

    def slow(self, digests):
        running.add(threading.get_ident())
        most.append(len(running))
        go_on.wait(30)
        running.discard(threading.get_ident())
        return []

    monkeypatch.setattr(type(blobs), "missing", slow)
    request = rpc.FindMissingBlobsRequest(sha256=["a" * 64])
    calls = [caller.FindMissingBlobs(request) for _ in range(20)]
    calls += [caller.CreateMetricVersion(version_request(bundles.files("tox"))) for _ in range(20)]
    try:
        await until(lambda: len(running) == 2)
        for call in calls[20:]:
            call.cancel()
        async with asyncio.timeout(10):
            await caller.GetMetric(rpc.GetMetricRequest(name="metrics/tox"))
    finally:
        go_on.set()
    answers = await asyncio.gather(*calls[:20])

    assert len(answers) == 20
    assert max(most) == 2
    assert len(most) <= 22  # those that were cancelled while they waited took no thread
