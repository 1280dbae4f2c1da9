"""`gnomon up`: the three services on one machine, with embedded defaults."""

import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from gnomon import local, places
from gnomon.cli import problems
from gnomon.cli.home import Home, default_home
from gnomon.cli.interrupts import Interrupts
from gnomon.cli.output import grid
from gnomon.cli.session import Session, local_command
from gnomon.cli.supervisor import Supervisor
from gnomon.errors import CancelledError, InvalidRequestError, ServiceUnavailableError, Violation

_START_TIMEOUT_S = 120.0
_SCORER_S = 30.0  # the others are of use, and to be watched, without it

Port = Annotated[int, typer.Option(min=0, max=65535, help="Port of the service; 0 takes a free one.")]


@local_command
def up(
    session: Session,
    *,
    home: Annotated[
        Path | None, typer.Option(help="Folder for all data; GNOMON_HOME or ~/.gnomon by default.")
    ] = None,
    registry_port: Port = 7410,
    trainer_port: Port = 7411,
    scorer_port: Port = 7412,
) -> None:
    """Run registry, trainer and scorer on this machine until Ctrl-C.

    A service that ends is started again. A second Ctrl-C ends all at once. All
    data are below one folder; GNOMON_REGISTRY_DATABASE_URL and its like are not
    used, and if they are set, it says so.
    """
    ports = {"registry": registry_port, "trainer": trainer_port, "scorer": scorer_port}
    with Home(home or default_home(), session.output.note) as folder:
        check_ports(ports)
        services = local.deployment(folder.folder, ports)
        if unused := [name for service in services for name in places.named(service, os.environ)]:
            session.output.note(f"Not used: {', '.join(unused)}. All data are below {folder.folder}.")
        for service in services.values():
            service.keep_open = (folder.services_lock,)
        with Interrupts(services) as interrupts:
            try:
                _start(services, interrupts.requested.is_set, session.output.note)
                addresses = {name: service.address for name, service in services.items()}
                folder.publish(addresses)
                session.output.show(addresses, lambda shown: _welcome(shown, folder.folder))
                Supervisor(services, session.output.note).run(interrupts.requested)
                session.output.note("Stopping. Ctrl-C again ends the services at once.")
            except CancelledError as error:
                raise typer.Exit(problems.INTERRUPTED) from error
            finally:
                folder.up_file.unlink(missing_ok=True)  # nobody shall call services that are going
                local.stop(services)


def _start(
    services: Mapping[str, local.ServiceProcess], cancelled: Callable[[], bool], say: Callable[[str], None]
) -> None:
    """Start all. A scorer that runs need not be ready, if the others are.

    It is not while no version with an alias can be loaded, and who mends that by a new version
    or by the alias needs the registry.
    """
    try:
        local.start(services, _START_TIMEOUT_S, cancelled, _SCORER_S)
    except ServiceUnavailableError:
        others = (services["registry"], services["trainer"])
        if not (services["scorer"].is_listening() and all(other.is_ready() for other in others)):
            raise
        say("The scorer is not ready yet and goes on trying. `gnomon status` says what it cannot load.")


def check_ports(ports: Mapping[str, int]) -> None:
    """Refuse ports that something else listens at, before anything is started.

    Raises:
        InvalidRequestError: names the options to change.
    """
    taken = [
        Violation(f"--{service}-port", f"port {port} is taken")
        for service, port in ports.items()
        if port and not _is_free(port)
    ]
    twice = [
        Violation(f"--{service}-port", f"port {port} is named twice")
        for service, port in ports.items()
        if port and list(ports.values()).count(port) > 1
    ]
    if violations := taken or twice:
        options = " and ".join(violation.field for violation in violations)
        raise InvalidRequestError(
            f"{violations[0].description.capitalize()}. Name another with {options}; 0 takes a free one.",
            violations=violations,
        )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _welcome(addresses: dict[str, str], home: Path) -> RenderableType:
    steps = (
        "Try it, in another terminal:\n"
        + ("" if home == default_home() else f"  export GNOMON_HOME={home}\n")
        + "  gnomon status\n"
        "  gnomon datasets example commitment --folder examples\n"
        "  gnomon metrics create --help\n"
        "Ctrl-C stops all three."
    )
    lines = [*addresses.items(), ("data", home), ("logs", home / "logs")]
    return Group(Text("Gnomon is up."), grid(lines), Text(steps))
