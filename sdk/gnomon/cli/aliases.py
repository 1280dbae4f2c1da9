"""`gnomon aliases`: the movable names of versions."""

from typing import Annotated

import typer

from gnomon.cli import view
from gnomon.cli.output import Columns
from gnomon.cli.session import Session, command
from gnomon.shorthand import alias_of
from gnomon.v1 import resources_pb2 as pb

app = typer.Typer(name="aliases", help="Aliases are movable names of versions.", no_args_is_help=True)

Metric = Annotated[str, typer.Argument(help="The metric: its ID, or metrics/{metric}.")]
Alias = Annotated[str, typer.Argument(help="The alias, such as production.")]
AllowProtected = Annotated[
    bool, typer.Option("--allow-protected", help="Go on although the alias is protected.")
]

_COLUMNS: Columns[pb.Alias] = {
    "alias": lambda alias: alias.name.rpartition("/")[2],
    "version": lambda alias: view.short(alias.metric_version),
    "protected": lambda alias: "yes" if alias.protected else "no",
    "moved": lambda alias: view.time(alias.update_time),
}

_EVENT_COLUMNS: Columns[pb.AliasEvent] = {
    "when": lambda event: view.time(event.create_time),
    "from": lambda event: view.short(event.old_metric_version) or "(created)",
    "to": lambda event: view.short(event.new_metric_version) or "(deleted)",
}


@app.command("set")
@command
def set_(
    session: Session,
    *,
    metric: Metric,
    alias: Alias,
    version: Annotated[str, typer.Argument(help="The version: its number, or another name of it.")],
    protect: Annotated[
        bool | None,
        typer.Option("--protect/--no-protect", help="Whether moving it needs --allow-protected from now on."),
    ] = None,
    allow_protected: AllowProtected = False,
) -> None:
    """Point an alias at a version, in one step for all readers; create it if there is none."""
    result = session.client.aliases.set(
        metric, alias, version, protected=protect, allow_protected=allow_protected
    )
    session.output.done(result, f"{alias} of {metric} is {result.metric_version} now.")


@app.command("get")
@command
def get(session: Session, *, metric: Metric, alias: Alias) -> None:
    """Show where an alias points."""
    session.output.show(session.client.aliases.get(alias_of(metric, alias)), view.details)


@app.command("list")
@command
def list_(session: Session, *, metric: Metric) -> None:
    """List the aliases of a metric."""
    nothing = f"{metric} has no aliases yet. Set one: gnomon aliases set {metric} production NUMBER"
    session.output.show_list(session.client.aliases.list(metric), _COLUMNS, nothing)


@app.command("delete")
@command
def delete(
    session: Session, *, metric: Metric, alias: Alias, allow_protected: AllowProtected = False
) -> None:
    """Delete an alias. The version it points at stays."""
    name = alias_of(metric, alias)
    session.client.aliases.delete(name, allow_protected=allow_protected)
    session.output.done({"deleted": name}, f"Deleted {name}.")


@app.command("history")
@command
def history(session: Session, *, metric: Metric, alias: Alias) -> None:
    """List where an alias has pointed, newest first."""
    events = session.client.aliases.history(alias_of(metric, alias))
    session.output.show_list(events, _EVENT_COLUMNS, f"{alias} has no history.")
