"""From the log of changes to deliveries, and who may send which: the part of the dispatcher that is stored.

The log is the outbox: a change is there, or it is not, with the catalog's own transaction, which knows
nothing of webhooks. What follows it here is a position for each webhook.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gnomon.names import WebhookName
from gnomon_registry.domain.deliveries import (
    Delivery,
    Draw,
    Schedule,
    after,
    claimed,
    new_delivery,
    webhook_after,
)
from gnomon_registry.domain.ports import Clock
from gnomon_registry.domain.webhook_ports import WebhookStore, WebhookWriter
from gnomon_registry.domain.webhook_sending import Outcome
from gnomon_registry.domain.webhooks import Webhook

_AT_ONCE = 100  # rows of one transaction: writers of the catalog wait for it


@dataclass(frozen=True, slots=True)
class Outbox:
    """`lease_s` is how long a sender has before others may send.

    `new_id` returns a text that was never returned before.
    """

    store: WebhookStore
    clock: Clock
    draw: Draw
    new_id: Callable[[], str]
    schedule: Schedule
    lease_s: float
    pause_after_s: float
    history_s: float

    def take_changes(self) -> bool:
        """Make deliveries of changes that are new; tell whether there may be more of them.

        A delivery is written with the position that says so: each is made once, whoever makes it.
        """
        with self.store.reading() as reader:
            newest = reader.last_change()
            if not reader.webhooks_behind(newest):
                return False
        with self.store.writing() as writer:
            behind = writer.webhooks_behind(newest)
            by_position = [
                (position, [webhook for webhook in behind if webhook.position == position])
                for position in sorted({webhook.position for webhook in behind})
            ]
            if by_position:  # those that were paused catch up first, then all go together
                self._take(writer, *by_position[0])
        return bool(by_position)

    def _take(self, writer: WebhookWriter, position: int, webhooks: Sequence[Webhook]) -> None:
        now, most = self.clock(), max(1, _AT_ONCE // len(webhooks))
        changes = writer.changes(position, most)
        writer.add_deliveries(
            [
                new_delivery(webhook.name, self.new_id(), change, now, self.schedule.give_up_s)
                for change in changes
                for webhook in webhooks
                if webhook.wants(change)
            ]
        )
        writer.set_position([webhook.name.webhook for webhook in webhooks], changes[-1].id)

    def webhooks_with_due(self) -> list[str]:
        with self.store.reading() as reader:
            return reader.webhooks_with_due(self.clock())

    def claim(self, rooms: Mapping[str, int]) -> list[tuple[Webhook, Delivery]]:
        """Take deliveries that are due, up to so many of each webhook. Each goes to one sender alone."""
        taken: list[tuple[Webhook, Delivery]] = []
        with self.store.writing() as writer:
            now = self.clock()
            live = {name for name in writer.webhooks_with_due(now) if rooms.get(name)}
            for name in sorted(live):
                for found in writer.due(name, now, rooms[name]):
                    delivery = claimed(found, now, self.lease_s)
                    writer.put_delivery(delivery)
                    webhook = writer.webhook(WebhookName(delivery.name.webhook))
                    assert webhook is not None, "its deliveries go with it"
                    taken.append((webhook, delivery))
        return taken

    def record(self, ended: Iterable[tuple[Delivery, Outcome]]) -> list[Webhook]:
        """Store what came of attempts, all together; return the webhooks that this has paused.

        Nothing is stored of a delivery that was taken by someone else meanwhile, or is gone.
        """
        changed: dict[str, Webhook] = {}
        paused = []
        with self.store.writing() as writer:
            for delivery, outcome in ended:
                name = delivery.name.webhook
                webhook = changed.get(name) or writer.webhook(WebhookName(name))
                current = writer.delivery(delivery.name)
                if webhook is None or current is None or current.attempt_count != delivery.attempt_count:
                    continue
                writer.put_delivery(self._after(current, outcome))
                changed[name] = webhook_after(webhook, outcome.attempt, self.pause_after_s)
                if changed[name].pause_cause is not webhook.pause_cause:
                    paused.append(changed[name])
            for webhook in changed.values():
                writer.put_webhook(webhook)
        return paused

    def _after(self, delivery: Delivery, outcome: Outcome) -> Delivery:
        return after(
            delivery,
            outcome.attempt,
            self.clock(),
            schedule=self.schedule,
            retry_after_s=outcome.retry_after_s,
            draw=self.draw,
        )

    def next_due_time(self) -> datetime | None:
        with self.store.reading() as reader:
            return reader.next_due_time(self.clock())

    def forget_old(self) -> None:
        """Remove what ended longer ago than the history is kept, a little at a time."""
        before = self.clock() - timedelta(seconds=self.history_s)
        more = True
        while more:
            with self.store.writing() as writer:
                more = writer.forget_ended(before, _AT_ONCE) == _AT_ONCE
