"""The RPCs of webhooks."""

# ruff: noqa: ARG002, N802  RPCs have the proto's names and gRPC's parameters

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from google.protobuf import empty_pb2

from gnomon.errors import InvalidRequestError, Violation
from gnomon.names import WebhookDeliveryName, WebhookName, check_id
from gnomon.status import to_status
from gnomon.threads import in_thread
from gnomon.v1 import webhooks_pb2 as pb
from gnomon_registry.api import webhook_messages as messages
from gnomon_registry.api.paging import number, page
from gnomon_registry.domain.deliveries import Delivery, DeliveryState
from gnomon_registry.domain.entities import ChangeKind
from gnomon_registry.domain.webhook_use_cases import WebhookDraft, Webhooks
from gnomon_rpc.masks import fields_to_write
from gnomon_rpc.request_ids import request_key

_OVERLAP = timedelta(hours=24)


class WebhookRpcs:
    webhooks: Webhooks
    dispatch_now: Callable[[], None]

    async def CreateWebhook(self, request: pb.CreateWebhookRequest, context: Any) -> pb.Webhook:
        given = request.webhook
        draft = WebhookDraft(
            name=WebhookName(check_id(request.webhook_id, "webhook_id")),
            display_name=given.display_name,
            url=given.url,
            kinds=_kinds(given.event_kinds),
            metrics=tuple(given.metrics),
            paused=given.paused,
            secret=given.secret,
        )
        made = await in_thread(self.webhooks.create, draft, request_key(request))
        return messages.webhook(made.webhook, made.secret)

    async def GetWebhook(self, request: pb.GetWebhookRequest, context: Any) -> pb.Webhook:
        return messages.webhook(await in_thread(self.webhooks.get, WebhookName.parse(request.name)))

    async def ListWebhooks(self, request: pb.ListWebhooksRequest, context: Any) -> pb.ListWebhooksResponse:
        found = await page(
            request, self.webhooks.page, lambda webhook: webhook.name.webhook, messages.webhook
        )
        return pb.ListWebhooksResponse(webhooks=found.items, next_page_token=found.next_page_token)

    async def UpdateWebhook(self, request: pb.UpdateWebhookRequest, context: Any) -> pb.Webhook:
        given = request.webhook
        name = WebhookName.parse(given.name, "webhook.name")
        values = {field: getattr(given, field) for field in fields_to_write(given, request.update_mask.paths)}
        if "event_kinds" in values:
            values["kinds"] = _kinds(values.pop("event_kinds"))
        changed = await in_thread(self.webhooks.update, name, values, given.etag)
        self.dispatch_now()
        return messages.webhook(changed)

    async def DeleteWebhook(self, request: pb.DeleteWebhookRequest, context: Any) -> empty_pb2.Empty:
        await in_thread(self.webhooks.delete, WebhookName.parse(request.name))
        return empty_pb2.Empty()

    async def RotateWebhookSecret(self, request: pb.RotateWebhookSecretRequest, context: Any) -> pb.Webhook:
        overlap = request.overlap.ToTimedelta() if request.HasField("overlap") else _OVERLAP
        name, key = WebhookName.parse(request.name), request_key(request)
        made = await in_thread(self.webhooks.rotate, name, request.secret, overlap, key)
        self.dispatch_now()
        return messages.webhook(made.webhook, made.secret)

    async def TestWebhook(self, request: pb.TestWebhookRequest, context: Any) -> pb.TestWebhookResponse:
        webhook = await in_thread(self.webhooks.get, WebhookName.parse(request.name))
        outcome = await self.webhooks.test(webhook)
        return pb.TestWebhookResponse(
            error=to_status(outcome.problem) if outcome.problem else None,
            attempt=messages.attempt(outcome.attempt),
        )

    async def ListWebhookDeliveries(
        self, request: pb.ListWebhookDeliveriesRequest, context: Any
    ) -> pb.ListWebhookDeliveriesResponse:
        name, state = WebhookName.parse(request.parent, "parent"), _state(request.state)

        def read(key: str, limit: int) -> list[Delivery]:
            return self.webhooks.deliveries(name, number(key), limit, state)

        found = await page(request, read, lambda delivery: str(delivery.id), messages.delivery)
        return pb.ListWebhookDeliveriesResponse(
            webhook_deliveries=found.items, next_page_token=found.next_page_token
        )

    async def RedeliverWebhook(self, request: pb.RedeliverWebhookRequest, context: Any) -> pb.WebhookDelivery:
        name = WebhookDeliveryName.parse(request.name)
        delivery = await in_thread(self.webhooks.redeliver, name)
        self.dispatch_now()
        return messages.delivery(delivery)


def _kinds(values: Iterable[int]) -> tuple[ChangeKind, ...]:
    return tuple(
        ChangeKind[_known(pb.Webhook.EventKind, value, f"webhook.event_kinds[{index}]")]
        for index, value in enumerate(values)
    )


def _state(value: int) -> DeliveryState | None:
    return DeliveryState[_known(pb.WebhookDelivery.State, value, "state")] if value else None


def _known(enum: Any, value: int, field: str) -> str:
    """Return the name of an enum's value. Enums are open: a newer client may send one without a name here."""
    if value not in enum.values() or value == 0:
        raise InvalidRequestError(
            f"{field} is not known to this release.", violations=[Violation(field, "is not known")]
        )
    return str(enum.Name(value))
