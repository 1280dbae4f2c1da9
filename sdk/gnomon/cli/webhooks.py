"""`gnomon webhooks`: who is told of changes of the catalog."""

import os
import sys
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from gnomon._webhooks import event_word, webhook_message
from gnomon.cli import view
from gnomon.cli.output import Columns, grid
from gnomon.cli.session import Session, command
from gnomon.v1 import webhooks_pb2 as pb

app = typer.Typer(
    name="webhooks",
    help="Webhooks tell a URL of changes of versions and aliases, signed.",
    no_args_is_help=True,
)

_SECRET = "The secret (made by the registry if none is given)"  # noqa: S105  a heading

Webhook = Annotated[str, typer.Argument(help="The webhook: its ID, or webhooks/{webhook}.")]
Url = Annotated[str | None, typer.Option(help="Where changes are posted to. Another URL drops the secret.")]
DisplayName = Annotated[str | None, typer.Option(help="A name for people, at most 63 characters.")]
Event = Annotated[
    list[str] | None,
    typer.Option(
        help="What it is told of, once for each: version.created, version.deleted, version.restored, "
        "alias.set, alias.deleted. All without it."
    ),
]
Metric = Annotated[list[str] | None, typer.Option(help="Of which metric, once for each. All without it.")]
SecretStdin = Annotated[
    bool, typer.Option("--secret-stdin", help="Read it from standard input.", rich_help_panel=_SECRET)
]
SecretEnv = Annotated[
    str | None,
    typer.Option(help="Take it from the environment variable of this name.", rich_help_panel=_SECRET),
]

_CAUSES = {
    pb.Webhook.PAUSE_CAUSE_UNSPECIFIED: "active",
    pb.Webhook.USER: "paused",
    pb.Webhook.GONE: "paused: the receiver says that it is gone",
    pb.Webhook.FAILING: "paused: the receiver has failed for long",
    pb.Webhook.SECRET_DROPPED: "paused: another URL needs another secret, see `gnomon webhooks rotate`",
}


def _state(webhook: pb.Webhook) -> str:
    state = _CAUSES.get(webhook.pause_cause, "paused")
    return f"failing: {webhook.last_error}" if state == "active" and webhook.last_error else state


_COLUMNS: Columns[pb.Webhook] = {
    "webhook": lambda webhook: view.short(webhook.name),
    "URL": lambda webhook: webhook.url,
    "events": lambda webhook: ", ".join(map(event_word, webhook.event_kinds)) or "all",
    "metrics": lambda webhook: ", ".join(map(view.short, webhook.metrics)) or "all",
    "state": _state,
}

_DELIVERY_COLUMNS: Columns[pb.WebhookDelivery] = {
    "delivery": lambda delivery: view.short(delivery.name),
    "event": lambda delivery: event_word(delivery.event_kind),
    "state": lambda delivery: pb.WebhookDelivery.State.Name(delivery.state),
    "attempts": lambda delivery: delivery.attempt_count,
    "created": lambda delivery: view.time(delivery.create_time),
    "next attempt": lambda delivery: view.time(delivery.next_attempt_time),
    "last error": lambda delivery: delivery.attempts[-1].error if delivery.attempts else "",
}


@app.command("create")
@command
def create(
    session: Session,
    *,
    webhook_id: Annotated[
        str, typer.Argument(help="The new webhook's ID: lower-case letters, digits, hyphens.")
    ],
    url: Annotated[
        str, typer.Option(help="Where changes are posted to: public HTTPS, or what the operator allows.")
    ],
    event: Event = None,
    metric: Metric = None,
    display_name: DisplayName = None,
    paused: Annotated[bool, typer.Option("--paused", help="Send nothing yet.")] = False,
    secret_stdin: SecretStdin = False,
    secret_env: SecretEnv = None,
) -> None:
    """Create a webhook, and show its secret, once. `gnomon webhooks test` then calls the URL."""
    webhook = session.client.webhooks.create(
        webhook_id,
        url=url,
        events=event or (),
        metrics=metric or (),
        display_name=display_name or "",
        paused=paused,
        secret=_secret(secret_stdin, secret_env),
    )
    session.output.show(webhook, lambda shown: _with_secret(shown, f"Created {shown.name}."))


@app.command("show")
@command
def show(session: Session, *, webhook: Webhook) -> None:
    """Show a webhook. Its secret is not shown."""
    session.output.show(session.client.webhooks.get(webhook), _details)


@app.command("list")
@command
def list_(session: Session) -> None:
    """List webhooks."""
    nothing = "There are no webhooks yet. Make one: gnomon webhooks create --help"
    session.output.show_list(session.client.webhooks.list(), _COLUMNS, nothing)


@app.command("update")
@command
def update(
    session: Session,
    *,
    webhook: Webhook,
    url: Url = None,
    event: Event = None,
    metric: Metric = None,
    all_events: Annotated[bool, typer.Option("--all-events", help="Tell it of everything.")] = False,
    all_metrics: Annotated[bool, typer.Option("--all-metrics", help="Tell it of all metrics.")] = False,
    display_name: DisplayName = None,
    pause: Annotated[
        bool | None, typer.Option("--pause/--resume", help="Send nothing; send it, and what has waited.")
    ] = None,
) -> None:
    """Change a webhook. Another URL drops the secret, until `gnomon webhooks rotate`."""
    if (event and all_events) or (metric and all_metrics):
        raise typer.BadParameter("--all-… goes with no single one")
    changes = {
        "url": url is not None,
        "event_kinds": bool(event) or all_events,
        "metrics": bool(metric) or all_metrics,
        "display_name": display_name is not None,
        "paused": pause is not None,
    }
    fields = [field for field, given in changes.items() if given]
    if not fields:
        raise typer.BadParameter("name what to change: see --help")
    found = session.client.webhooks.get(webhook)
    wanted = webhook_message(name=found.name, url=url or "", events=event or (), metrics=metric or ())
    wanted.MergeFrom(pb.Webhook(display_name=display_name or "", paused=bool(pause), etag=found.etag))
    updated = session.client.webhooks.update(wanted, fields=fields)
    session.output.done(updated, f"Updated {updated.name}: {_state(updated)}.")


@app.command("delete")
@command
def delete(session: Session, *, webhook: Webhook) -> None:
    """Delete a webhook, its secret and its history."""
    session.client.webhooks.delete(webhook)
    session.output.done({"deleted": webhook}, f"Deleted {webhook}.")


@app.command("rotate")
@command
def rotate(
    session: Session,
    *,
    webhook: Webhook,
    overlap_hours: Annotated[
        float, typer.Option(min=0, max=720, help="How long requests are signed with the old secret as well.")
    ] = 24.0,
    secret_stdin: SecretStdin = False,
    secret_env: SecretEnv = None,
) -> None:
    """Give a webhook another secret, and show it, once."""
    rotated = session.client.webhooks.rotate_secret(
        webhook, secret=_secret(secret_stdin, secret_env), overlap_s=overlap_hours * 3600
    )
    session.output.show(rotated, lambda shown: _with_secret(shown, f"{shown.name} has another secret."))


@app.command("test")
@command
def test(session: Session, *, webhook: Webhook) -> None:
    """Send an event of the type webhook.test, once."""
    attempt = session.client.webhooks.test(webhook)
    seconds = attempt.duration.ToNanoseconds() / 1e9
    session.output.done(attempt, f"The receiver answered {attempt.http_status} after {seconds:.2f} s.")


@app.command("deliveries")
@command
def deliveries(
    session: Session,
    *,
    webhook: Webhook,
    state: Annotated[
        str, typer.Option(help="Only those that are waiting, delivered or failed.", show_default=False)
    ] = "",
) -> None:
    """List what a webhook was told or is to be told, newest first. --json shows every attempt."""
    found = session.client.webhooks.deliveries(webhook, state=state)
    session.output.show_list(found, _DELIVERY_COLUMNS, "There is nothing in the history.")


@app.command("redeliver")
@command
def redeliver(
    session: Session,
    *,
    delivery: Annotated[str, typer.Argument(help="The delivery, as `gnomon webhooks deliveries` shows it.")],
) -> None:
    """Have a delivery sent again, with the same ID."""
    again = session.client.webhooks.redeliver(delivery)
    session.output.done(again, f"{view.short(again.name)} is sent again.")


def _details(webhook: pb.Webhook) -> RenderableType:
    events = ", ".join(map(event_word, webhook.event_kinds)) or "all"
    rest = view.details(webhook, without=("event_kinds", "paused", "pause_cause"))
    return Group(grid([("state", _state(webhook)), ("events", events)]), rest)


def _with_secret(webhook: pb.Webhook, sentence: str) -> RenderableType:
    steps = (
        f"{sentence} Its secret, which is not shown again:\n\n  {webhook.secret}\n\n"
        f"Try it: gnomon webhooks test {view.short(webhook.name)}"
    )
    return Text(steps)


def _secret(from_stdin: bool, variable: str | None) -> str:
    """Return the secret from where the user says it is; empty if nowhere."""
    if from_stdin and variable is not None:
        raise typer.BadParameter("give the secret by one of --secret-stdin and --secret-env")
    if from_stdin:
        return _some(sys.stdin.read(), "standard input is empty")
    if variable is not None:
        return _some(os.environ.get(variable, ""), f"the variable {variable} is not set, or empty")
    return ""


def _some(text: str, otherwise: str) -> str:
    if not text.strip():
        raise typer.BadParameter(otherwise)
    return text.strip()
