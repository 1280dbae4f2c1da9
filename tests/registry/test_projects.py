import asyncio
import uuid

import pytest

from gnomon.errors import (
    AlreadyExistsError,
    EtagMismatchError,
    InvalidRequestError,
    NotFoundError,
    RequestIdReusedError,
)
from gnomon.v1 import registry_service_pb2 as rpc
from gnomon.v1.resources_pb2 import Project
from tests.registry.running import error_of, registry


async def create(caller, project_id="p", request_id="", **fields):
    request = rpc.CreateProjectRequest(
        project_id=project_id, project=Project(**fields), request_id=request_id
    )
    return await caller.CreateProject(request)


async def update(caller, paths=(), **fields):
    request = rpc.UpdateProjectRequest(project=Project(name="projects/p", **fields))
    request.update_mask.paths.extend(paths)
    return await caller.UpdateProject(request)


def get(caller, name="projects/p"):
    return caller.GetProject(rpc.GetProjectRequest(name=name))


async def test_a_project_is_created_and_read(caller):
    made = await create(caller, display_name="Café", description="# What for\n")

    assert made.name == "projects/p"
    assert (made.display_name, made.description) == ("Café", "# What for\n")
    assert made.etag
    assert made.create_time == made.update_time
    assert await get(caller) == made


async def test_a_taken_id_is_refused(caller):
    await create(caller)
    error = await error_of(create(caller))

    assert isinstance(error, AlreadyExistsError)
    assert error.metadata == {"resource": "projects/p"}


@pytest.mark.parametrize("project_id", ["", "..", "a/b", "A", "a_b", "1a", "a-", "a" * 64, "a\0", "a\n"])
async def test_a_wrong_id_is_refused(caller, project_id):
    error = await error_of(create(caller, project_id))

    assert isinstance(error, InvalidRequestError)
    assert error.violations[0].field == "project_id"


@pytest.mark.parametrize(
    "name", ["", "p", "projects/", "projects/..", "projects/p/", "metrics/p", "projects/\0"]
)
async def test_a_wrong_name_is_refused(caller, name):
    for call in (get(caller, name), caller.DeleteProject(rpc.DeleteProjectRequest(name=name))):
        assert isinstance(await error_of(call), InvalidRequestError)


async def test_texts_are_checked_when_created_and_when_updated(caller):
    for fields in ({"display_name": "x" * 64}, {"description": "x" * 10_001}, {"description": "a\0b"}):
        error = await error_of(create(caller, **fields))
        assert isinstance(error, InvalidRequestError)
        assert error.violations[0].field == f"project.{next(iter(fields))}"
    await create(caller)
    assert isinstance(await error_of(update(caller, display_name="x" * 64)), InvalidRequestError)


async def test_without_a_mask_the_populated_fields_are_written(caller):
    await create(caller, display_name="P", description="on p")
    updated = await update(caller, display_name="Q")

    assert (updated.display_name, updated.description) == ("Q", "on p")
    assert await get(caller) == updated


async def test_a_mask_clears_what_is_not_populated(caller):
    await create(caller, display_name="P", description="on p")
    one = await update(caller, ["description"], display_name="ignored")
    everything = await update(caller, ["*"], description="new")

    assert (one.display_name, one.description) == ("P", "")
    assert (everything.display_name, everything.description) == ("", "new")


@pytest.mark.parametrize(
    "path", ["name", "etag", "create_time", "color", "display_name.x", "", "description,x"]
)
async def test_a_path_that_cannot_be_written_is_named(caller, path):
    await create(caller)
    error = await error_of(update(caller, ["display_name", path], display_name="Q"))

    assert isinstance(error, InvalidRequestError)
    assert repr(path) in error.message
    assert (await get(caller)).display_name == ""


async def test_a_stale_etag_is_refused(caller):
    made = await create(caller)
    changed = await update(caller, display_name="Q", etag=made.etag)
    error = await error_of(update(caller, display_name="R", etag=made.etag))

    assert changed.etag != made.etag
    assert changed.update_time.ToNanoseconds() > made.update_time.ToNanoseconds()
    assert isinstance(error, EtagMismatchError)
    assert (await get(caller)).display_name == "Q"


async def test_an_update_that_changes_nothing_is_no_write(caller):
    made = await create(caller, display_name="P")
    assert await update(caller, display_name="P") == made


async def test_a_deleted_project_is_gone(caller):
    await create(caller)
    await caller.DeleteProject(rpc.DeleteProjectRequest(name="projects/p"))

    assert isinstance(await error_of(get(caller)), NotFoundError)
    assert isinstance(
        await error_of(caller.DeleteProject(rpc.DeleteProjectRequest(name="projects/p"))), NotFoundError
    )
    assert isinstance(await error_of(update(caller, display_name="Q")), NotFoundError)


async def test_pages_come_in_order_and_without_gap_while_others_create(caller):
    for name in ("d", "b", "a", "f"):
        await create(caller, name)
    first = await caller.ListProjects(rpc.ListProjectsRequest(page_size=2))
    await create(caller, "a-earlier")
    await create(caller, "e")
    request = rpc.ListProjectsRequest(page_size=2, page_token=first.next_page_token)
    second = await caller.ListProjects(request)
    request.page_token = second.next_page_token
    third = await caller.ListProjects(request)

    names = [p.name.removeprefix("projects/") for page in (first, second, third) for p in page.projects]
    assert names == ["a", "b", "d", "e", "f"]
    assert third.next_page_token == ""


async def test_a_full_last_page_has_no_next_one(caller):
    await create(caller, "a")
    await create(caller, "b")
    page = await caller.ListProjects(rpc.ListProjectsRequest(page_size=2))

    assert (len(page.projects), page.next_page_token) == (2, "")


async def test_a_foreign_page_token_is_refused(caller):
    for fields in ({"page_token": "x"}, {"page_size": -1}):
        error = await error_of(caller.ListProjects(rpc.ListProjectsRequest(**fields)))
        assert isinstance(error, InvalidRequestError)


async def test_the_same_request_makes_one_project(tmp_path):
    request_id = str(uuid.uuid4())
    async with registry(tmp_path) as caller:
        made = await asyncio.gather(*(create(caller, request_id=request_id) for _ in range(20)))
    async with registry(tmp_path) as caller:
        again = await create(caller, request_id=request_id.upper())

    assert {answer.etag for answer in made} == {again.etag}


async def test_another_request_with_the_same_id_is_refused(caller):
    request_id = str(uuid.uuid4())
    await create(caller, request_id=request_id)
    for error in (
        await error_of(create(caller, "q", request_id=request_id)),
        await error_of(create(caller, display_name="Q", request_id=request_id)),
    ):
        assert isinstance(error, RequestIdReusedError)
        assert error.metadata == {"request_id": request_id}
    assert isinstance(await error_of(get(caller, "projects/q")), NotFoundError)
    assert isinstance(await error_of(create(caller, "q", request_id="1")), InvalidRequestError)
