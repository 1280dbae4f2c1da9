"""Webhooks: who is told of changes, and what becomes of them. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from gnomon import webhooks as signing
from gnomon.errors import InvalidRequestError, Violation, WebhookSecretMissingError
from gnomon.names import MetricName, WebhookName
from gnomon_registry.domain.entities import Change, ChangeKind

LONGEST_OVERLAP = timedelta(days=30)
_MOST_METRICS = 100
_LONGEST_URL = 1_000


class PauseCause(StrEnum):
    """Why nothing is sent; the names are those of `gnomon.v1.Webhook.PauseCause`."""

    USER = "user"
    GONE = "gone"
    FAILING = "failing"
    SECRET_DROPPED = "secret_dropped"  # noqa: S105  a state


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook as it is stored.

    `position` is the ID of the last entry of the log that was taken for it, `secret_number` counts its
    secrets.
    """

    name: WebhookName
    display_name: str
    url: str
    kinds: tuple[ChangeKind, ...]  # all if empty
    metrics: tuple[str, ...]  # IDs; all if empty
    sealed_secret: bytes = field(repr=False)  # empty if it was dropped
    position: int
    etag: str
    create_time: datetime
    update_time: datetime
    secret_number: int = 1
    sealed_old_secret: bytes = field(default=b"", repr=False)
    old_secret_expire_time: datetime | None = None
    pause_cause: PauseCause | None = None
    last_success_time: datetime | None = None
    failing_since_time: datetime | None = None
    last_error: str = ""

    def wants(self, change: Change) -> bool:
        return (not self.kinds or change.kind in self.kinds) and (
            not self.metrics or change.metric in self.metrics
        )

    def sealed_secrets(self, now: datetime) -> list[bytes]:
        """Return what requests are signed with, the newest first.

        Raises:
            WebhookSecretMissingError: there is none.
        """
        if not self.sealed_secret:
            raise no_secret(str(self.name))
        old = self.old_secret_expire_time
        return [self.sealed_secret, *([self.sealed_old_secret] if old and now < old else [])]

    def with_url(self, url: str) -> "Webhook":
        """Return it at another URL, without the secrets, which were for the old one."""
        if url == self.url:
            return self
        bare = replace(self, url=url, sealed_secret=b"", sealed_old_secret=b"", old_secret_expire_time=None)
        by_user = self.pause_cause is PauseCause.USER  # another secret must not end that one
        return replace(bare, pause_cause=PauseCause.USER if by_user else PauseCause.SECRET_DROPPED)

    def with_secret(self, sealed: bytes, now: datetime, overlap: timedelta) -> "Webhook":
        """Return it with another secret; the old one counts beside it until the overlap is over."""
        keeps_old = bool(self.sealed_secret) and overlap > timedelta(0)
        return replace(
            self,
            sealed_secret=sealed,
            secret_number=self.secret_number + 1,
            sealed_old_secret=self.sealed_secret if keeps_old else b"",
            old_secret_expire_time=now + overlap if keeps_old else None,
        )

    def paused(self) -> "Webhook":
        return replace(self, pause_cause=self.pause_cause or PauseCause.USER)

    def resumed(self) -> "Webhook":
        """Return it without its pause, and with its failures forgotten, which would end in the next one.

        Raises:
            WebhookSecretMissingError: it has no secret.
        """
        if not self.sealed_secret:
            raise no_secret(str(self.name))
        return replace(self, pause_cause=None, failing_since_time=None, last_error="")


def bound_to(name: WebhookName, url: str) -> str:
    """Return what a secret is bound to: a stored row that is changed by hand signs for nobody else."""
    return f"{name}\n{url}"


def no_secret(name: str) -> WebhookSecretMissingError:
    return WebhookSecretMissingError(
        f"{name} has no secret that opens: its URL changed, the master key is another one, or the "
        f"database was changed. Make another secret: `gnomon webhooks rotate {name.partition('/')[2]}`.",
        resource=name,
    )


def check_secret(secret: str, path: str) -> str:
    """Return the secret, or raise InvalidRequestError, which does not repeat it."""
    try:
        signing.secret_bytes(secret)
    except ValueError as error:
        raise _wrong(path, signing.SECRET_RULE) from error
    return secret


def check_length(url: str) -> str:
    """Return the URL, or raise InvalidRequestError. Where it leads is checked elsewhere."""
    if not 0 < len(url) <= _LONGEST_URL:
        raise _wrong("webhook.url", f"must have 1 to {_LONGEST_URL} characters")
    return url


def checked_kinds(kinds: Iterable[ChangeKind]) -> tuple[ChangeKind, ...]:
    """Return each kind once, in the order that kinds have."""
    given = set(kinds)
    return tuple(kind for kind in ChangeKind if kind in given)


def checked_metrics(names: Iterable[str]) -> tuple[str, ...]:
    """Return the metrics' IDs, each once; InvalidRequestError names one that is no metric's name."""
    parsed = [MetricName.parse(name, f"webhook.metrics[{index}]") for index, name in enumerate(names)]
    if len(parsed) > _MOST_METRICS:
        raise _wrong("webhook.metrics", f"are {len(parsed)}; at most {_MOST_METRICS} are allowed")
    return tuple(sorted({name.metric for name in parsed}))


def checked_overlap(overlap: timedelta) -> timedelta:
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise _wrong("overlap", "must be 0 to 30 days")
    return overlap


def _wrong(path: str, rule: str) -> InvalidRequestError:
    return InvalidRequestError(f"{path} {rule}.", violations=[Violation(path, rule)])
