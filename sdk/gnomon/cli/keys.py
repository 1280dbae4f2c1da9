"""`gnomon keys`: who may call the services, and for what."""

import dataclasses
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from gnomon.api_keys import SCOPES, new_key
from gnomon.cli import view
from gnomon.cli.output import Columns, grid
from gnomon.cli.session import Session, command, local_command
from gnomon.quotas import DAYS, NAMES, NO_QUOTAS, Usage
from gnomon.v1 import access_service_pb2 as pb

app = typer.Typer(
    name="keys", help="API keys say who may call the services, and for what.", no_args_is_help=True
)

Key = Annotated[str, typer.Argument(help="The key: its ID, or apiKeys/{api_key}. Never its text.")]

CallsPerSecond = Annotated[
    float | None, typer.Option(min=0, help="Calls a second that each process lets in; 0 is no limit.")
]
CallsInFlight = Annotated[
    int | None, typer.Option(min=0, help="Calls that may be under way at once in each process.")
]
TokensPerMinute = Annotated[
    int | None, typer.Option(min=0, help="Input tokens a minute that each scorer reads.")
]
StorageBytes = Annotated[
    int | None, typer.Option(min=0, help="Bytes of datasets and blobs, in each service.")
]
TrainingHours = Annotated[
    float | None, typer.Option(min=0, help=f"Hours of workers on its runs in {DAYS} days.")
]

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_ONCE = "This is shown once. Whoever has it can do what the key may."


def state(key: pb.ApiKey) -> str:
    """Return `valid`, `revoked` or `expired`."""
    if key.HasField("revoke_time"):
        return "revoked"
    if key.HasField("expire_time") and key.expire_time.ToDatetime(UTC) <= datetime.now(UTC):
        return "expired"
    return "valid"


_COLUMNS: Columns[pb.ApiKey] = {
    "key": lambda key: view.short(key.name),
    "display name": lambda key: key.display_name,
    "ends with": lambda key: f"…{key.last_four}",
    "scopes": lambda key: ", ".join(key.scopes),
    "projects": lambda key: ", ".join(map(view.short, key.projects)) or "all",
    "state": state,
    "expires": lambda key: view.time(key.expire_time),
    "created": lambda key: view.time(key.create_time),
}


@app.command("generate")
@local_command
def generate(session: Session) -> None:
    """Make a key here, without a service: for the operator's own, which a registry is started with.

    Put it into a file and start the registry with GNOMON_REGISTRY_ACCESS=keys and
    GNOMON_REGISTRY_ADMIN_KEY_FILE=that file.
    """
    key = new_key()
    if session.output.as_json:
        session.output.json({"key_text": key.text, "key_id": key.id})
    else:
        session.output.answer.print(Text(key.text), soft_wrap=True)


@app.command("create")
@command
def create(
    session: Session,
    *,
    scope: Annotated[list[str], typer.Option("--scope", help=f"Repeat for several: {', '.join(SCOPES)}.")],
    display_name: Annotated[
        str | None, typer.Option(help="A name for people, at most 63 characters.")
    ] = None,
    for_project: Annotated[
        list[str] | None,
        typer.Option("--for-project", help="A project to bind the key to; repeat for several. Else all."),
    ] = None,
    expires_in: Annotated[
        str | None, typer.Option(help="How long it is valid, such as 90d or 12h; else until it is revoked.")
    ] = None,
    calls_per_second: CallsPerSecond = None,
    calls_in_flight: CallsInFlight = None,
    tokens_per_minute: TokensPerMinute = None,
    storage_bytes: StorageBytes = None,
    training_hours: TrainingHours = None,
) -> None:
    """Create a key and show its text, this once."""
    ends = datetime.now(UTC) + timedelta(seconds=_seconds(expires_in, "--expires-in")) if expires_in else None
    answer = session.client.keys.create(
        scope,
        display_name=display_name or "",
        projects=for_project or (),
        expire_time=ends,
        quotas=dataclasses.replace(
            NO_QUOTAS,
            **_given(calls_per_second, calls_in_flight, tokens_per_minute, storage_bytes, training_hours),
        ),
    )
    _tell(session, answer)


@app.command("list")
@command
def list_(session: Session) -> None:
    """List keys, without their texts; those that were revoked as well."""
    nothing = "There are no keys yet. Make one: gnomon keys create --scope score"
    session.output.show_list(session.client.keys.list(), _COLUMNS, nothing)


@app.command("show")
@command
def show(session: Session, *, key: Key) -> None:
    """Show a key, without its text."""
    session.output.show(session.client.keys.get(key), view.details)


@app.command("rename")
@command
def rename(
    session: Session,
    *,
    key: Key,
    display_name: Annotated[str, typer.Argument(help="A name for people.")],
) -> None:
    """Give a key another display name."""
    found = session.client.keys.get(key)
    found.display_name = display_name
    updated = session.client.keys.update(found, fields=["display_name"])
    session.output.done(updated, f"Renamed {updated.name}.")


@app.command("limit")
@command
def limit(
    session: Session,
    *,
    key: Key,
    calls_per_second: CallsPerSecond = None,
    calls_in_flight: CallsInFlight = None,
    tokens_per_minute: TokensPerMinute = None,
    storage_bytes: StorageBytes = None,
    training_hours: TrainingHours = None,
) -> None:
    """Change what a key may use, everywhere within a second; what is not given stays, and 0 is no limit."""
    given = _given(calls_per_second, calls_in_flight, tokens_per_minute, storage_bytes, training_hours)
    if not given:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in NAMES)
        raise typer.BadParameter(f"name what to limit: {options}")
    found = session.client.keys.get(key)
    for name, value in given.items():
        setattr(found.quotas, name, value)
    updated = session.client.keys.update(found, fields=["quotas"])
    session.output.done(updated, f"Limited {updated.name}.")


@app.command("usage")
@command
def usage(session: Session, *, key: Key) -> None:
    """Show what a key may use, and what it uses of what is kept."""
    quotas = session.client.keys.get(key).quotas
    used = session.client.keys.usage(key)
    limits = {name: getattr(quotas, name) for name in NAMES}
    document = {"quotas": limits, "usage": {name: dataclasses.asdict(each) for name, each in used.items()}}
    session.output.show(document, lambda _: _usage(limits, used))


@app.command("rotate")
@command
def rotate(
    session: Session,
    *,
    key: Key,
    overlap: Annotated[
        str, typer.Option(help="How long earlier texts stay valid, such as 1h or 7d; at most 90d.")
    ] = "0s",
) -> None:
    """Give a key a new text, shown this once. If it did not arrive, run it again with the same --overlap."""
    answer = session.client.keys.rotate(key, overlap_s=_seconds(overlap, "--overlap"))
    _tell(session, answer)


@app.command("revoke")
@command
def revoke(session: Session, *, key: Key) -> None:
    """End a key for good, everywhere within a second. Calls that are under way end as well."""
    revoked = session.client.keys.revoke(key)
    session.output.done(revoked, f"Revoked {revoked.name}.")


@app.command("whoami")
@command
def whoami(session: Session) -> None:
    """Show what the key of this command may do."""
    session.output.show(session.client.keys.identify(), _identity)


def _tell(session: Session, answer: pb.CreateApiKeyResponse | pb.RotateApiKeyResponse) -> None:
    """Print a key with its text, which is never cut nor broken into lines."""
    output, key = session.output, answer.api_key
    if output.as_json:
        output.json(answer)
        return
    output.answer.print(grid([("key", view.short(key.name)), ("scopes", ", ".join(key.scopes))]))
    output.answer.print(Text(answer.key_text, style="bold"), soft_wrap=True)
    output.note(_ONCE)


def _given(*values: float | None) -> dict[str, Any]:
    """Return the quotas that were given, in the order of their names, by name."""
    return {name: value for name, value in zip(NAMES, values, strict=True) if value is not None}


def _usage(limits: dict[str, Any], used: dict[str, Usage]) -> RenderableType:
    stored = {service: each.storage_bytes for service, each in used.items()}
    hours = sum(each.training_hours for each in used.values())
    told = {
        "storage_bytes": f"{stored['registry']} in the registry, {stored['trainer']} in the trainer",
        "training_hours": f"{hours:.3f} in the last {DAYS} days",
    }
    lines = [(name.replace("_", " "), _limited(limits[name], told.get(name, ""))) for name in NAMES]
    return grid(lines)


def _limited(limit: float, used: str) -> str:
    return f"{used}{', ' if used else ''}{f'limit {limit:g}' if limit else 'no limit'}"


def _identity(found: pb.IdentifyCallerResponse) -> RenderableType:
    return grid(
        [
            ("key", view.short(found.name) or "none: access control is off"),
            ("display name", found.display_name),
            ("scopes", ", ".join(found.scopes)),
            ("projects", ", ".join(map(view.short, found.projects)) or "all"),
        ]
    )


def _seconds(text: str, option: str) -> float:
    match = re.fullmatch(r"(\d{1,6})([smhd])", text.strip())
    if match is None:
        raise typer.BadParameter(f"{option} must be a number and s, m, h or d, such as 12h or 90d")
    return int(match[1]) * _UNITS_S[match[2]]
