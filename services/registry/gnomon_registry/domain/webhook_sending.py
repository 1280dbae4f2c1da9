"""One request to a receiver: signed, sent, and put into words."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gnomon import webhooks as signing
from gnomon.errors import (
    EndpointNotAllowedError,
    GnomonError,
    InternalError,
    MasterKeyMissingError,
    WebhookSecretMissingError,
    WebhookUndeliveredError,
)
from gnomon_registry.domain.deliveries import GONE, Attempt
from gnomon_registry.domain.ports import Clock
from gnomon_registry.domain.webhook_ports import NoReplyError, Reply, Sender, Vault
from gnomon_registry.domain.webhooks import Webhook, bound_to


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt; `problem` is None if the receiver took it."""

    attempt: Attempt
    problem: GnomonError | None
    retry_after_s: float = 0.0


def broken_down(webhook: Webhook, begun: datetime) -> Outcome:
    """Return the outcome of an attempt that a defect ended: failed, as any other, so that it has an end."""
    problem = InternalError("The registry has a defect; its log has the details.", resource=str(webhook.name))
    return Outcome(Attempt(begun, 0, 0.0, problem.message), problem)


class Sends(Protocol):
    """Makes requests to receivers."""

    async def send(self, webhook: Webhook, message_id: str, body: str) -> Outcome:
        """Make one request. Whatever goes wrong is in the outcome, but for defects."""
        ...


@dataclass(frozen=True, slots=True)
class Sending:
    """`stopwatch` returns seconds that only grow."""

    vault: Vault
    sender: Sender
    clock: Clock
    stopwatch: Callable[[], float]
    timeout_s: float

    async def send(self, webhook: Webhook, message_id: str, body: str) -> Outcome:
        """Make one request. Whatever goes wrong is in the outcome, but for defects."""
        begun, started = self.clock(), self.stopwatch()
        status, retry_after_s, problem = 0, 0.0, None
        try:
            headers = self._headers(webhook, message_id, body)
            reply = await self.sender.post(webhook.url, body.encode(), headers, self.timeout_s)
            status, retry_after_s, problem = reply.status, reply.retry_after_s, _problem(webhook, reply)
        except NoReplyError as error:
            kind = EndpointNotAllowedError if error.refused else WebhookUndeliveredError
            problem = kind(str(error), resource=str(webhook.name))
        except (WebhookSecretMissingError, MasterKeyMissingError) as error:
            problem = error
        error_text = problem.message if problem else ""
        return Outcome(Attempt(begun, status, self.stopwatch() - started, error_text), problem, retry_after_s)

    def _headers(self, webhook: Webhook, message_id: str, body: str) -> dict[str, str]:
        now, bound = self.clock(), bound_to(webhook.name, webhook.url)
        secrets = [self.vault.open(sealed, bound) for sealed in webhook.sealed_secrets(now)]
        timestamp_s = int(now.timestamp())
        return {
            "content-type": "application/json",
            signing.ID_HEADER: message_id,
            signing.TIMESTAMP_HEADER: str(timestamp_s),
            signing.SIGNATURE_HEADER: signing.signatures(secrets, message_id, timestamp_s, body.encode()),
        }


def _problem(webhook: Webhook, reply: Reply) -> GnomonError | None:
    status = reply.status
    if 200 <= status < 300:
        return None
    words = f"The receiver answered {status}."
    if 300 <= status < 400:
        words = f"The receiver answered {status}. Redirects are not followed: give the webhook their target."
    elif status == GONE:
        words = "The receiver answered 410 Gone: it wants nothing more."
    return WebhookUndeliveredError(words, resource=str(webhook.name), http_status=str(status))
