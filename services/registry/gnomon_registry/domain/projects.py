"""Use cases of projects."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from gnomon.errors import AlreadyExistsError
from gnomon.names import ProjectName
from gnomon_registry.domain.entities import Project
from gnomon_registry.domain.lookup import check_etag, the_project
from gnomon_registry.domain.ports import CatalogStore, Clock, NewEtag
from gnomon_registry.domain.requests import RequestKey, answer_of, remember
from gnomon_registry.domain.rules import check_texts


@dataclass(frozen=True, slots=True)
class Projects:
    store: CatalogStore
    clock: Clock
    new_etag: NewEtag

    def create(
        self, name: ProjectName, display_name: str, description: str, key: RequestKey | None
    ) -> Project:
        check_texts("project", display_name=display_name, description=description)
        with self.store.writing() as catalog:
            if answer := answer_of(catalog, key):
                return the_project(catalog, ProjectName.parse(answer))
            if catalog.project(name):
                raise AlreadyExistsError(f"There is {name} already.", resource=str(name))
            now = self.clock()
            project = Project(name, display_name, description, self.new_etag(), now, now)
            catalog.put_project(project)
            remember(catalog, key, name)
        return project

    def get(self, name: ProjectName) -> Project:
        with self.store.reading() as catalog:
            return the_project(catalog, name)

    def page(self, after: str, limit: int, only: frozenset[str] = frozenset()) -> list[Project]:
        """Return projects by name; where `only` names some, no others."""
        with self.store.reading() as catalog:
            if not only:
                return catalog.projects(after, limit)
            found = (catalog.project(ProjectName(project)) for project in sorted(only) if project > after)
            return [project for project in found if project is not None][:limit]

    def update(self, name: ProjectName, texts: Mapping[str, str], etag: str) -> Project:
        """Write the given texts by field name: `display_name`, `description`."""
        check_texts("project", **texts)
        with self.store.writing() as catalog:
            project = the_project(catalog, name)
            check_etag(etag, project.etag, name)
            changed = dataclasses.replace(project, **texts)  # type: ignore[arg-type]  # texts are its texts
            if changed == project:
                return project
            changed = dataclasses.replace(changed, etag=self.new_etag(), update_time=self.clock())
            catalog.put_project(changed)
        return changed

    def delete(self, name: ProjectName) -> None:
        with self.store.writing() as catalog:
            the_project(catalog, name)
            catalog.remove_project(name)
