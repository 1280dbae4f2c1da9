"""Sends what webhooks are to be told, in every registry process, until it is stopped."""

import asyncio
import contextlib
from datetime import timedelta

import structlog

from gnomon.errors import GnomonError, ServiceUnavailableError
from gnomon.threads import in_thread
from gnomon_registry.domain.deliveries import Delivery
from gnomon_registry.domain.ports import ChangeFeed
from gnomon_registry.domain.webhook_outbox import Outbox
from gnomon_registry.domain.webhook_places import SLOW_S, Places
from gnomon_registry.domain.webhook_sending import Outcome, Sends, broken_down
from gnomon_registry.domain.webhooks import Webhook

log = structlog.get_logger(__name__)

_FEED_S = 60.0
_FORGET_EVERY = timedelta(hours=1)
_GATHER_S = 0.01  # what happens close together is stored together


class Dispatcher:
    """Belongs to one event loop. `look_s` is how often to look for what other processes wrote."""

    def __init__(
        self, outbox: Outbox, sending: Sends, feed: ChangeFeed, places: int, look_s: float = 1.0
    ) -> None:
        self._outbox = outbox
        self._sending = sending
        self._feed = feed
        self._places = Places(places)
        self._look_s = look_s
        self._woken = asyncio.Event()
        self._stopping = False
        self._loops: list[asyncio.Task[None]] = []
        self._sends: set[asyncio.Task[None]] = set()
        self._ended: list[tuple[Delivery, Outcome]] = []

    def start(self) -> None:
        self._loops = [asyncio.create_task(self._run()), asyncio.create_task(self._follow())]

    def wake(self) -> None:
        """Look for work now. To be called in the loop."""
        self._woken.set()

    async def stop(self, grace_s: float) -> None:
        """Begin nothing more, let requests under way end; those that do not are repeated by whoever runs."""
        self._stopping = True
        self._woken.set()
        if self._loops:
            run, follow = self._loops
            await run
            follow.cancel()
            if self._sends:
                await asyncio.wait(self._sends, timeout=grace_s)
            with contextlib.suppress(GnomonError):
                await self._record()
        for task in self._sends:
            task.cancel()
        await asyncio.gather(*self._loops, *self._sends, return_exceptions=True)

    async def _follow(self) -> None:
        seen = 0
        with contextlib.suppress(ServiceUnavailableError):  # the registry is going away
            while True:
                newest = await self._feed.newest_beyond(seen, _FEED_S)
                if newest > seen:
                    seen = newest
                    self._woken.set()

    async def _run(self) -> None:
        forget_at = self._outbox.clock()
        while not self._stopping:
            self._woken.clear()  # before the look: what happens after it is not missed
            wait_s = self._look_s
            try:
                if self._outbox.clock() >= forget_at:
                    forget_at = self._outbox.clock() + _FORGET_EVERY
                    await in_thread(self._outbox.forget_old)
                wait_s = await self._look()
            except Exception:  # a locked or full database; the next look may succeed
                log.warning("webhooks cannot be dispatched", exc_info=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._woken.wait()
            if not self._stopping:
                await asyncio.sleep(_GATHER_S)

    async def _look(self) -> float:
        """Take new changes, begin what is due and has a place; return for how long there is nothing to do."""
        await self._record()
        if await in_thread(self._outbox.take_changes):
            self._woken.set()
        if rooms := self._places.rooms(await in_thread(self._outbox.webhooks_with_due)):
            for webhook, delivery in await in_thread(self._outbox.claim, rooms):
                self._begin(webhook, delivery)
        due = await in_thread(self._outbox.next_due_time)
        if due is None:
            return self._look_s
        return min(max((due - self._outbox.clock()).total_seconds(), 0.0), self._look_s)

    async def _record(self) -> None:
        """Store what has come of requests since the last time, in one transaction."""
        if not self._ended:
            return
        ended, self._ended = self._ended, []
        try:
            paused = await in_thread(self._outbox.record, ended)
        except BaseException:  # nothing was stored; the next look tries again, lest receivers be asked again
            self._ended = ended + self._ended
            raise
        for webhook in paused:
            cause = webhook.pause_cause and webhook.pause_cause.value
            log.warning(
                "a webhook was paused", webhook=str(webhook.name), cause=cause, last_error=webhook.last_error
            )

    def _begin(self, webhook: Webhook, delivery: Delivery) -> None:
        self._places.take(webhook.name.webhook)
        task = asyncio.create_task(self._deliver(webhook, delivery))
        self._sends.add(task)
        task.add_done_callback(self._sends.discard)

    async def _deliver(self, webhook: Webhook, delivery: Delivery) -> None:
        well = False
        try:
            outcome = await self._send(webhook, delivery)
            well = outcome.problem is None and outcome.attempt.duration_s < SLOW_S
            self._ended.append((delivery, outcome))
        finally:
            self._places.give_back(webhook.name.webhook, well=well)
            self._woken.set()

    async def _send(self, webhook: Webhook, delivery: Delivery) -> Outcome:
        begun = self._outbox.clock()
        try:
            return await self._sending.send(webhook, delivery.name.delivery, delivery.body)
        except Exception:  # were nothing recorded, it would be sent again at the end of every lease, for ever
            log.exception("a delivery broke down", delivery=str(delivery.name))
            return broken_down(webhook, begun)
