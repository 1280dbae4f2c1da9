"""`client.projects`."""

from collections.abc import AsyncIterator, Iterable

from google.protobuf import empty_pb2

from gnomon import shorthand
from gnomon._async.connection import AsyncConnection
from gnomon._requests import field_mask, new_request_id
from gnomon.errors import NotFoundError
from gnomon.v1 import registry_service_pb2 as registry
from gnomon.v1 import resources_pb2 as pb

_SERVICE = "gnomon.v1.RegistryService"


class AsyncProjects:
    """Projects group training runs. A name is `projects/support` or just `support`."""

    def __init__(self, registry_connection: AsyncConnection) -> None:
        self._registry = registry_connection

    async def create(self, project_id: str, *, display_name: str = "", description: str = "") -> pb.Project:
        """Create a project.

        Raises:
            AlreadyExistsError: the ID is taken.
        """
        request = registry.CreateProjectRequest(
            project_id=project_id,
            project=pb.Project(display_name=display_name, description=description),
            request_id=new_request_id(),
        )
        return await self._registry.unary(f"{_SERVICE}/CreateProject", request, pb.Project)

    async def get(self, name: str) -> pb.Project:
        request = registry.GetProjectRequest(name=shorthand.project(name))
        return await self._registry.unary(f"{_SERVICE}/GetProject", request, pb.Project)

    async def list(self) -> AsyncIterator[pb.Project]:
        """Yield all projects, ordered by name."""
        request, response = registry.ListProjectsRequest(), registry.ListProjectsResponse
        async for page in self._registry.pages(f"{_SERVICE}/ListProjects", request, response):
            for project in page.projects:
                yield project

    async def update(self, project: pb.Project, fields: Iterable[str] = ()) -> pb.Project:
        """Write the named fields of a project, found by its name; without any, those that are set.

        Raises:
            EtagMismatchError: `project` has an etag, and someone wrote since.
        """
        request = registry.UpdateProjectRequest(project=project, update_mask=field_mask(fields))
        return await self._registry.unary(f"{_SERVICE}/UpdateProject", request, pb.Project)

    async def delete(self, name: str) -> None:
        """Delete a project. Its runs, and what they registered, stay."""
        request = registry.DeleteProjectRequest(name=shorthand.project(name))
        await self._registry.unary(
            f"{_SERVICE}/DeleteProject", request, empty_pb2.Empty, repeated_is=NotFoundError
        )
