"""`client.webhooks`."""

from collections.abc import AsyncIterator, Iterable

from google.protobuf import duration_pb2, empty_pb2

from gnomon import shorthand
from gnomon._async.connection import AsyncConnection
from gnomon._requests import field_mask, new_request_id
from gnomon._webhooks import delivery_state, webhook_message
from gnomon.errors import NotFoundError
from gnomon.status import from_status
from gnomon.v1 import webhooks_pb2 as pb

_SERVICE = "gnomon.v1.RegistryService"


class AsyncWebhooks:
    """Webhooks are URLs that are told of changes of the catalog. A name is `webhooks/ci` or just `ci`.

    Whoever receives them verifies requests with `gnomon.webhooks.verify`.
    """

    def __init__(self, registry_connection: AsyncConnection) -> None:
        self._registry = registry_connection

    async def create(
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
        return await self._registry.unary(f"{_SERVICE}/CreateWebhook", request, pb.Webhook)

    async def get(self, name: str) -> pb.Webhook:
        request = pb.GetWebhookRequest(name=shorthand.webhook(name))
        return await self._registry.unary(f"{_SERVICE}/GetWebhook", request, pb.Webhook)

    async def list(self) -> AsyncIterator[pb.Webhook]:
        """Yield all webhooks, ordered by name."""
        request, response = pb.ListWebhooksRequest(), pb.ListWebhooksResponse
        async for page in self._registry.pages(f"{_SERVICE}/ListWebhooks", request, response):
            for webhook in page.webhooks:
                yield webhook

    async def update(self, webhook: pb.Webhook, fields: Iterable[str] = ()) -> pb.Webhook:
        """Write the named fields of a webhook, found by its name; without any, those that are set.

        Another `url` drops the secret and pauses the webhook until `rotate_secret`.

        Raises:
            EtagMismatchError: `webhook` has an etag, and someone wrote since.
            WebhookSecretMissingError: `paused` shall become false, and there is no secret.
        """
        request = pb.UpdateWebhookRequest(webhook=webhook, update_mask=field_mask(fields))
        return await self._registry.unary(f"{_SERVICE}/UpdateWebhook", request, pb.Webhook)

    async def delete(self, name: str) -> None:
        """Delete a webhook, its secret and its history."""
        request = pb.DeleteWebhookRequest(name=shorthand.webhook(name))
        await self._registry.unary(
            f"{_SERVICE}/DeleteWebhook", request, empty_pb2.Empty, repeated_is=NotFoundError
        )

    async def rotate_secret(
        self, name: str, *, secret: str = "", overlap_s: float | None = None
    ) -> pb.Webhook:
        """Give a webhook another secret; the `secret` of what is returned is not shown again.

        Requests carry signatures of both for `overlap_s` seconds, 24 hours if None.
        """
        overlap = None if overlap_s is None else duration_pb2.Duration()
        if overlap is not None and overlap_s is not None:
            overlap.FromNanoseconds(int(overlap_s * 1e9))
        request = pb.RotateWebhookSecretRequest(
            name=shorthand.webhook(name), secret=secret, overlap=overlap, request_id=new_request_id()
        )
        return await self._registry.unary(f"{_SERVICE}/RotateWebhookSecret", request, pb.Webhook)

    async def test(self, name: str) -> pb.WebhookDelivery.Attempt:
        """Send an event of the type `webhook.test`, once; return how the receiver took it.

        Raises:
            WebhookUndeliveredError: it did not.
            EndpointNotAllowedError: it is at an address that may not be called.
            WebhookSecretMissingError: there is nothing to sign with.
        """
        request = pb.TestWebhookRequest(name=shorthand.webhook(name))
        response = await self._registry.unary(f"{_SERVICE}/TestWebhook", request, pb.TestWebhookResponse)
        if response.HasField("error"):
            raise from_status(response.error)
        return response.attempt

    async def deliveries(self, name: str, *, state: str = "") -> AsyncIterator[pb.WebhookDelivery]:
        """Yield what a webhook was told or is to be told, newest first.

        `state` may be `waiting`, `delivered` or `failed`.
        """
        request = pb.ListWebhookDeliveriesRequest(parent=shorthand.webhook(name), state=delivery_state(state))
        response = pb.ListWebhookDeliveriesResponse
        async for page in self._registry.pages(f"{_SERVICE}/ListWebhookDeliveries", request, response):
            for delivery in page.webhook_deliveries:
                yield delivery

    async def redeliver(self, name: str) -> pb.WebhookDelivery:
        """Have a delivery, `webhooks/ci/deliveries/msg-…` or `ci/msg-…`, sent again with the same ID."""
        request = pb.RedeliverWebhookRequest(name=shorthand.webhook_delivery(name))
        return await self._registry.unary(f"{_SERVICE}/RedeliverWebhook", request, pb.WebhookDelivery)
