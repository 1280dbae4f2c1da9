"""`gnomon providers`: the endpoints at which judges are reached."""

import getpass
import os
import sys
from typing import Annotated

import typer
from google.protobuf.duration_pb2 import Duration

from gnomon.cli import view
from gnomon.cli.output import Columns, grid
from gnomon.cli.session import Session, command
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import trainer_service_pb2 as trainer

app = typer.Typer(
    name="providers",
    help="Providers are the OpenAI-compatible endpoints at which judges are reached.",
    no_args_is_help=True,
)

_KEY = "The key (it has no place on a command line, which shells remember)"

Provider = Annotated[str, typer.Argument(help="The provider: its ID, or providers/{provider}.")]
DisplayName = Annotated[str | None, typer.Option(help="A name for people, at most 63 characters.")]
AskKey = Annotated[bool, typer.Option("--ask-key", help="Ask for the key.", rich_help_panel=_KEY)]
KeyStdin = Annotated[
    bool, typer.Option("--key-stdin", help="Read the key from standard input.", rich_help_panel=_KEY)
]
KeyEnv = Annotated[
    str | None,
    typer.Option(help="Take the key from the environment variable of this name.", rich_help_panel=_KEY),
]

_STATES = {
    pb.Provider.NO_KEY: "none",
    pb.Provider.STORED: "stored",
    pb.Provider.DROPPED: "dropped, as the URL changed; write it again",
}

_COLUMNS: Columns[pb.Provider] = {
    "provider": lambda provider: view.short(provider.name),
    "model": lambda provider: provider.model,
    "base URL": lambda provider: provider.base_url,
    "key": lambda provider: _STATES.get(provider.key_state, ""),
}


@app.command("create")
@command
def create(
    session: Session,
    *,
    provider_id: Annotated[
        str, typer.Argument(help="The new provider's ID: lower-case letters, digits, hyphens.")
    ],
    base_url: Annotated[
        str, typer.Option(help="The URL below which /chat/completions is: https://api.openai.com/v1.")
    ],
    model: Annotated[str, typer.Option(help="What the endpoint calls the model.")],
    display_name: DisplayName = None,
    ask_key: AskKey = False,
    key_stdin: KeyStdin = False,
    key_env: KeyEnv = None,
) -> None:
    """Create a provider. Its endpoint is not called; `gnomon providers test` does that."""
    provider = session.client.providers.create(
        provider_id,
        base_url=base_url,
        model=model,
        api_key=_key(ask_key, key_stdin, key_env) or "",
        display_name=display_name or "",
    )
    session.output.done(provider, f"Created {provider.name}. Try it: gnomon providers test {provider_id}")


@app.command("get")
@command
def get(session: Session, *, provider: Provider) -> None:
    """Show a provider. Its key is never shown."""
    session.output.show(session.client.providers.get(provider), view.details)


@app.command("list")
@command
def list_(session: Session) -> None:
    """List providers."""
    nothing = "There are no providers yet. Make one: gnomon providers create --help"
    session.output.show_list(session.client.providers.list(), _COLUMNS, nothing)


@app.command("update")
@command
def update(
    session: Session,
    *,
    provider: Provider,
    base_url: Annotated[str | None, typer.Option(help="Another URL; drops the key.")] = None,
    model: Annotated[str | None, typer.Option(help="Another model.")] = None,
    display_name: DisplayName = None,
    ask_key: AskKey = False,
    key_stdin: KeyStdin = False,
    key_env: KeyEnv = None,
    remove_key: Annotated[
        bool, typer.Option("--remove-key", help="Forget the key.", rich_help_panel=_KEY)
    ] = False,
) -> None:
    """Change a provider or its key. A new URL drops the key, unless one is given with it."""
    key = _key(ask_key, key_stdin, key_env)
    if remove_key and key is not None:
        raise typer.BadParameter("--remove-key goes with no other option of the key")
    changes = {"base_url": base_url, "model": model, "display_name": display_name}
    changes["api_key"] = "" if remove_key else key
    fields = tuple(field for field, value in changes.items() if value is not None)
    if not fields:
        raise typer.BadParameter("name what to change: --base-url, --model, --display-name, or the key")
    found = session.client.providers.get(provider)
    had_key = found.key_state == pb.Provider.STORED
    for field in fields:
        setattr(found, field, changes[field])
    updated = session.client.providers.update(found, fields=fields)
    dropped = had_key and updated.key_state == pb.Provider.DROPPED
    note = (
        " Its key was dropped, as it belongs to the old URL: add --ask-key to write one." if dropped else ""
    )
    session.output.done(updated, f"Updated {updated.name}.{note}")


@app.command("delete")
@command
def delete(session: Session, *, provider: Provider) -> None:
    """Delete a provider and its key."""
    session.client.providers.delete(provider)
    session.output.done({"deleted": provider}, f"Deleted {provider}.")


@app.command("test")
@command
def test(session: Session, *, provider: Provider) -> None:
    """Ask the endpoint for three tiny completions, and say what it can do."""
    tested = session.client.providers.test(provider)
    session.output.show(
        tested,
        lambda shown: grid(
            [
                ("model", shown.model),
                ("latency", f"{_seconds(shown.latency):.2f} s"),
                ("JSON schema", _ability(shown.json_schema)),
                ("log-probabilities", _ability(shown.log_probabilities)),
            ]
        ),
    )


def _seconds(duration: Duration) -> float:
    return duration.ToNanoseconds() / 1e9


def _ability(ability: trainer.TestProviderResponse.Ability) -> str:
    return "works" if ability.works else f"no: {ability.problem}"


def _key(ask: bool, from_stdin: bool, variable: str | None) -> str | None:
    """Return the key from where the user says it is; None if nowhere."""
    if ask + from_stdin + (variable is not None) > 1:
        raise typer.BadParameter("give the key by one of --ask-key, --key-stdin and --key-env")
    if ask:
        if not sys.stdin.isatty():
            raise typer.BadParameter("--ask-key needs a terminal; there is --key-stdin as well")
        return _some(getpass.getpass("Key: "), "the key is empty")
    if from_stdin:
        return _some(sys.stdin.read(), "standard input is empty")
    if variable is not None:
        return _some(os.environ.get(variable, ""), f"the variable {variable} is not set, or empty")
    return None


def _some(text: str, otherwise: str) -> str:
    if not text.strip():
        raise typer.BadParameter(otherwise)
    return text.strip()
