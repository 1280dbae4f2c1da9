"""The cache of bundles: whole or not at all, checked at every load."""

import asyncio
import errno
import hashlib
import os
import shutil
import time

import pytest

from gnomon._files import NewFolder
from gnomon.errors import (
    ApiKeyExpiredError,
    ArtifactCorruptError,
    BlobMissingError,
    BundleInvalidError,
    NotFoundError,
    RegistryUnavailableError,
    StorageFullError,
)
from gnomon_scorer.adapters.bundles import BundleCache
from tests.scorer.evaluators import make_bundle
from tests.scorer.fakes import version_name

NAME = version_name("toxicity/1")


class FakeOrigin:
    """Gives a bundle; `alter` may spoil a download, `error` ends it."""

    def __init__(self, made):
        self.made = made
        self.downloads = 0
        self.alter = lambda folder: None
        self.error = None
        self.refuses = None

    async def files(self, name):
        if self.refuses:
            raise self.refuses
        return self.made.files

    async def download(self, name, folder):
        self.downloads += 1
        await asyncio.sleep(0)
        self.made.write(folder)
        self.alter(folder)
        if self.error:
            raise self.error


@pytest.fixture
def origin():
    return FakeOrigin(make_bundle())


@pytest.fixture
def cache(tmp_path, origin):
    return BundleCache(tmp_path / "cache", origin)


def entries(tmp_path):
    return sorted(path.name for path in (tmp_path / "cache").iterdir())


async def test_a_bundle_is_downloaded_once_and_kept_by_its_digest(cache, origin, tmp_path):
    first, second = await asyncio.gather(cache.fetch(NAME), cache.fetch(version_name("toxicity/2")))
    again = await BundleCache(tmp_path / "cache", origin).fetch(NAME)

    assert first == second == again
    assert first.evaluator == origin.made.evaluator
    assert origin.downloads == 1
    assert entries(tmp_path) == [origin.made.digest]


@pytest.mark.parametrize("file", ["model.onnx", "tokenizer.json", "evaluator.json"])
async def test_a_cached_file_that_was_altered_or_lost_is_fetched_again(cache, origin, tmp_path, file):
    folder = (await cache.fetch(NAME)).folder
    with (folder / file).open("ab") as content:
        content.write(b" ")
    assert (await cache.fetch(NAME)).evaluator == origin.made.evaluator
    (folder / file).unlink()
    assert (await cache.fetch(NAME)).evaluator == origin.made.evaluator

    assert origin.downloads == 3
    assert entries(tmp_path) == [origin.made.digest]


@pytest.mark.parametrize(
    "spoil", [lambda f: (f / "model.onnx").write_bytes(b""), lambda f: (f / "model.onnx").unlink()]
)
async def test_what_is_wrong_at_the_registry_is_an_error_and_leaves_nothing(cache, origin, tmp_path, spoil):
    origin.alter = spoil

    with pytest.raises(ArtifactCorruptError, match=r"model\.onnx"):
        await cache.fetch(NAME)

    assert entries(tmp_path) == []


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (BlobMissingError("gone"), ArtifactCorruptError),
        (NotFoundError("not stored"), ArtifactCorruptError),
        (RegistryUnavailableError("away"), RegistryUnavailableError),
        (OSError(errno.ENOSPC, "full"), StorageFullError),
        (OSError(errno.EDQUOT, "full"), StorageFullError),
        (OSError(errno.EIO, "broken"), OSError),
    ],
)
async def test_a_download_that_breaks_leaves_nothing_and_can_be_tried_again(
    cache, origin, tmp_path, error, seen
):
    origin.error = error
    with pytest.raises(seen):
        await cache.fetch(NAME)
    assert entries(tmp_path) == []

    origin.error = None
    await cache.fetch(NAME)
    assert entries(tmp_path) == [origin.made.digest]


async def test_an_evaluator_that_cannot_be_read_is_told(tmp_path):
    origin = FakeOrigin(make_bundle().replacing("evaluator.json", b"{}"))

    with pytest.raises(BundleInvalidError):
        await BundleCache(tmp_path / "cache", origin).fetch(NAME)


async def test_what_a_killed_process_left_is_cleared_later(cache, origin, tmp_path):
    def part(name):
        folder = NewFolder(tmp_path / "cache" / f".part-{name}")  # the client fills another, beside its place
        folder.write("model.onnx", b"half of it")
        return folder.path

    def aged(*paths):
        for path in paths:
            os.utime(path, (0, 0))

    killed, slow, fresh = part("killed"), part("slow"), part("fresh")
    aged(killed / "model.onnx", killed, slow)  # a file that is written for hours leaves its folder as it is
    published = tmp_path / "cache/.part-published"
    published.mkdir()
    aged(published)

    await cache.fetch(NAME)

    assert entries(tmp_path) == sorted([slow.name, fresh.name, origin.made.digest])


async def test_an_emptied_cache_is_no_problem(cache, origin, tmp_path):
    await cache.fetch(NAME)
    shutil.rmtree(tmp_path / "cache")

    assert (await cache.fetch(NAME)).evaluator == origin.made.evaluator


def kept(tmp_path, digest_of, age_s, size_bytes=1000):
    """Return the folder of another bundle, loaded so long ago."""
    folder = tmp_path / "cache" / hashlib.sha256(digest_of).hexdigest()
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(bytes(size_bytes))
    os.utime(folder, (time.time() - age_s,) * 2)
    return folder


async def test_a_full_folder_loses_what_was_loaded_least_recently(tmp_path):
    made = make_bundle()
    size = sum(len(content) for content in made.contents.values())
    old, older, fresh = (
        kept(tmp_path, name, age_s) for name, age_s in ((b"old", 10_000), (b"older", 20_000), (b"fresh", 10))
    )
    (tmp_path / "cache" / "proved").mkdir()
    origin = FakeOrigin(made)

    await BundleCache(tmp_path / "cache", origin, most_bytes=size + 2000).fetch(NAME)
    assert not older.exists()
    assert old.exists()
    assert fresh.exists()

    shutil.rmtree(tmp_path / "cache" / made.digest)
    await BundleCache(tmp_path / "cache", origin, most_bytes=1).fetch(NAME)
    assert entries(tmp_path) == sorted([made.digest, fresh.name, "proved"])  # loaded within the hour


async def test_on_a_full_disk_what_was_loaded_least_recently_makes_room_for_a_download(
    cache, origin, tmp_path
):
    size = sum(len(content) for content in origin.made.contents.values())
    oldest = kept(tmp_path, b"oldest", 30_000, size // 2)
    older = kept(tmp_path, b"older", 20_000, size)
    old, fresh = kept(tmp_path, b"old", 10_000), kept(tmp_path, b"fresh", 10)

    def needs_room(folder):
        if older.exists():
            raise OSError(errno.ENOSPC, "No space left on device")

    origin.alter = needs_room
    await cache.fetch(NAME)

    assert origin.downloads == 2
    assert entries(tmp_path) == sorted([old.name, fresh.name, origin.made.digest])
    assert not oldest.exists()


async def test_a_full_disk_without_anything_to_remove_is_told_at_once(cache, origin, tmp_path):
    fresh = kept(tmp_path, b"fresh", 10)
    origin.error = OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageFullError, match="scorer's disk is full"):
        await cache.fetch(NAME)

    assert origin.downloads == 1
    assert entries(tmp_path) == [fresh.name]


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
async def test_a_bundle_that_cannot_be_looked_at_just_now_is_not_thrown_away(
    cache, origin, tmp_path, monkeypatch, number
):
    before = await cache.fetch(NAME)

    def refused(*_):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as machine:
        machine.setattr(hashlib, "file_digest", refused)
        with pytest.raises(OSError, match=os.strerror(number)):
            await cache.fetch(NAME)

    assert await cache.fetch(NAME) == before
    assert origin.downloads == 1


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
async def test_a_bundle_of_which_a_file_cannot_be_read_is_fetched_anew(cache, origin, monkeypatch, number):
    before = await cache.fetch(NAME)
    read, failures = hashlib.file_digest, [OSError(number, os.strerror(number))]

    def unreadable_once(*arguments):
        if failures:
            raise failures.pop()
        return read(*arguments)

    monkeypatch.setattr(hashlib, "file_digest", unreadable_once)

    assert await cache.fetch(NAME) == before
    assert origin.downloads == 2


async def test_a_bundle_that_is_loaded_again_is_no_longer_the_oldest(cache, tmp_path):
    folder = (await cache.fetch(NAME)).folder
    os.utime(folder, (1, 1))
    await cache.fetch(NAME)

    assert folder.stat().st_mtime > time.time() - 60


async def test_a_number_that_a_restored_registry_gives_anew_is_the_new_bundle(cache, origin, tmp_path):
    before = await cache.fetch(NAME)
    origin.made = make_bundle(max_tokens=16)
    assert origin.made.evaluator != before.evaluator

    assert (await cache.fetch(NAME)).evaluator == origin.made.evaluator
    shutil.rmtree(tmp_path / "cache")
    assert (await cache.fetch(NAME)).evaluator == origin.made.evaluator


@pytest.mark.parametrize(
    "error",
    [
        RegistryUnavailableError("away"),
        ApiKeyExpiredError("the scorer's own"),
        ArtifactCorruptError("database"),
    ],
)
async def test_what_is_on_this_disk_is_loaded_again_while_the_registry_does_not_tell(cache, origin, error):
    before = await cache.fetch(NAME)
    origin.refuses = error

    assert await cache.fetch(NAME) == before
    with pytest.raises(type(error)):
        await cache.fetch(version_name("toxicity/2"))


async def test_what_the_registry_does_not_have_any_more_is_not_loaded(cache, origin):
    await cache.fetch(NAME)
    origin.refuses = NotFoundError("purged")

    with pytest.raises(NotFoundError):
        await cache.fetch(NAME)
