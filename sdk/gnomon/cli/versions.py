"""`gnomon versions`: the immutable numbered releases of a metric."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType

from gnomon.cli import report, view
from gnomon.cli.output import Columns
from gnomon.cli.session import Session, command
from gnomon.v1 import resources_pb2 as pb

app = typer.Typer(
    name="versions", help="Versions are the numbered releases of a metric.", no_args_is_help=True
)

Version = Annotated[str, typer.Argument(help="The version, such as commitment@3 or commitment@production.")]

_COLUMNS: Columns[pb.MetricVersion] = {
    "version": lambda version: view.short(version.name),
    "aliases": lambda version: ", ".join(version.aliases),
    "macro-F1": lambda version: view.measure(report.find(version.report.measures, "macro_f1")),
    "threshold": lambda version: f"{version.threshold:.3f}",
    "run": lambda version: view.short(version.lineage.run),
    "created": lambda version: view.time(version.create_time),
}


@app.command("list")
@command
def list_(
    session: Session,
    *,
    metric: Annotated[str, typer.Argument(help="The metric.")],
    deleted: Annotated[bool, typer.Option("--deleted", help="List deleted ones as well.")] = False,
) -> None:
    """List the versions of a metric, newest first."""
    nothing = f"{metric} has no versions yet. Train one: gnomon runs create --metric {metric} …"
    session.output.show_list(session.client.versions.list(metric, show_deleted=deleted), _COLUMNS, nothing)


@app.command("get")
@command
def get(session: Session, *, version: Version) -> None:
    """Show a version with its report."""
    session.output.show(session.client.versions.get(version), _shown)


def _shown(version: pb.MetricVersion) -> RenderableType:
    head = view.details(version, without=("report", "bundle"))
    if not version.HasField("report"):
        return head
    return Group(head, "", report.rendered(version.report))


@app.command("download")
@command
def download(
    session: Session,
    *,
    version: Version,
    folder: Annotated[Path, typer.Argument(help="The folder to make; it appears whole or not at all.")],
) -> None:
    """Download a version's bundle and verify every file's digest."""
    session.client.versions.download(version, folder)
    session.output.done({"version": version, "folder": str(folder)}, f"Wrote {version} to {folder}.")


@app.command("register")
@command
def register(
    session: Session,
    *,
    metric: Annotated[str, typer.Argument(help="The metric.")],
    folder: Annotated[Path, typer.Argument(help="The folder of the bundle.", exists=True, file_okay=False)],
    description: Annotated[str, typer.Option(help="What is special about this version.")] = "",
) -> None:
    """Register a bundle as the next version of a metric."""
    version = session.client.versions.create(metric, folder, description=description)
    session.output.done(version, f"Registered {version.name}.")


@app.command("delete")
@command
def delete(session: Session, *, version: Version) -> None:
    """Delete a version that no alias points at. Its number is never given again."""
    session.client.versions.delete(version)
    session.output.done(
        {"deleted": version}, f"Deleted {version}. Restore it: gnomon versions undelete {version}"
    )


@app.command("undelete")
@command
def undelete(session: Session, *, version: Version) -> None:
    """Restore a deleted version."""
    restored = session.client.versions.undelete(version)
    session.output.done(restored, f"Restored {restored.name}.")


@app.command("compare")
@command
def compare(session: Session, *, a: Version, b: Version) -> None:
    """Show two versions beside each other."""
    measures = session.client.versions.compare(a, b)
    session.output.show(report.comparison(a, b, measures), lambda _: report.compared(a, b, measures))
