"""A blob and its count come together or not at all, whatever fails, races or is killed in between."""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.errors import BlobDigestMismatchError, QuotaExceededError
from gnomon.names import ApiKeyName
from gnomon.quotas import Quotas
from gnomon.v1 import access_service_pb2 as rpc
from gnomon_registry.adapters import blobs as adapter
from gnomon_registry.domain.entities import BlobOwner
from gnomon_registry.domain.garbage import Garbage
from gnomon_registry.domain.stored import StoredBytes
from tests.registry import bundles
from tests.registry.fakes import FakeBlobStore, FakeCatalog
from tests.registry.running import error_of, upload_messages
from tests.registry.test_api_keys import bearer, guarded

CONTENT = b"12345678"
DIGEST = bundles.sha256(CONTENT)


async def limited(access, storage_bytes=10):
    return await access.create("registry:write", quotas=rpc.Quotas(storage_bytes=storage_bytes))


def put(access, made, content=CONTENT, **how):
    messages = iter(upload_messages(content, **how))
    return access.registry.UploadBlob(messages, metadata=bearer(made.key_text))


def used(access, made):
    stored = StoredBytes(access.app._catalog, access.app._blobs)
    return stored.of(ApiKeyName.parse(made.api_key.name)).storage_bytes


@pytest.mark.parametrize("is_same_key", [True, False])
async def test_an_upload_that_turns_out_wrong_takes_no_other_s_count_away(tmp_path, monkeypatch, is_same_key):
    finish, right_began, wrong_ended = adapter.FileUpload.finish, threading.Event(), threading.Event()

    def meet(upload):  # the right one is stored between the first and the last step of the wrong one
        if upload._hash.hexdigest() == upload._sha256:
            right_began.set()
            wrong_ended.wait(5)
        else:
            right_began.wait(0.3)
        finish(upload)

    monkeypatch.setattr(adapter.FileUpload, "finish", meet)
    async with guarded(tmp_path) as access:
        one = await limited(access)
        other = one if is_same_key else await limited(access)
        wrong = asyncio.ensure_future(error_of(put(access, one, b"87654321", sha256=DIGEST)))
        await asyncio.sleep(0.1)
        right = asyncio.ensure_future(put(access, other))
        await wrong
        wrong_ended.set()
        await right
        assert used(access, other) == 8
        if not is_same_key:
            assert used(access, one) == 0


async def test_an_upload_that_fails_at_its_last_step_counts_nothing_and_can_be_repeated(
    tmp_path, monkeypatch
):
    def fail(self):
        raise RuntimeError("at the worst time")

    async with guarded(tmp_path) as access:
        made = await limited(access)
        with monkeypatch.context() as patch:
            patch.setattr(adapter._Part, "move_into_place", fail)
            await error_of(put(access, made))
        assert used(access, made) == 0
        await put(access, made)
        assert used(access, made) == 8


async def test_a_caller_who_leaves_while_the_catalog_is_busy_is_not_charged_for_nothing(
    tmp_path, monkeypatch
):
    began, ended, busy = asyncio.Event(), asyncio.Event(), threading.Event()
    loop, write, abort = asyncio.get_running_loop(), adapter.FileUpload.write, adapter.FileUpload.abort

    def write_once_busy(upload, content):
        loop.call_soon_threadsafe(began.set)
        busy.wait(5)
        write(upload, content)

    def note_the_end(upload):
        abort(upload)
        loop.call_soon_threadsafe(ended.set)

    async with guarded(tmp_path) as access:
        made = await limited(access)
        monkeypatch.setattr(adapter.FileUpload, "write", write_once_busy)
        monkeypatch.setattr(adapter.FileUpload, "abort", note_the_end)
        async with asyncio.timeout(10):
            call = put(access, made)
            await began.wait()
            with access.app._catalog.writing():
                busy.set()
                await asyncio.sleep(0.2)  # it waits for its turn to write
                call.cancel()
                await asyncio.sleep(0.1)
            await ended.wait()
        assert used(access, made) == (access.app._blobs.size(DIGEST) or 0)
        await put(access, made)
        assert used(access, made) == 8


def die_when_the_blob_takes_its_place(folder):
    async def upload():
        async with guarded(folder) as access:
            made = await limited(access)
            (folder / "key").write_bytes(made.SerializeToString())
            adapter._Part.move_into_place = lambda self: os.kill(os.getpid(), signal.SIGKILL)
            await put(access, made)

    asyncio.run(upload())


async def test_an_upload_whose_process_is_killed_counts_nothing_and_can_be_repeated(tmp_path):
    process = multiprocessing.get_context("spawn").Process(
        target=die_when_the_blob_takes_its_place, args=(tmp_path,)
    )
    process.start()
    await asyncio.to_thread(process.join, 60)
    made = rpc.CreateApiKeyResponse.FromString((tmp_path / "key").read_bytes())
    async with guarded(tmp_path) as access:
        left = used(access, made)
        await put(access, made)
        again = used(access, made)

    assert (process.exitcode, left, again) == (-signal.SIGKILL, 0, 8)


class Failing:
    """An upload that is right, and fails at its last step if it is told to."""

    def __init__(self, upload, fails):
        self._upload, self._fails = upload, fails
        self.seal = upload.seal

    def finish(self):
        if self._fails:
            raise OSError("at the worst time")
        self._upload.finish()


KEYS, CONTENTS = ["apiKeys/a", "apiKeys/b"], [bytes([n]) * n for n in range(1, 7)]
QUOTAS = Quotas(storage_bytes=10)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(CONTENTS), st.booleans(), st.booleans())),
    st.sets(st.sampled_from(CONTENTS)),
)
def test_what_is_stored_is_counted_once_and_nothing_else_is(uploads, void):
    catalog, blobs = FakeCatalog(), FakeBlobStore()
    stored = StoredBytes(catalog, blobs)
    with catalog.writing() as writer:
        for content in void:  # left by a process that was killed while it removed them
            writer.put_blob_owner(bundles.sha256(content), BlobOwner(KEYS[0], len(content)))
    for key, content, is_wrong, fails in uploads:
        digest = bundles.sha256(content)
        upload = blobs.upload(digest, len(content))
        upload.write(b"?" * len(content) if is_wrong else content)
        with contextlib.suppress(BlobDigestMismatchError, QuotaExceededError, OSError):
            stored.check_room(digest, len(content), key, QUOTAS)
            stored.put(Failing(upload, fails), digest, len(content), key, QUOTAS)
    list(Garbage(catalog, blobs, lambda: datetime.now(UTC), timedelta(), timedelta()).remove([]))

    counts = [stored.of(ApiKeyName.parse(key)).storage_bytes for key in KEYS]
    assert sum(counts) == sum(map(len, blobs.contents.values()))
    assert max(counts) <= 10


def test_a_void_count_does_not_keep_its_key_from_storing_the_blob():
    stored = StoredBytes(FakeCatalog(), FakeBlobStore())
    with stored.store.writing() as catalog:
        catalog.put_blob_owner(DIGEST, BlobOwner(KEYS[0], len(CONTENT)))
    upload = stored.blobs.upload(DIGEST, len(CONTENT))
    upload.write(CONTENT)
    stored.check_room(DIGEST, len(CONTENT), KEYS[0], QUOTAS)
    stored.put(upload, DIGEST, len(CONTENT), KEYS[0], QUOTAS)

    assert stored.of(ApiKeyName.parse(KEYS[0])).storage_bytes == 8
