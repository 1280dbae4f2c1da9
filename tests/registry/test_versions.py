import asyncio
import dataclasses
import uuid

import pytest

from gnomon import bundle
from gnomon.errors import (
    BlobMissingError,
    BundleInvalidError,
    InvalidRequestError,
    NotFoundError,
    RequestIdReusedError,
    ResourceInUseError,
)
from gnomon.instances import Step
from gnomon.v1 import registry_service_pb2 as rpc
from gnomon_rpc import pages
from tests.registry import bundles
from tests.registry.running import error_of, registry, version_request


def delete(caller, number):
    return caller.DeleteMetricVersion(rpc.DeleteMetricVersionRequest(name=f"metrics/tox/versions/{number}"))


def undelete(caller, number):
    return caller.UndeleteMetricVersion(
        rpc.UndeleteMetricVersionRequest(name=f"metrics/tox/versions/{number}")
    )


def manifests(folder):
    return sorted(path.stem for path in (folder / "artifacts" / "manifests").glob("*"))


async def test_a_version_says_of_itself_what_its_bundle_says(caller, tmp_path):
    contents = bundles.files()
    await caller.upload_all(contents)
    made = await caller.CreateMetricVersion(version_request(contents, description="the first"))

    files = bundle.check_files(bundles.listed(contents))
    assert made.name == "metrics/tox/versions/1"
    assert made.description == "the first"
    assert made.bundle.digest == bundle.digest(files)
    assert [(f.path, f.sha256, f.size_bytes) for f in made.bundle.files] == [
        dataclasses.astuple(file) for file in files
    ]
    assert [(a.format, a.path) for a in made.artifacts] == [("onnx-fp32", "model.onnx")]
    assert (made.threshold, made.max_tokens) == (0.625, 256)
    assert (made.lineage.run, made.lineage.recipe, made.lineage.seed) == ("projects/p/runs/r", "small", 7)
    assert (made.report.test_rows, list(made.report.warnings)) == (160, ["small"])
    assert await caller.get_version(1) == made
    manifest = tmp_path / "artifacts" / "manifests" / f"{made.bundle.digest}.json"
    assert manifest.read_bytes() == bundle.manifest(files)


async def test_sizes_that_are_not_given_are_filled_in(caller):
    contents = bundles.files()
    await caller.upload_all(contents)
    with_sizes = await caller.CreateMetricVersion(version_request(contents))
    without = await caller.CreateMetricVersion(version_request(contents, sizes=False))

    assert without.bundle == with_sizes.bundle
    assert without.name == "metrics/tox/versions/2"


async def test_a_bundle_needs_no_report(caller):
    contents = bundles.files()
    del contents["report.json"]
    await caller.upload_all(contents)
    made = await caller.CreateMetricVersion(version_request(contents))

    assert not made.HasField("report")


async def test_numbers_are_given_one_by_one_to_all_who_ask_at_once(caller):
    made = await asyncio.gather(*(caller.version() for _ in range(20)))
    listed = await caller.versions(page_size=1000)

    assert sorted(int(v.name.rpartition("/")[2]) for v in made) == list(range(1, 21))
    assert [v.name for v in listed] == [f"metrics/tox/versions/{n}" for n in range(20, 0, -1)]


BROKEN = {
    "another metric's": (bundles.files("other"), "evaluator.json: metric"),
    "of another step": (bundles.files(step=Step.TOOL_SPAN), "evaluator.json: step"),
    "with other classes": (bundles.files(classes=("true", "false")), "evaluator.json: classes"),
    "without threshold": (bundles.files(threshold=None), "evaluator.json"),
    "with a format that is no text": (
        bundles.files()
        | {"evaluator.json": bundles.EVALUATOR.to_json().replace('"onnx-fp32"', "[]").encode()},
        "evaluator.json",
    ),
    "with no JSON": (bundles.files() | {"evaluator.json": b"\xff{"}, "evaluator.json"),
    "with deep JSON": (bundles.files() | {"evaluator.json": b"[" * 100_000}, "evaluator.json"),
    "with a broken report": (bundles.files(report=b"{"), "report.json"),
    "with a huge report": (bundles.files(report=b" " * (4 * 1024 * 1024 + 1)), "report.json"),
    "without tokenizer": (
        {path: c for path, c in bundles.files().items() if path != "tokenizer.json"},
        "files",
    ),
    "with a path that leaves the folder": (bundles.files() | {"../x": b""}, "files['../x'].path"),
    "with one path twice": (bundles.files() | {"Model.onnx": b""}, "files"),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_a_bundle_that_is_broken_is_refused_and_leaves_no_trace(caller, tmp_path, what):
    contents, field = BROKEN[what]
    await caller.upload_all(contents)
    error = await error_of(caller.CreateMetricVersion(version_request(contents)))

    assert isinstance(error, BundleInvalidError)
    assert error.violations[0].field == field
    assert list(await caller.versions(show_deleted=True)) == []
    assert manifests(tmp_path) == []


async def test_a_wrong_size_is_refused(caller):
    contents = bundles.files()
    await caller.upload_all(contents)
    request = version_request(contents)
    request.metric_version.bundle.files[2].size_bytes += 1
    error = await error_of(caller.CreateMetricVersion(request))

    assert isinstance(error, BundleInvalidError)
    assert "model.onnx" in error.violations[0].field


async def test_a_blob_that_was_not_uploaded_is_named(caller):
    contents = bundles.files()
    missing = contents["model.onnx"]
    await caller.upload_all({path: c for path, c in contents.items() if path != "model.onnx"})
    error = await error_of(caller.CreateMetricVersion(version_request(contents)))

    assert isinstance(error, BlobMissingError)
    assert error.metadata == {"sha256": bundles.sha256(missing)}
    assert "model.onnx" in error.message


@pytest.mark.parametrize("name", ["evaluator.json", "model.onnx"])
async def test_a_version_is_not_made_of_an_altered_blob_until_it_is_uploaded_again(caller, tmp_path, name):
    contents = bundles.files()
    await caller.upload_all(contents)
    digest = bundles.sha256(contents[name])
    path = tmp_path / "artifacts" / "blobs" / digest[:2] / digest
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    error = await error_of(caller.CreateMetricVersion(version_request(contents)))
    await caller.upload_all(contents)
    version = await caller.CreateMetricVersion(version_request(contents))

    assert isinstance(error, BlobMissingError)
    assert version.name.endswith("/versions/1")


async def test_a_version_of_a_metric_that_is_not_there_is_refused(caller):
    error = await error_of(caller.CreateMetricVersion(version_request(bundles.files(), "other")))
    assert isinstance(error, NotFoundError)
    assert error.metadata == {"resource": "metrics/other"}
    error = await error_of(caller.ListMetricVersions(rpc.ListMetricVersionsRequest(parent="metrics/other")))
    assert isinstance(error, NotFoundError)


@pytest.mark.parametrize("version", ["0", "01", "-1", "..", "x/y", "", "1234567890", "\0"])
async def test_a_wrong_version_name_is_refused(caller, version):
    assert isinstance(await error_of(caller.get_version(version)), InvalidRequestError)


async def test_the_same_request_makes_one_version_however_often_it_is_sent(tmp_path):
    contents, request_id = bundles.files(), str(uuid.uuid4())
    async with registry(tmp_path) as caller:
        await caller.metric()
        await caller.upload_all(contents)
        request = version_request(contents, request_id=request_id)
        made = await asyncio.gather(*(caller.CreateMetricVersion(request) for _ in range(100)))
        listed = await caller.versions()
    async with registry(tmp_path) as caller:
        again = await caller.CreateMetricVersion(request)
        request.metric_version.description = "another"
        error = await error_of(caller.CreateMetricVersion(request))

    assert [v.name for v in listed] == ["metrics/tox/versions/1"]
    assert all(answer == again for answer in made)
    assert isinstance(error, RequestIdReusedError)


async def test_the_same_request_is_answered_although_the_blobs_are_gone(caller, tmp_path):
    contents = bundles.files()
    await caller.upload_all(contents)
    request = version_request(contents, request_id=str(uuid.uuid4()))
    first = await caller.CreateMetricVersion(request)
    for path in (tmp_path / "artifacts" / "blobs").rglob("*"):
        if path.is_file():
            path.unlink()

    assert await caller.CreateMetricVersion(request) == first


async def test_an_alias_is_answered_with_the_number(caller):
    await caller.version()
    await caller.version()
    await caller.alias("production", 2)
    version = await caller.get_version("production")

    assert version.name == "metrics/tox/versions/2"
    assert list(version.aliases) == ["production"]
    error = await error_of(caller.get_version("shadow"))
    assert isinstance(error, NotFoundError)
    assert error.metadata == {"resource": "metrics/tox/aliases/shadow"}


async def test_a_deleted_version_is_hidden_and_can_be_restored(caller):
    made = await caller.version()
    await caller.version()
    deleted = await delete(caller, 1)
    error = await error_of(caller.get_version(1))

    assert deleted.HasField("delete_time")
    assert isinstance(error, NotFoundError)
    assert "UndeleteMetricVersion" in error.message
    assert [v.name for v in await caller.versions()] == ["metrics/tox/versions/2"]
    assert list(await caller.versions(show_deleted=True))[1] == deleted
    assert await undelete(caller, 1) == made
    assert await caller.get_version(1) == made


async def test_deleting_and_restoring_may_be_repeated(caller):
    made = await caller.version()

    assert await undelete(caller, 1) == made
    assert await delete(caller, 1) == await delete(caller, 1)
    assert isinstance(await error_of(delete(caller, 2)), NotFoundError)
    assert isinstance(await error_of(undelete(caller, 2)), NotFoundError)


async def test_a_number_is_never_given_again(caller):
    await caller.version()
    await caller.version()
    await delete(caller, 2)

    assert (await caller.version()).name == "metrics/tox/versions/3"


async def test_a_version_that_an_alias_points_at_stays(caller):
    await caller.version()
    await caller.alias("production", 1)
    error = await error_of(delete(caller, 1))

    assert isinstance(error, ResourceInUseError)
    assert error.metadata == {
        "resource": "metrics/tox/versions/1",
        "used_by": "metrics/tox/aliases/production",
    }


async def test_deleting_by_an_alias_is_refused(caller):
    await caller.version()
    await caller.alias("production", 1)

    assert isinstance(await error_of(delete(caller, "production")), InvalidRequestError)
    assert isinstance(await error_of(undelete(caller, "production")), InvalidRequestError)


async def test_pages_come_newest_first_and_without_gap_while_others_create(caller):
    for _ in range(5):
        await caller.version()
    request = rpc.ListMetricVersionsRequest(parent="metrics/tox", page_size=2)
    numbers = []
    while True:
        page = await caller.ListMetricVersions(request)
        numbers += [int(v.name.rpartition("/")[2]) for v in page.metric_versions]
        if not page.next_page_token:
            break
        await caller.version()
        request.page_token = page.next_page_token

    assert numbers == [5, 4, 3, 2, 1]


async def test_a_forged_page_token_is_refused(caller):
    from gnomon_rpc.pages import make_token

    request = rpc.ListMetricVersionsRequest(parent="metrics/tox")
    for key in ("x", "9" * 30, "-1", "²"):
        request.page_token = make_token(request, key)
        assert isinstance(await error_of(caller.ListMetricVersions(request)), InvalidRequestError)


async def test_pages_of_large_versions_end_early_and_without_gap(caller, monkeypatch):
    bound = 4000
    monkeypatch.setattr(pages, "PAGE_BYTES", bound)
    for characters in (10, 1500, 9000, 1500, 1500, 10, 10):
        await caller.version(report={"test_rows": 160, "warnings": ["x" * characters]})
    request = rpc.ListMetricVersionsRequest(parent="metrics/tox")
    numbers, first = [], True
    while first or request.page_token:
        page, first = await caller.ListMetricVersions(request), False
        numbers += [int(v.name.rpartition("/")[2]) for v in page.metric_versions]
        assert sum(v.ByteSize() for v in page.metric_versions) <= bound or len(page.metric_versions) == 1
        request.page_token = page.next_page_token

    assert numbers == [7, 6, 5, 4, 3, 2, 1]
