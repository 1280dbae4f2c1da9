"""Following the catalog: what is there now, then every change, in order and without a gap."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import Enum

from gnomon_registry.domain.entities import Alias, Change
from gnomon_registry.domain.ports import CatalogStore, ChangeFeed

_AT_ONCE = 500


class Mark(Enum):
    SNAPSHOT_COMPLETE = 1
    HEARTBEAT = 2


@dataclass(frozen=True, slots=True)
class LiveVersion:
    """A version that is there when the watch begins."""

    metric: str
    number: int


Event = LiveVersion | Alias | Change | Mark


@dataclass(frozen=True, slots=True)
class Watching:
    """A watcher is a position in the log and nothing else.

    A slow one keeps no queue filled, and one that leaves leaves nothing behind.
    """

    store: CatalogStore
    feed: ChangeFeed
    heartbeat_s: float

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield the snapshot, its end, then changes as they happen; a heartbeat where there are none."""
        snapshot, seen = await asyncio.to_thread(self._snapshot)
        for event in snapshot:
            yield event
        yield Mark.SNAPSHOT_COMPLETE
        while True:
            if await self.feed.newest_beyond(seen, self.heartbeat_s) <= seen:
                yield Mark.HEARTBEAT
                continue
            for change in await asyncio.to_thread(self._changes, seen):
                yield change
                seen = change.id

    def _snapshot(self) -> tuple[list[LiveVersion | Alias], int]:
        """Return what is there, and the log's end in the same transaction: nothing falls in between."""
        with self.store.reading() as catalog:
            versions = [LiveVersion(metric, number) for metric, number in catalog.live_versions()]
            aliases = catalog.aliases(metric=None, after="", limit=None)
            return [*versions, *aliases], catalog.last_change()

    def _changes(self, seen: int) -> list[Change]:
        with self.store.reading() as catalog:
            return catalog.changes(seen, _AT_ONCE)
