"""What every blob store does: in memory, in a local folder, in another file system of fsspec."""

import pytest

from gnomon.errors import ArtifactCorruptError, BlobDigestMismatchError, NotFoundError
from gnomon_registry.adapters.blobs import FileBlobStore
from gnomon_registry.adapters.s3_blobs import S3BlobStore
from tests.registry.bundles import sha256
from tests.registry.fakes import FakeBlobStore
from tests.s3 import credentials, make_bucket

CONTENT = bytes(range(256)) * 10_000  # several parts of a download


class Store:
    """A store, and how to alter what it holds behind its back."""

    def __init__(self, kind, folder, s3=""):
        self.kind = kind
        if kind == "fake":
            self.blobs = FakeBlobStore()
        elif kind == "s3":
            bucket = folder.name.replace("_", "-").lower()[:60]
            make_bucket(s3, bucket)
            self.blobs = S3BlobStore(f"s3://{bucket}/prefix", s3)
        else:
            self.blobs = FileBlobStore(f"file://{folder}" if kind == "folder" else f"memory://{folder}")

    def alter(self, digest, content):
        if self.kind == "fake":
            self.blobs.contents[digest] = content
        else:
            path = self.blobs._blob(digest)
            if content is None:
                self.blobs._files.rm_file(path)
            else:
                self.blobs._files.pipe_file(path, content)

    def files(self):
        if self.kind == "fake":
            return {*self.blobs.contents, *self.blobs.manifests}
        return {path.rpartition("/")[2] for path in self.blobs._files.find(self.blobs._root)}


@pytest.fixture(params=["fake", "folder", "object store", "s3"])
def store(request, tmp_path, monkeypatch):
    if request.param != "s3":
        return Store(request.param, tmp_path)
    credentials(monkeypatch)
    return Store("s3", tmp_path, request.getfixturevalue("s3_endpoint"))


def put(store, content, digest=None, size=None):
    upload = store.blobs.upload(digest or sha256(content), len(content) if size is None else size)
    try:
        for start in range(0, len(content), 100_000):
            upload.write(content[start : start + 100_000])
        upload.finish()
    finally:
        upload.abort()


def read(store, digest):
    download = store.blobs.download(digest)
    parts = []
    try:
        while part := download.read():
            parts.append(part)
    finally:
        download.close()
    return b"".join(parts)


@pytest.mark.parametrize("content", [CONTENT, b"x", b""])
def test_a_blob_comes_back_as_it_went_in(store, content):
    put(store, content)

    assert read(store, sha256(content)) == content
    assert store.blobs.size(sha256(content)) == len(content)
    assert store.files() == {sha256(content)}


def test_a_sealed_upload_is_whole_and_not_stored_yet(store):
    upload, wrong = (store.blobs.upload(sha256(CONTENT), len(CONTENT)) for _ in range(2))
    upload.write(CONTENT)
    wrong.write(CONTENT[:-1] + b"?")
    upload.seal()
    with pytest.raises(BlobDigestMismatchError):
        wrong.seal()
    wrong.abort()

    assert store.blobs.size(sha256(CONTENT)) is None
    upload.finish()
    upload.abort()
    assert read(store, sha256(CONTENT)) == CONTENT


def test_a_sealed_upload_that_is_given_up_leaves_nothing(store):
    upload = store.blobs.upload(sha256(CONTENT), len(CONTENT))
    upload.write(CONTENT)
    upload.seal()
    upload.abort()

    assert store.files() == set()


def test_storing_what_is_stored_is_no_error(store):
    put(store, b"x")
    put(store, b"x")

    assert read(store, sha256(b"x")) == b"x"


@pytest.mark.parametrize(
    ("content", "digest", "size"),
    [
        (b"abc", sha256(b"abd"), 3),
        (b"abc", sha256(b"abc"), 2),
        (b"abc", sha256(b"abc"), 4),
        (b"", sha256(b"abc"), 0),
    ],
)
def test_what_is_not_as_announced_leaves_nothing(store, content, digest, size):
    with pytest.raises(BlobDigestMismatchError):
        put(store, content, digest, size)

    assert store.blobs.size(digest) is None
    assert store.files() == set()


def test_too_many_bytes_are_refused_as_they_arrive(store):
    upload = store.blobs.upload(sha256(b"abc"), 3)
    upload.write(b"abc")
    with pytest.raises(BlobDigestMismatchError):
        upload.write(b"d")
    upload.abort()

    assert store.files() == set()


def test_an_upload_that_is_given_up_leaves_nothing(store):
    upload = store.blobs.upload(sha256(CONTENT), len(CONTENT))
    upload.write(CONTENT[:1000])
    upload.abort()
    upload.abort()

    assert store.files() == set()


def test_missing_ones_are_told_once_and_in_order(store):
    put(store, b"b")
    asked = [sha256(content) for content in (b"c", b"b", b"a", b"c")]

    assert store.blobs.missing(asked) == [sha256(b"c"), sha256(b"a")]


def test_a_blob_that_is_not_stored_is_not_found(store):
    assert store.blobs.size("0" * 64) is None
    with pytest.raises(NotFoundError):
        store.blobs.download("0" * 64)


@pytest.mark.parametrize("altered", [CONTENT[:-1], CONTENT[:-1] + b"?", CONTENT + b"?", b""])
def test_an_altered_blob_is_never_read_whole(store, altered):
    put(store, CONTENT)
    store.alter(sha256(CONTENT), altered)

    with pytest.raises(ArtifactCorruptError):
        read(store, sha256(CONTENT))


@pytest.mark.parametrize("altered", [CONTENT[:-1], CONTENT[:-1] + b"?"])
def test_an_altered_blob_counts_as_missing(store, altered):
    put(store, CONTENT)
    store.alter(sha256(CONTENT), altered)

    assert store.blobs.missing([sha256(CONTENT)]) == [sha256(CONTENT)]


def test_uploading_again_repairs_an_altered_blob(store):
    put(store, CONTENT)
    store.alter(sha256(CONTENT), b"cut")
    put(store, CONTENT)

    assert read(store, sha256(CONTENT)) == CONTENT


def test_a_manifest_is_stored_by_its_digest_as_often_as_one_likes(store):
    store.blobs.put_manifest("d" * 64, b"{}")
    store.blobs.put_manifest("d" * 64, b"{}")

    assert {name.removesuffix(".json") for name in store.files()} == {"d" * 64}


def test_the_folder_is_laid_out_by_digest(tmp_path):
    store = Store("folder", tmp_path)
    put(store, b"x")
    store.blobs.put_manifest("d" * 64, b"{}")

    digest = sha256(b"x")
    assert (tmp_path / "blobs" / digest[:2] / digest).read_bytes() == b"x"
    assert (tmp_path / "manifests" / f"{'d' * 64}.json").read_bytes() == b"{}"


def test_cleaning_removes_what_nobody_writes_any_more(tmp_path):
    store = Store("folder", tmp_path)
    running = store.blobs.upload(sha256(b"abc"), 3)
    running.write(b"ab")
    (tmp_path / "parts" / "left-by-a-crash").write_bytes(b"ab")

    FileBlobStore(f"file://{tmp_path}").clean()
    left = [path.name for path in (tmp_path / "parts").iterdir()]
    running.write(b"c")
    running.seal()
    FileBlobStore(f"file://{tmp_path}").clean()
    running.finish()

    assert left != []
    assert "left-by-a-crash" not in left
    assert read(store, sha256(b"abc")) == b"abc"


def test_cleaning_a_store_that_is_not_there_yet_does_nothing(tmp_path):
    FileBlobStore(f"file://{tmp_path / 'new'}").clean()
    FileBlobStore("memory://new").clean()

    assert not (tmp_path / "new").exists()


def test_a_blob_is_read_anywhere(store):
    put(store, CONTENT)
    with store.blobs.open(sha256(CONTENT)) as file:
        file.seek(1_000_000)
        assert file.read(10) == CONTENT[1_000_000:1_000_010]
        file.seek(3)
        assert file.read(2) == CONTENT[3:5]


def test_a_blob_that_is_not_stored_cannot_be_opened(store):
    with pytest.raises(NotFoundError):
        store.blobs.open("a" * 64)
