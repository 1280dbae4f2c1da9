"""Builds what tells receivers of changes."""

import os
import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gnomon_outbound.client import OutboundClient
from gnomon_outbound.targets import AllowedHosts
from gnomon_outbound.vault import AesVault, MasterKeyError, master_key_of
from gnomon_registry.adapters.database import Database
from gnomon_registry.adapters.feed import PolledFeed
from gnomon_registry.adapters.webhook_sender import OutboundSender
from gnomon_registry.adapters.webhooks import SqlWebhooks
from gnomon_registry.domain.deliveries import Schedule
from gnomon_registry.domain.observing import ObservedSending, Observer
from gnomon_registry.domain.webhook_dispatch import Dispatcher
from gnomon_registry.domain.webhook_outbox import Outbox
from gnomon_registry.domain.webhook_sending import Sending
from gnomon_registry.domain.webhook_use_cases import Webhooks
from gnomon_registry.domain.webhooks import no_secret
from gnomon_registry.settings import RegistrySettings
from gnomon_rpc.settings import SettingError


@dataclass(frozen=True, slots=True)
class Telling:
    """All that webhooks are made of."""

    outbound: OutboundClient
    webhooks: Webhooks
    dispatcher: Dispatcher


def telling(
    settings: RegistrySettings,
    database: Database,
    feed: PolledFeed,
    clock: Callable[[], datetime],
    observer: Observer | None,
) -> Telling:
    outbound = OutboundClient(_allowed_hosts(settings))
    store, sender = SqlWebhooks(database), OutboundSender(outbound, clock)
    vault = AesVault(_master_key(settings), service="registry", unreadable=no_secret)
    sending = Sending(vault, sender, clock, time.monotonic, settings.webhook_timeout_s)
    webhooks = Webhooks(
        store=store,
        vault=vault,
        sender=sender,
        sending=sending,
        clock=clock,
        new_etag=lambda: secrets.token_hex(16),
        new_id=_new_message_id,
        random_bytes=os.urandom,
        give_up_s=settings.webhook_give_up_s,
    )
    outbox = Outbox(
        store=store,
        clock=clock,
        draw=random.uniform,
        new_id=_new_message_id,
        schedule=Schedule(
            settings.webhook_first_retry_s, settings.webhook_longest_retry_s, settings.webhook_give_up_s
        ),
        # Long enough to hear of the end, and to write it down when the database is busy.
        lease_s=settings.webhook_timeout_s + 2 * settings.busy_timeout_s,
        pause_after_s=settings.webhook_pause_after_s,
        history_s=settings.webhook_history_s,
    )
    told = ObservedSending(sending, observer) if observer else sending
    return Telling(outbound, webhooks, Dispatcher(outbox, told, feed, settings.webhook_concurrency))


def _new_message_id() -> str:
    return f"msg-{secrets.token_hex(12)}"


def _master_key(settings: RegistrySettings) -> bytes | None:
    text = settings.master_key.get_secret_value() if settings.master_key else ""
    try:
        return master_key_of(text, settings.master_key_file, "GNOMON_REGISTRY_MASTER_KEY")
    except MasterKeyError as error:
        raise SettingError(str(error)) from error


def _allowed_hosts(settings: RegistrySettings) -> AllowedHosts:
    try:
        return AllowedHosts.parse(settings.allowed_hosts)
    except ValueError as error:
        raise SettingError(f"GNOMON_REGISTRY_ALLOWED_HOSTS: {error}.") from error
