"""`gnomon status`: whether the three services can do their jobs, and what the scorer holds."""

from typing import Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from gnomon import local
from gnomon.addresses import address_of
from gnomon.cli import problems, view
from gnomon.cli.output import grid, table, to_plain
from gnomon.cli.session import Session, command, security
from gnomon.errors import GnomonError
from gnomon.v1 import scorer_service_pb2 as scorer_pb

_UNSTEADY = 0.2  # passes that lie further apart were disturbed; the scorer measures again then


@command
def status(session: Session) -> None:
    """Show the health of the services and the loaded versions. Exit status 1 if one is not ready."""
    services: dict[str, dict[str, Any]] = {}
    for name, full_name in local.HEALTH_SERVICES.items():
        address = address_of(name, session.addresses.get(name))
        ready = local.is_ready(address, full_name, security(session.addresses))
        services[name] = {"address": address, "ready": ready}
    scorer = services["scorer"]
    # A scorer that no version loads in is not ready, and the one that can say why.
    answers = scorer["ready"] or local.is_ready(scorer["address"], "live", security(session.addresses))
    loaded: list[scorer_pb.LoadedVersion] = []
    try:
        loaded += session.client.loaded_versions() if answers else ()
    except GnomonError as error:  # such as of keys, while there is no registry to ask about them
        if scorer["ready"]:
            raise
        session.output.note(f"The scorer does not say what it loads: {error.message}")
    answer = {"services": services, "loaded_versions": to_plain(loaded)}
    session.output.show(answer, lambda _: _shown(services, loaded))
    if not all(service["ready"] for service in services.values()):
        if not session.output.as_json:
            session.output.note("Start the services with `gnomon up`, or say where they are: --registry …")
        raise typer.Exit(problems.FAILED)


def _shown(services: dict[str, Any], loaded: list[scorer_pb.LoadedVersion]) -> RenderableType:
    columns: dict[str, Any] = {
        "service": lambda entry: entry[0],
        "address": lambda entry: entry[1]["address"],
        "state": lambda entry: "ready" if entry[1]["ready"] else "NOT READY",
    }
    version_columns: dict[str, Any] = {
        "loaded version": lambda version: view.short(version.metric_version),
        "state": lambda version: scorer_pb.LoadedVersion.State.Name(version.state),
        "format": lambda version: version.format,
        "runs": lambda version: _way(version.tuning),
        "memory": lambda version: view.size(version.memory_bytes),
        "error": lambda version: version.error.message,
    }
    versions = table(loaded, version_columns) if loaded else Text("No version is loaded.")
    reasons = [(f"{view.short(v.metric_version)}, {v.format}:", v.format_reason) for v in loaded]
    return Group(table(services.items(), columns), versions, grid([r for r in reasons if r[1]]))


def _way(tuning: scorer_pb.Tuning) -> str:
    """Return how batches run and what was measured, such as `1 thread, 512 tokens, 230/s`."""
    chosen = tuning.chosen
    if not chosen.threads:
        return ""
    parts = [
        f"{chosen.threads} thread{'s' if chosen.threads > 1 else ''}",
        f"{chosen.batch_tokens} tokens" if chosen.batch_tokens else "one a call",
    ]
    if chosen.sequences_per_second:
        unsteady = f" (passes {chosen.spread:.0%} apart)" if chosen.spread > _UNSTEADY else ""
        parts.append(f"{chosen.sequences_per_second:.0f}/s{unsteady}")
    if absent := [trial.format for trial in tuning.trials if not trial.threads]:
        parts.append(f"cannot run {', '.join(absent)}")
    return ", ".join(parts)
