"""`gnomon doctor`: what is wrong with an installation, and what to do about it."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from gnomon import local
from gnomon.cli import problems
from gnomon.cli.home import default_home
from gnomon.cli.output import Columns, table
from gnomon.cli.session import Session, command
from gnomon.doctor import examine
from gnomon.doctor.site import BROKEN, NOTE, OK, Finding, Site
from gnomon.errors import InvalidRequestError

_COLUMNS: Columns[Finding] = {
    "check": lambda finding: finding.check,
    "of": lambda finding: finding.about,
    "state": lambda finding: finding.state,
    "found": lambda finding: finding.said,
    "what to do": lambda finding: finding.do,
}


@command
def doctor(
    session: Session,
    *,
    home: Annotated[
        Path | None, typer.Option(help="Folder of `gnomon up`; GNOMON_HOME or ~/.gnomon by default.")
    ] = None,
    service: Annotated[
        list[str] | None,
        typer.Option(help="Look at this service alone, as its environment describes it; may be repeated."),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Show what is in order, too.")] = False,
) -> None:
    """Look over an installation. Exit status 1 if something is broken.

    Settings are those of the services' variables and, where none says where a service's data are, of the
    folder of `gnomon up`; --home goes before variables.
    """
    wanted = tuple(service or local.HEALTH_SERVICES)
    if unknown := [name for name in wanted if name not in local.HEALTH_SERVICES]:
        raise InvalidRequestError(f"There is no service {unknown[0]}: say registry, trainer or scorer.")
    calls = None if service else lambda: _one_call_each(session)
    folder = (home or default_home()).expanduser().absolute()
    findings = examine(
        Site(
            home=folder,
            home_is_named=home is not None,
            services=wanted,
            addresses=session.addresses,
            calls=calls,
        )
    )
    broken = any(finding.state == BROKEN for finding in findings)
    answer = {"broken": broken, "findings": [asdict(finding) for finding in findings]}
    session.output.show(answer, lambda _: _shown(findings, all_))
    if broken:
        raise typer.Exit(problems.FAILED)


def _one_call_each(session: Session) -> None:
    next(iter(session.client.metrics.list()), None)
    next(iter(session.client.recipes.list()), None)
    list(session.client.loaded_versions())


def _shown(findings: list[Finding], everything: bool) -> RenderableType:
    shown = [finding for finding in findings if everything or finding.state not in {OK, NOTE}]
    counts = Counter(finding.state for finding in findings)
    summary = ", ".join(f"{count} {state}" for state, count in counts.items())
    last = Text(f"{summary}." + ("" if everything else " `--all` shows all of them."))
    return Group(table(shown, _COLUMNS), last) if shown else last
