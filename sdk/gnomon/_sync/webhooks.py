# Made from gnomon/_async/webhooks.py by tools/unasync.py. Do not edit.

"""`client.webhooks`."""

from collections.abc import Iterable, Iterator

from google.protobuf import duration_pb2, empty_pb2

from gnomon import shorthand
from gnomon._requests import field_mask, new_request_id
from gnomon._sync.connection import Connection
from gnomon._webhooks import delivery_state, webhook_message
from gnomon.errors import NotFoundError
from gnomon.status import from_status
from gnomon.v1 import webhooks_pb2 as pb

_SERVICE = "gnomon.v1.RegistryService"


class Webhooks:
    """Webhooks are URLs that are told of changes of the catalog. A name is `webhooks/ci` or just `ci`.

    Whoever receives them verifies requests with `gnomon.webhooks.verify`.
    """

    def __init__(self, registry_connection: Connection) -> None:
        self._registry = registry_connection

    def create(
        self,
        webhook_id: str,
        *,
        url: str,
        events: Iterable[str] = (),
        metrics: Iterable[str] = (),
        display_name: str = "",
        secret: str = "",
        paused: bool = False,
    ) -> pb.Webhook:
        """Create a webhook; the `secret` of what is returned is not shown again.

        Args:
            events: such as `version.created`, `alias.set`; all if empty.
            metrics: of which metrics; of all if empty.
            secret: `whsec_` and 24 to 64 bytes in base64; one is made if it is empty.
            paused: send nothing until `update` ends the pause.

        Raises:
            AlreadyExistsError: the ID is taken.
            InvalidRequestError: the URL is neither public HTTPS nor one that the operator allows.
            MasterKeyMissingError: the registry has nothing to seal the secret with.
        """
        webhook = webhook_message(url=url, events=events, metrics=metrics)
        webhook.MergeFrom(pb.Webhook(display_name=display_name, secret=secret, paused=paused))
        request = pb.CreateWebhookRequest(webhook_id=webhook_id, webhook=webhook, request_id=new_request_id())
        return self._registry.unary(f"{_SERVICE}/CreateWebhook", request, pb.Webhook)

    def get(self, name: str) -> pb.Webhook:
        request = pb.GetWebhookRequest(name=shorthand.webhook(name))
        return self._registry.unary(f"{_SERVICE}/GetWebhook", request, pb.Webhook)

    def list(self) -> Iterator[pb.Webhook]:
        """Yield all webhooks, ordered by name."""
        request, response = pb.ListWebhooksRequest(), pb.ListWebhooksResponse
        for page in self._registry.pages(f"{_SERVICE}/ListWebhooks", request, response):
            yield from page.webhooks

    def update(self, webhook: pb.Webhook, fields: Iterable[str] = ()) -> pb.Webhook:
        """Write the named fields of a webhook, found by its name; without any, those that are set.

        Another `url` drops the secret and pauses the webhook until `rotate_secret`.

        Raises:
            EtagMismatchError: `webhook` has an etag, and someone wrote since.
            WebhookSecretMissingError: `paused` shall become false, and there is no secret.
        """
        request = pb.UpdateWebhookRequest(webhook=webhook, update_mask=field_mask(fields))
        return self._registry.unary(f"{_SERVICE}/UpdateWebhook", request, pb.Webhook)

    def delete(self, name: str) -> None:
        """Delete a webhook, its secret and its history."""
        request = pb.DeleteWebhookRequest(name=shorthand.webhook(name))
        self._registry.unary(f"{_SERVICE}/DeleteWebhook", request, empty_pb2.Empty, repeated_is=NotFoundError)

    def rotate_secret(self, name: str, *, secret: str = "", overlap_s: float | None = None) -> pb.Webhook:
        """Give a webhook another secret; the `secret` of what is returned is not shown again.

        Requests carry signatures of both for `overlap_s` seconds, 24 hours if None.
        """
        overlap = None if overlap_s is None else duration_pb2.Duration()
        if overlap is not None and overlap_s is not None:
            overlap.FromNanoseconds(int(overlap_s * 1e9))
        request = pb.RotateWebhookSecretRequest(
            name=shorthand.webhook(name), secret=secret, overlap=overlap, request_id=new_request_id()
        )
        return self._registry.unary(f"{_SERVICE}/RotateWebhookSecret", request, pb.Webhook)

    def test(self, name: str) -> pb.WebhookDelivery.Attempt:
        """Send an event of the type `webhook.test`, once; return how the receiver took it.

        Raises:
            WebhookUndeliveredError: it did not.
            EndpointNotAllowedError: it is at an address that may not be called.
            WebhookSecretMissingError: there is nothing to sign with.
        """
        request = pb.TestWebhookRequest(name=shorthand.webhook(name))
        response = self._registry.unary(f"{_SERVICE}/TestWebhook", request, pb.TestWebhookResponse)
        if response.HasField("error"):
            raise from_status(response.error)
        return response.attempt

    def deliveries(self, name: str, *, state: str = "") -> Iterator[pb.WebhookDelivery]:
        """Yield what a webhook was told or is to be told, newest first.

        `state` may be `waiting`, `delivered` or `failed`.
        """
        request = pb.ListWebhookDeliveriesRequest(parent=shorthand.webhook(name), state=delivery_state(state))
        response = pb.ListWebhookDeliveriesResponse
        for page in self._registry.pages(f"{_SERVICE}/ListWebhookDeliveries", request, response):
            yield from page.webhook_deliveries

    def redeliver(self, name: str) -> pb.WebhookDelivery:
        """Have a delivery, `webhooks/ci/deliveries/msg-…` or `ci/msg-…`, sent again with the same ID."""
        request = pb.RedeliverWebhookRequest(name=shorthand.webhook_delivery(name))
        return self._registry.unary(f"{_SERVICE}/RedeliverWebhook", request, pb.WebhookDelivery)
