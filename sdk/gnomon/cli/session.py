"""What every command gets: its client, its output, and the options for them."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gnomon.cli import problems
from gnomon.cli.output import Output
from gnomon.errors import GnomonError

if TYPE_CHECKING:
    from gnomon import Client
    from gnomon._security import Security

_PANEL = "Connection"


def _connection(  # noqa: PLR0917  each is an option, and goes by its name
    registry: Annotated[
        str | None,
        typer.Option(help="Address of the registry, such as 127.0.0.1:7410.", rich_help_panel=_PANEL),
    ] = None,
    trainer: Annotated[
        str | None, typer.Option(help="Address of the trainer.", rich_help_panel=_PANEL)
    ] = None,
    scorer: Annotated[str | None, typer.Option(help="Address of the scorer.", rich_help_panel=_PANEL)] = None,
    api_key_file: Annotated[
        str | None,
        typer.Option(
            help="A file with the API key to show; else GNOMON_API_KEY or GNOMON_API_KEY_FILE says. A key "
            "has no place on a command line.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    as_project: Annotated[
        str | None,
        typer.Option(
            help="The project that the call is for; else GNOMON_PROJECT says.", rich_help_panel=_PANEL
        ),
    ] = None,
    tls: Annotated[
        bool | None, typer.Option("--tls/--no-tls", help="Speak TLS, or do not.", rich_help_panel=_PANEL)
    ] = None,
    ca_file: Annotated[
        str | None,
        typer.Option(help="Authorities to trust, in PEM; speaks TLS.", rich_help_panel=_PANEL),
    ] = None,
    certificate_file: Annotated[
        str | None,
        typer.Option(help="Your own certificate, where the services want one.", rich_help_panel=_PANEL),
    ] = None,
    certificate_key_file: Annotated[
        str | None, typer.Option(help="The private key of that certificate.", rich_help_panel=_PANEL)
    ] = None,
) -> None:
    """The options of commands that call a service."""


def _printing(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """The options of all commands."""


def connect(options: Mapping[str, Any]) -> "Client":
    """Return a client. Tests put another one here."""
    from gnomon import Client

    return Client(
        registry=options.get("registry"),
        trainer=options.get("trainer"),
        scorer=options.get("scorer"),
        project=options.get("as_project"),
        **_shown(options),
    )


_SECURITY = ("api_key_file", "tls", "ca_file", "certificate_file", "certificate_key_file")


def security(options: Mapping[str, Any]) -> "Security":
    """Return what the client of these options shows and trusts, for those who speak without one."""
    from gnomon._security import security_of

    return security_of(**_shown(options))


def _shown(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: options.get(name) for name in _SECURITY}


@dataclass
class Session:
    """One run of one command."""

    output: Output
    addresses: dict[str, Any] = field(default_factory=dict)  # with the other options of the connection
    _client: "Client | None" = None

    @property
    def client(self) -> "Client":
        """The client, made when a command first asks for it."""
        if self._client is None:
            self._client = connect(self.addresses)
        return self._client

    def __enter__(self) -> "Session":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.close()
        if isinstance(error, GnomonError | OSError | UnicodeError) and not isinstance(error, BrokenPipeError):
            problems.report(error, self.output)
            raise typer.Exit(problems.FAILED) from error


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command that calls a service its session, in place of its first parameter.

    The options for printing and for the addresses join the command's own, and
    its errors leave by one way.
    """
    return _with_options(function, _printing, _connection)


def local_command(function: Callable[..., None]) -> Callable[..., None]:
    """Do the same for a command that calls no running service."""
    return _with_options(function, _printing)


def _with_options(function: Callable[..., None], *shared: Callable[..., None]) -> Callable[..., None]:
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    added = [p for source in shared for p in inspect.signature(source, eval_str=True).parameters.values()]

    @wraps(function)
    def run(**values: Any) -> None:
        options = {parameter.name: values.pop(parameter.name) for parameter in added}
        with Session(Output(options.pop("json")), options) as session:
            function(session, **values)

    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*own, *added)]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run
