"""The RPCs of projects."""

# ruff: noqa: ARG002, N802  RPCs have the proto's names and gRPC's parameters

import functools
from typing import Any

from google.protobuf import empty_pb2

from gnomon.names import ProjectName, check_id
from gnomon.threads import in_thread
from gnomon.v1 import registry_service_pb2 as rpc
from gnomon.v1 import resources_pb2 as pb
from gnomon_registry.api import messages
from gnomon_registry.api.paging import page
from gnomon_registry.domain.projects import Projects
from gnomon_rpc import caller
from gnomon_rpc.masks import fields_to_write
from gnomon_rpc.request_ids import request_key


class ProjectRpcs:
    projects: Projects

    async def CreateProject(self, request: rpc.CreateProjectRequest, context: Any) -> pb.Project:
        name = ProjectName(check_id(request.project_id, "project_id"))
        draft = request.project
        create = self.projects.create
        key = request_key(request)
        return messages.project(await in_thread(create, name, draft.display_name, draft.description, key))

    async def GetProject(self, request: rpc.GetProjectRequest, context: Any) -> pb.Project:
        return messages.project(await in_thread(self.projects.get, ProjectName.parse(request.name)))

    async def ListProjects(self, request: rpc.ListProjectsRequest, context: Any) -> rpc.ListProjectsResponse:
        visible = caller.current().projects  # a key that is bound to projects sees no others
        read = functools.partial(self.projects.page, only=visible)
        found = await page(request, read, lambda project: project.name.project, messages.project)
        return rpc.ListProjectsResponse(projects=found.items, next_page_token=found.next_page_token)

    async def UpdateProject(self, request: rpc.UpdateProjectRequest, context: Any) -> pb.Project:
        draft = request.project
        name = ProjectName.parse(draft.name, "project.name")
        texts = {field: getattr(draft, field) for field in fields_to_write(draft, request.update_mask.paths)}
        return messages.project(await in_thread(self.projects.update, name, texts, draft.etag))

    async def DeleteProject(self, request: rpc.DeleteProjectRequest, context: Any) -> empty_pb2.Empty:
        await in_thread(self.projects.delete, ProjectName.parse(request.name))
        return empty_pb2.Empty()
