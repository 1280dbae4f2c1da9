"""A registry whose webhooks may go to a receiver of the test, and calls about them."""

import asyncio
import contextlib

from google.protobuf import duration_pb2, field_mask_pb2

from gnomon.v1 import registry_service_pb2 as rpc
from gnomon.v1 import webhooks_pb2 as pb
from tests.registry.receiver import MASTER_KEY
from tests.registry.running import registry

QUICK = {
    "master_key": MASTER_KEY,
    "webhook_timeout_s": 5.0,
    "webhook_first_retry_s": 0.02,
    "webhook_longest_retry_s": 0.1,
    "poll_s": 0.02,
}


@contextlib.asynccontextmanager
async def hooked(folder, *receivers, **changes):
    """Run a registry with the metric `tox`, which may be there already; yield a caller of it."""
    hosts = ",".join(receiver.host for receiver in receivers)
    async with registry(folder, **{**QUICK, "allowed_hosts": hosts, **changes}) as caller:
        if not (await caller.ListMetrics(rpc.ListMetricsRequest())).metrics:
            await caller.metric("tox")
        yield caller


def created(caller, url, webhook_id="hook", request_id="", **fields):
    request = pb.CreateWebhookRequest(
        webhook_id=webhook_id, webhook=pb.Webhook(url=url, **fields), request_id=request_id
    )
    return caller.CreateWebhook(request)


def got(caller, webhook_id="hook"):
    return caller.GetWebhook(pb.GetWebhookRequest(name=f"webhooks/{webhook_id}"))


def updated(caller, *paths, webhook_id="hook", **fields):
    webhook = pb.Webhook(name=f"webhooks/{webhook_id}", **fields)
    mask = field_mask_pb2.FieldMask(paths=paths)
    return caller.UpdateWebhook(pb.UpdateWebhookRequest(webhook=webhook, update_mask=mask))


def rotated(caller, overlap_s=None, **fields):
    overlap = None if overlap_s is None else duration_pb2.Duration(seconds=overlap_s)
    request = pb.RotateWebhookSecretRequest(name="webhooks/hook", overlap=overlap, **fields)
    return caller.RotateWebhookSecret(request)


def tried_out(caller):
    return caller.TestWebhook(pb.TestWebhookRequest(name="webhooks/hook"))


async def deliveries(caller, webhook_id="hook", **fields):
    request = pb.ListWebhookDeliveriesRequest(parent=f"webhooks/{webhook_id}", **fields)
    return list((await caller.ListWebhookDeliveries(request)).webhook_deliveries)


async def the_delivery(caller, done, webhook_id="hook"):
    """Return the newest delivery once `done` holds for it."""
    async with asyncio.timeout(20):
        while True:
            found = await deliveries(caller, webhook_id)
            if found and done(found[0]):
                return found[0]
            await asyncio.sleep(0.02)


def is_delivered(delivery):
    return delivery.state == pb.WebhookDelivery.DELIVERED


def is_failed(delivery):
    return delivery.state == pb.WebhookDelivery.FAILED
