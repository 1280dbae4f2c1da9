"""What every row store, catalog and registrar promises: the fakes and the real ones."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gnomon.errors import ArtifactCorruptError, NotFoundError, RegistryUnavailableError
from gnomon.names import MetricName, ProjectName
from gnomon_trainer.adapters.registry import RegistryCatalog, RegistryRegistrar
from gnomon_trainer.adapters.row_files import RowFiles
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.fakes import FakeCatalog, FakeRegistrar, FakeRowStore
from tests.trainer.things import TOXICITY


@pytest.fixture(params=["fake", "files"])
def rows(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return FakeRowStore() if request.param == "fake" else RowFiles(tmp_path / "rows", tmp_path / "tmp")


RECORDS = [{"input": "ä\n", "label": "true"}, {"input": "b", "label": "false", "n": [1, None]}]


def kept(rows: Any) -> tuple[str, int]:
    sink = rows.sink()
    for record in RECORDS:
        sink.write(record)
    digest, size = sink.keep()
    sink.discard()  # does nothing any more
    return digest, size


def test_rows_come_back_as_they_were_written(rows: Any) -> None:
    digest, size = kept(rows)

    assert list(rows.read(digest)) == RECORDS
    parts = list(rows.parts(digest, 10))
    assert len(b"".join(parts)) == size
    assert all(len(part) <= 10 for part in parts)


def test_some_rows_are_picked_by_their_numbers(rows: Any) -> None:
    digest, _ = kept(rows)

    assert rows.pick(digest, {2}) == {2: RECORDS[1]}
    assert rows.pick(digest, {1, 2}) == {1: RECORDS[0], 2: RECORDS[1]}
    assert rows.pick(digest, set()) == {}
    with pytest.raises(ArtifactCorruptError):
        rows.pick(digest, {3})
    with pytest.raises(ArtifactCorruptError):
        rows.pick("0" * 64, {1})


def test_the_same_rows_have_the_same_digest(rows: Any) -> None:
    import hashlib

    digest, _ = kept(rows)

    assert kept(rows) == kept(rows)
    assert digest == hashlib.sha256(b"".join(rows.parts(digest, 1000))).hexdigest()


def test_discarded_rows_are_nowhere(rows: Any, tmp_path: Path) -> None:
    sink = rows.sink()
    sink.write(RECORDS[0])
    sink.discard()
    sink.discard()

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_rows_that_are_missing_are_told(rows: Any) -> None:
    with pytest.raises(ArtifactCorruptError):
        list(rows.read("0" * 64))
    with pytest.raises(ArtifactCorruptError):
        list(rows.parts("0" * 64, 10))


@pytest.mark.parametrize(
    ("old", "new"), [(b'"b"', b'"c"'), (b"}", b""), (b'{"input":"b","label":"false","n":[1,null]}\n', b"")]
)
def test_rows_that_were_altered_on_the_disk_are_told(tmp_path: Path, old: bytes, new: bytes) -> None:
    rows = RowFiles(tmp_path / "rows", tmp_path / "tmp")
    digest, _ = kept(rows)
    path = tmp_path / "rows" / f"{digest}.jsonl"
    path.write_bytes(path.read_bytes().replace(old, new))

    with pytest.raises(ArtifactCorruptError, match="upload the dataset again") as read:
        list(rows.read(digest))
    with pytest.raises(ArtifactCorruptError):
        list(rows.parts(digest, 10))

    assert read.value.metadata["resource"] == digest
    assert read.value.metadata["path"] == path.name


# ----------------------------------------------------------------------- registry


@pytest.fixture(params=["fake", "registry"])
async def catalog(request: pytest.FixtureRequest, registry: FakeRegistry) -> AsyncIterator[Any]:
    if request.param == "fake":
        yield FakeCatalog({TOXICITY.name: TOXICITY}, ["projects/demo"])
    else:
        real = RegistryCatalog({"registry": registry.address}, 2.0)
        yield real
        await real.close()


async def test_a_metric_is_read_whole(catalog: Any) -> None:
    assert await catalog.metric(MetricName("toxicity")) == TOXICITY


async def test_metrics_and_projects_that_are_not_there_are_not_found(catalog: Any) -> None:
    await catalog.check_project(ProjectName("demo"))
    with pytest.raises(NotFoundError):
        await catalog.metric(MetricName("absent"))
    with pytest.raises(NotFoundError):
        await catalog.check_project(ProjectName("absent"))


@pytest.fixture(params=["fake", "registry"])
def registrar(request: pytest.FixtureRequest, registry: FakeRegistry) -> Any:
    return (
        FakeRegistrar() if request.param == "fake" else RegistryRegistrar({"registry": registry.address}, 2.0)
    )


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    for name in ("evaluator.json", "tokenizer.json", "model.onnx"):
        (tmp_path / name).write_text(name)
    return tmp_path


async def test_a_bundle_is_registered_once_a_request(registrar: Any, bundle: Path) -> None:
    def register(request_id: uuid.UUID) -> str:
        return str(registrar.register(MetricName("toxicity"), bundle, "By a test.", request_id))

    first, second = uuid.uuid4(), uuid.uuid4()

    assert await asyncio.to_thread(register, first) == "metrics/toxicity/versions/1"
    assert await asyncio.to_thread(register, first) == "metrics/toxicity/versions/1"
    assert await asyncio.to_thread(register, second) == "metrics/toxicity/versions/2"


async def test_a_registry_that_is_away_is_told_as_such(registry: FakeRegistry, bundle: Path) -> None:
    await registry.stop()
    catalog = RegistryCatalog({"registry": registry.address}, 0.3)
    registrar = RegistryRegistrar({"registry": registry.address}, 0.3)

    with pytest.raises(RegistryUnavailableError) as read:
        await catalog.metric(MetricName("toxicity"))
    with pytest.raises(RegistryUnavailableError) as written:
        await asyncio.to_thread(registrar.register, MetricName("toxicity"), bundle, "", uuid.uuid4())

    assert read.value.retry_after_s
    assert written.value.retry_after_s
    await catalog.close()
