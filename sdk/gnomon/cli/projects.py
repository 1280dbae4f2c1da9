"""`gnomon projects`: what groups training runs that share a goal."""

from typing import Annotated

import typer

from gnomon.cli import view
from gnomon.cli.output import Columns
from gnomon.cli.session import Session, command
from gnomon.v1 import resources_pb2 as pb

app = typer.Typer(
    name="projects", help="Projects group training runs that share a goal.", no_args_is_help=True
)

Project = Annotated[str, typer.Argument(help="The project: its ID, or projects/{project}.")]
DisplayName = Annotated[str | None, typer.Option(help="A name for people, at most 63 characters.")]
Description = Annotated[str | None, typer.Option(help="What it is for, in Markdown.")]

_COLUMNS: Columns[pb.Project] = {
    "project": lambda project: view.short(project.name),
    "display name": lambda project: project.display_name,
    "created": lambda project: view.time(project.create_time),
}


@app.command("create")
@command
def create(
    session: Session,
    *,
    project_id: Annotated[
        str, typer.Argument(help="The new project's ID: lower-case letters, digits, hyphens.")
    ],
    display_name: DisplayName = None,
    description: Description = None,
) -> None:
    """Create a project."""
    project = session.client.projects.create(
        project_id, display_name=display_name or "", description=description or ""
    )
    session.output.done(project, f"Created {project.name}.")


@app.command("get")
@command
def get(session: Session, *, project: Project) -> None:
    """Show a project."""
    session.output.show(session.client.projects.get(project), view.details)


@app.command("list")
@command
def list_(session: Session) -> None:
    """List projects."""
    nothing = "There are no projects yet. Make one: gnomon projects create ID"
    session.output.show_list(session.client.projects.list(), _COLUMNS, nothing)


@app.command("update")
@command
def update(
    session: Session, *, project: Project, display_name: DisplayName = None, description: Description = None
) -> None:
    """Change the display name or the description."""
    changes = {"display_name": display_name, "description": description}
    fields = tuple(key for key, value in changes.items() if value is not None)
    if not fields:
        raise typer.BadParameter("name what to change: --display-name, --description")
    found = session.client.projects.get(project)
    for key in fields:
        setattr(found, key, changes[key])
    updated = session.client.projects.update(found, fields=fields)
    session.output.done(updated, f"Updated {updated.name}.")


@app.command("delete")
@command
def delete(session: Session, *, project: Project) -> None:
    """Delete a project. Its runs and what they registered stay."""
    session.client.projects.delete(project)
    session.output.done({"deleted": project}, f"Deleted {project}.")
