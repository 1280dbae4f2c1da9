"""Artifacts in an S3-compatible store."""

from datetime import timedelta

import pytest
from botocore.exceptions import EndpointConnectionError
from s3fs.core import S3File

from gnomon.errors import ServiceUnavailableError
from gnomon_registry.adapters import s3_blobs
from gnomon_registry.adapters.s3_blobs import S3BlobStore
from tests.registry import bundles
from tests.registry.running import error_of, registry
from tests.s3 import credentials, make_bucket, uploads_under_way

LARGE = bytes(range(256)) * 4 * 6 * 1024  # 6 MiB: more than the least part of a multipart upload


@pytest.fixture
def endpoint(s3_endpoint, monkeypatch):
    credentials(monkeypatch)
    return s3_endpoint


@pytest.fixture
def bucket(endpoint, tmp_path):
    name = tmp_path.name.replace("_", "-").lower()[:60]
    make_bucket(endpoint, name)
    return name


@pytest.fixture
def store(endpoint, bucket):
    store = S3BlobStore(f"s3://{bucket}/models", endpoint)
    store._files.default_block_size = 5 * 1024 * 1024
    return store


def begin(store, content):
    upload = store.upload(bundles.sha256(content), len(content))
    upload.write(content[: len(content) // 2])
    upload.write(content[len(content) // 2 :])
    return upload


def test_a_blob_is_seen_once_its_digest_is_known_to_be_right(store, endpoint, bucket):
    upload = begin(store, LARGE)
    assert uploads_under_way(endpoint, bucket)
    assert store.size(bundles.sha256(LARGE)) is None
    upload.finish()
    upload.abort()

    assert store.size(bundles.sha256(LARGE)) == len(LARGE)
    assert store.missing([bundles.sha256(LARGE)]) == []
    assert uploads_under_way(endpoint, bucket) == []


def test_an_upload_that_is_given_up_leaves_no_parts(store, endpoint, bucket):
    begin(store, LARGE).abort()

    assert uploads_under_way(endpoint, bucket) == []
    assert list(store.stored()) == []


def test_parts_of_a_process_that_was_killed_go_at_a_start_a_day_later(store, endpoint, bucket, monkeypatch):
    begin(store, LARGE)
    with monkeypatch.context() as patch:  # the server says of every upload that it began in 2010
        patch.setattr(s3_blobs, "_LEFT_OVER", timedelta(days=365 * 100))
        store.clean()
    assert uploads_under_way(endpoint, bucket)
    store.clean()

    assert uploads_under_way(endpoint, bucket) == []


def test_what_is_listed_can_be_removed_unless_it_was_stored_again(store):
    begin(store, b"a blob").finish()
    store.put_manifest("b" * 64, b"{}")
    store.put_manifest("b" * 64, b"{}")  # of another process: the first one stays
    found = {file.digest: file for file in store.stored()}

    assert {file.size_bytes for file in found.values()} == {6, 2}
    with pytest.raises(KeyError):
        store.remove(found["b" * 64], {}.popitem)  # the last look forbids it
    assert all(store.remove(file, lambda: None) for file in found.values())
    assert not any(store.remove(file, lambda: None) for file in found.values())
    assert list(store.stored()) == []


def test_a_bucket_that_is_not_there_is_told(endpoint):
    store = S3BlobStore("s3://no-such-bucket/models", endpoint)
    with pytest.raises(ServiceUnavailableError):
        begin(store, LARGE).finish()


def test_a_store_that_is_away_is_told_with_a_time_to_come_back(monkeypatch):
    credentials(monkeypatch)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    store = S3BlobStore("s3://bucket/models", "http://127.0.0.1:9")
    for attempt in (
        lambda: store.size("a" * 64),
        lambda: store.missing(["a" * 64]),
        lambda: store.download("a" * 64),
        lambda: store.open("a" * 64),
        lambda: store.put_manifest("a" * 64, b"{}"),
        lambda: begin(store, LARGE).finish(),
        lambda: list(store.stored()),
    ):
        with pytest.raises(ServiceUnavailableError, match="does not answer") as raised:
            attempt()
        assert raised.value.retry_after_s


def test_a_store_that_goes_away_before_a_blob_is_read_is_told_too(store, monkeypatch):
    def cut(*_):
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:9")

    begin(store, LARGE).finish()
    monkeypatch.setattr(S3File, "_fetch_range", cut)
    with (
        store.open(bundles.sha256(LARGE)) as file,
        pytest.raises(ServiceUnavailableError, match="does not answer") as raised,
    ):
        file.read()

    assert raised.value.retry_after_s


async def test_a_registry_keeps_its_artifacts_in_a_bucket(tmp_path, endpoint, bucket):
    where = {"artifact_url": f"s3://{bucket}/models", "artifact_endpoint_url": endpoint}
    async with registry(tmp_path, **where) as caller:
        await caller.metric("tox")
        version = await caller.version(salt="in a bucket")
        await caller.upload(LARGE)
        error = await error_of(caller.upload(b"other", sha256="c" * 64))
    stored = {file.digest for file in S3BlobStore(where["artifact_url"], endpoint).stored()}

    assert {file.sha256 for file in version.bundle.files} <= stored
    assert bundles.sha256(LARGE) in stored
    assert "c" * 64 not in stored
    assert "brought" in error.message
    assert not (tmp_path / "artifacts").exists()
