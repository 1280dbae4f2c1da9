# Made from gnomon/_async/projects.py by tools/unasync.py. Do not edit.

"""`client.projects`."""

from collections.abc import Iterable, Iterator

from google.protobuf import empty_pb2

from gnomon import shorthand
from gnomon._requests import field_mask, new_request_id
from gnomon._sync.connection import Connection
from gnomon.errors import NotFoundError
from gnomon.v1 import registry_service_pb2 as registry
from gnomon.v1 import resources_pb2 as pb

_SERVICE = "gnomon.v1.RegistryService"


class Projects:
    """Projects group training runs. A name is `projects/support` or just `support`."""

    def __init__(self, registry_connection: Connection) -> None:
        self._registry = registry_connection

    def create(self, project_id: str, *, display_name: str = "", description: str = "") -> pb.Project:
        """Create a project.

        Raises:
            AlreadyExistsError: the ID is taken.
        """
        request = registry.CreateProjectRequest(
            project_id=project_id,
            project=pb.Project(display_name=display_name, description=description),
            request_id=new_request_id(),
        )
        return self._registry.unary(f"{_SERVICE}/CreateProject", request, pb.Project)

    def get(self, name: str) -> pb.Project:
        request = registry.GetProjectRequest(name=shorthand.project(name))
        return self._registry.unary(f"{_SERVICE}/GetProject", request, pb.Project)

    def list(self) -> Iterator[pb.Project]:
        """Yield all projects, ordered by name."""
        request, response = registry.ListProjectsRequest(), registry.ListProjectsResponse
        for page in self._registry.pages(f"{_SERVICE}/ListProjects", request, response):
            yield from page.projects

    def update(self, project: pb.Project, fields: Iterable[str] = ()) -> pb.Project:
        """Write the named fields of a project, found by its name; without any, those that are set.

        Raises:
            EtagMismatchError: `project` has an etag, and someone wrote since.
        """
        request = registry.UpdateProjectRequest(project=project, update_mask=field_mask(fields))
        return self._registry.unary(f"{_SERVICE}/UpdateProject", request, pb.Project)

    def delete(self, name: str) -> None:
        """Delete a project. Its runs, and what they registered, stay."""
        request = registry.DeleteProjectRequest(name=shorthand.project(name))
        self._registry.unary(f"{_SERVICE}/DeleteProject", request, empty_pb2.Empty, repeated_is=NotFoundError)
