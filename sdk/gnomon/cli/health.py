"""`gnomon health`: one question to one service, with an exit status for probes."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from gnomon import local
from gnomon.addresses import address_of
from gnomon.cli import problems
from gnomon.cli.session import Session, local_command
from gnomon.health import Tls, ask

_PANEL = "TLS"


@local_command
def health(
    session: Session,
    address: Annotated[
        str, typer.Argument(help="host:port, or registry, trainer or scorer, wherever that is.")
    ] = "scorer",
    *,
    service: Annotated[
        str | None,
        typer.Option(
            help="What to ask about: registry, trainer, scorer, a full gRPC name, a version of a scorer, or "
            "`live`: whether the process answers at all. The server as a whole if not given."
        ),
    ] = None,
    timeout_s: Annotated[float, typer.Option(min=0.1, help="How long to wait for the answer.")] = 2.0,
    tls: Annotated[bool, typer.Option("--tls", help="Ask over TLS.", rich_help_panel=_PANEL)] = False,
    ca_file: Annotated[
        Path | None,
        typer.Option(
            help="Who signed the server's certificate.", envvar="GNOMON_CA_FILE", rich_help_panel=_PANEL
        ),
    ] = None,
    certificate_file: Annotated[
        Path | None,
        typer.Option(
            help="The caller's certificate.", envvar="GNOMON_CERTIFICATE_FILE", rich_help_panel=_PANEL
        ),
    ] = None,
    certificate_key_file: Annotated[
        Path | None,
        typer.Option(help="And its key.", envvar="GNOMON_CERTIFICATE_KEY_FILE", rich_help_panel=_PANEL),
    ] = None,
    server_name: Annotated[
        str,
        typer.Option(help="The name in the certificate, if not that of the address.", rich_help_panel=_PANEL),
    ] = "",
) -> None:
    """Ask whether a service can do its job. Exit status 0 if it can, 1 if not. Needs no key."""
    where = address_of(address) if address in local.HEALTH_SERVICES else address
    wanted = service if service is not None else (address if address in local.HEALTH_SERVICES else "")
    trust = Tls(ca_file, certificate_file, certificate_key_file, server_name)
    answer = ask(
        where, local.HEALTH_SERVICES.get(wanted, wanted), trust if tls or trust != Tls() else None, timeout_s
    )
    shown = {"address": where, "service": wanted, "state": answer.state, "reason": answer.reason}
    session.output.show(shown, lambda _: Text(f"{answer.state} {answer.reason}".rstrip()))
    if not answer.is_serving:
        raise typer.Exit(problems.FAILED)
