"""Bundles on the way to the registry and back, with a registry in memory."""

import hashlib
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from gnomon import bundle, errors
from gnomon.v1 import registry_service_pb2 as registry
from gnomon.v1 import resources_pb2 as pb
from tests.sdk.serving import collected, connected, names, serving

NAME = "metrics/toxicity/versions/1"


class InMemory:
    """The part of a registry that keeps versions."""

    def __init__(self, broken_uploads: int = 0, broken_downloads: int = 0) -> None:
        self.blobs: dict[str, bytes] = {}
        self.version = pb.MetricVersion()
        self.uploads: list[str] = []
        self.largest_part = 0
        self.request_ids: set[str] = set()
        self._broken_uploads = broken_uploads
        self._broken_downloads = broken_downloads

    def methods(self) -> dict[str, Any]:
        return {
            "FindMissingBlobs": self.find,
            "UploadBlob": self.upload,
            "DownloadBlob": self.download,
            "CreateMetricVersion": self.create,
            "GetMetricVersion": self.get,
        }

    async def find(self, request: Any, context: Any) -> Any:
        missing = [sha256 for sha256 in request.sha256 if sha256 not in self.blobs]
        return registry.FindMissingBlobsResponse(missing_sha256=missing)

    async def upload(self, requests: AsyncIterator[Any], context: Any) -> Any:
        announced, content = "", b""
        async for request in requests:
            announced = announced or request.sha256
            content += request.content
            self.largest_part = max(self.largest_part, len(request.content))
            if self._broken_uploads and len(content) > 100_000:
                self._broken_uploads -= 1
                await context.abort(grpc.StatusCode.UNAVAILABLE, "broken midway")
        assert hashlib.sha256(content).hexdigest() == announced
        self.uploads.append(announced)
        self.blobs[announced] = content
        return registry.UploadBlobResponse(sha256=announced)

    async def create(self, request: Any, context: Any) -> pb.MetricVersion:
        self.request_ids.add(request.request_id)
        self.version = request.metric_version
        self.version.name = f"{request.parent}/versions/1"
        files = [bundle.BundleFile(f.path, f.sha256, f.size_bytes) for f in self.version.bundle.files]
        self.version.bundle.digest = bundle.digest(files)
        return self.version

    async def get(self, request: Any, context: Any) -> pb.MetricVersion:
        return self.version

    async def download(self, request: Any, context: Any) -> AsyncIterator[Any]:
        content = self.blobs[request.sha256]
        for start in range(0, len(content), 65_536):
            yield registry.DownloadBlobResponse(content=content[start : start + 65_536])
            if self._broken_downloads and start:
                self._broken_downloads -= 1
                await context.abort(grpc.StatusCode.UNAVAILABLE, "broken midway")


def contents(folder: Path) -> dict[str, bytes]:
    """Return a bundle's files; its manifest is none of them."""
    files = [p for p in folder.rglob("*") if p.is_file() and p.name != bundle.MANIFEST_FILE]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files that have the names of a bundle's; the registry in memory looks no further."""
    folder = tmp_path / "bundle"
    (folder / "onnx").mkdir(parents=True)
    (folder / "evaluator.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")  # the same content: one blob
    (folder / "empty.txt").write_bytes(b"")
    (folder / "onnx" / "model.onnx").write_bytes(bytes(range(256)) * 10_000)
    return folder


async def test_a_version_comes_back_as_it_was_registered(kind: str, folder: Path, tmp_path: Path) -> None:
    store = InMemory()
    async with serving(**store.methods()) as address, connected(kind, address) as client:
        made = await client.versions.create("toxicity", folder, description="first")
        assert (made.name, made.description) == (NAME, "first")
        got = await client.versions.download("toxicity@1", tmp_path / "there" / "copy")
    assert got.name == NAME
    assert contents(tmp_path / "there" / "copy") == contents(folder)
    assert names(tmp_path / "there") == ["copy"]
    assert store.largest_part <= 1024 * 1024


async def test_a_registry_may_take_longer_to_check_a_larger_bundle(kind: str, folder: Path) -> None:
    left: dict[str, float] = {}

    class Telling(InMemory):
        async def find(self, request: Any, context: Any) -> Any:
            left["find"] = context.time_remaining()
            return await super().find(request, context)

        async def create(self, request: Any, context: Any) -> pb.MetricVersion:
            left["create"] = context.time_remaining()
            return await super().create(request, context)

    store = Telling()
    (folder / "weights.bin").write_bytes(bytes(20 * 1024 * 1024))
    async with serving(**store.methods()) as address, connected(kind, address, timeout_s=30.0) as client:
        await client.versions.create("toxicity", folder)

    assert left.keys() == {"find", "create"}
    assert all(remaining > 45 for remaining in left.values()), left


async def test_only_missing_blobs_are_sent_and_each_once(kind: str, folder: Path) -> None:
    store = InMemory()
    async with serving(**store.methods()) as address, connected(kind, address) as client:
        await client.versions.create("toxicity", folder)
        assert len(store.uploads) == 3  # two files have the same content
        (folder / "report.json").write_text('{"new": true}')
        await client.versions.create("toxicity", folder)
    assert len(store.uploads) == 4


async def test_broken_transfers_begin_again(kind: str, folder: Path, tmp_path: Path) -> None:
    store = InMemory(broken_uploads=2, broken_downloads=2)
    async with serving(**store.methods()) as address, connected(kind, address) as client:
        version = await client.versions.create("toxicity", folder)
        await client.versions.download(version, tmp_path / "copy")
    assert contents(tmp_path / "copy") == contents(folder)


def cut(content: bytes) -> bytes:
    return content[:-1]


def lengthened(content: bytes) -> bytes:
    return content + b"!"


def altered(content: bytes) -> bytes:
    return b"!" + content[1:]


@pytest.mark.parametrize("damage", [cut, lengthened, altered])
async def test_a_damaged_file_leaves_no_folder_behind(
    kind: str, folder: Path, tmp_path: Path, damage: Any
) -> None:
    store = InMemory()
    async with serving(**store.methods()) as address, connected(kind, address) as client:
        version = await client.versions.create("toxicity", folder)
        model = next(f for f in version.bundle.files if f.path.endswith(".onnx"))
        store.blobs[model.sha256] = damage(store.blobs[model.sha256])
        with pytest.raises(errors.ArtifactCorruptError, match=r"onnx/model\.onnx") as caught:
            await client.versions.download(version, tmp_path / "there" / "copy")
    assert caught.value.metadata["path"] == "onnx/model.onnx"
    assert names(tmp_path / "there") == []


@pytest.mark.parametrize("path", ["../evil", "/etc/evil", "a/../../evil", "a\0b", ".hidden", ""])
async def test_a_path_that_leaves_the_folder_is_refused(
    kind: str, folder: Path, tmp_path: Path, path: str
) -> None:
    store = InMemory()
    async with serving(**store.methods()) as address, connected(kind, address) as client:
        version = await client.versions.create("toxicity", folder)
        version.bundle.files[0].path = path
        with pytest.raises(errors.BundleInvalidError):
            await client.versions.download(version, tmp_path / "there" / "copy")
    assert not (tmp_path / "there").exists()


async def test_a_list_of_files_that_was_altered_is_refused(kind: str, folder: Path, tmp_path: Path) -> None:
    store = InMemory()
    async with serving(**store.methods()) as address, connected(kind, address) as client:
        version = await client.versions.create("toxicity", folder)
        del version.bundle.files[next(i for i, f in enumerate(version.bundle.files) if f.path == "empty.txt")]
        with pytest.raises(errors.ArtifactCorruptError):
            await client.versions.download(version, tmp_path / "copy")


async def test_a_folder_with_something_in_it_is_not_touched(kind: str, folder: Path, tmp_path: Path) -> None:
    store = InMemory()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("keep me")
    async with serving(**store.methods()) as address, connected(kind, address) as client:
        version = await client.versions.create("toxicity", folder)
        with pytest.raises(FileExistsError, match="mine"):
            await client.versions.download(version, tmp_path / "mine")
    assert contents(tmp_path / "mine") == {"letter.txt": b"keep me"}


async def test_a_folder_that_is_no_bundle_is_refused_before_anything_is_sent(
    kind: str, tmp_path: Path
) -> None:
    async with connected(kind, "127.0.0.1:1") as client:
        with pytest.raises(NotADirectoryError, match="nowhere"):
            await client.versions.create("toxicity", tmp_path / "nowhere")
        with pytest.raises(errors.BundleInvalidError, match=r"evaluator\.json"):
            await client.versions.create("toxicity", tmp_path)


async def test_a_given_request_id_is_used(kind: str, folder: Path) -> None:
    store = InMemory()
    given = "7b1f2c3e-0000-4000-8000-000000000000"
    async with serving(**store.methods()) as address, connected(kind, address) as client:
        await client.versions.create("toxicity", folder, request_id=given)
    assert store.request_ids == {given}


async def test_an_upload_whose_file_vanishes_raises_that(kind: str, tmp_path: Path) -> None:
    """The source's own error reaches the caller, not gRPC's word for it."""
    store = InMemory()

    async def find_and_remove(request: Any, context: Any) -> Any:
        (tmp_path / "evaluator.json").unlink()
        return registry.FindMissingBlobsResponse(missing_sha256=request.sha256)

    for name in ("evaluator.json", "tokenizer.json"):
        (tmp_path / name).write_text(name)
    methods = store.methods() | {"FindMissingBlobs": find_and_remove}
    async with serving(**methods) as address, connected(kind, address) as client:
        with pytest.raises(FileNotFoundError, match=r"evaluator\.json"):
            await client.versions.create("toxicity", tmp_path)


async def test_two_versions_are_compared_measure_by_measure(kind: str) -> None:
    def report(**measures: tuple[float, float, float]) -> pb.EvaluationReport:
        return pb.EvaluationReport(
            measures=[
                pb.Measure(key=k, value=v, low=low, high=high) for k, (v, low, high) in measures.items()
            ]
        )

    reports = {
        "metrics/m/versions/1": report(macro_f1=(0.5, 0.25, 0.75), ece=(0.125, 0.0625, 0.25)),
        "metrics/m/versions/production": report(macro_f1=(0.75, 0.5, 1.0), auroc=(1.0, 1.0, 1.0)),
    }

    async def get(request: Any, context: Any) -> pb.MetricVersion:
        return pb.MetricVersion(name=request.name, report=reports[request.name])

    async with serving(GetMetricVersion=get) as address, connected(kind, address) as client:
        rows = await client.versions.compare("m@1", "m")
    assert [row.measure for row in rows] == ["macro_f1", "ece", "auroc"]
    assert (rows[0].a_value, rows[0].b_value, rows[0].b_high) == (0.5, 0.75, 1.0)
    assert (rows[1].b_value, rows[2].a_value) == (None, None)


async def test_aliases_keep_their_protection_unless_told(kind: str) -> None:
    seen: list[Any] = []

    async def get(request: Any, context: Any) -> pb.Alias:
        if request.name.endswith("/production"):
            return pb.Alias(name=request.name, protected=True, etag="old")
        raise errors.NotFoundError("No such alias.", resource=request.name)

    async def set_alias(request: Any, context: Any) -> pb.Alias:
        seen.append(request)
        return request.alias

    async with serving(GetAlias=get, SetAlias=set_alias) as address, connected(kind, address) as client:
        await client.aliases.set("m", "production", 3, allow_protected=True)
        await client.aliases.set("m", "shadow", "production")
        await client.aliases.set("metrics/m", "shadow", "m@7", protected=True, etag="mine")
    assert [r.alias.metric_version.rpartition("/")[2] for r in seen] == ["3", "production", "7"]
    assert [r.alias.protected for r in seen] == [True, False, True]
    assert [r.alias.etag for r in seen] == ["", "", "mine"]
    assert [r.allow_protected for r in seen] == [True, False, False]
    assert seen[2].alias.name == "metrics/m/aliases/shadow"


async def test_a_repeated_set_is_known_to_be_the_same_one(kind: str) -> None:
    seen: list[Any] = []

    async def set_alias(request: Any, context: Any) -> pb.Alias:
        seen.append(request)
        if len(seen) == 1:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the answer is lost")
        return request.alias

    async with serving(SetAlias=set_alias) as address, connected(kind, address) as client:
        for _ in range(2):
            await client.aliases.set("m", "production", 3, protected=False)
    first, repeated, other = (uuid.UUID(request.request_id) for request in seen)
    assert first == repeated != other


async def test_deleting_a_version_asks_for_its_number(kind: str) -> None:
    async with connected(kind, "127.0.0.1:1") as client:
        with pytest.raises(errors.InvalidRequestError):
            await client.versions.delete("toxicity")


async def test_histories_and_catalogs_are_plain_iterators(kind: str) -> None:
    async def events(request: Any, context: Any) -> Any:
        return registry.ListAliasEventsResponse(alias_events=[pb.AliasEvent(alias=request.parent)])

    def two(_: Any) -> Iterator[Any]:
        yield registry.WatchCatalogResponse(metric_version=NAME)
        yield registry.WatchCatalogResponse(kind=registry.WatchCatalogResponse.SNAPSHOT_COMPLETE)

    async def watch(request: Any, context: Any) -> Any:
        for event in two(request):
            yield event

    async with (
        serving(ListAliasEvents=events, WatchCatalog=watch) as address,
        connected(kind, address) as client,
    ):
        history = await collected(client.aliases.history("m@production"))
        assert [event.alias for event in history] == ["metrics/m/aliases/production"]
        assert len(await collected(client.watch_catalog())) == 2
