"""Follows the registry's catalog and keeps the right versions in memory.

Where the registry says an alias points, and which version is served for it,
are two things: a new version is served once it is loaded and proven. Until
then, and for ever if it is broken, the alias serves what it served.
"""

import asyncio
import contextlib
import math
from collections.abc import Callable

import structlog

from gnomon.errors import GnomonError, NotFoundError, RegistryUnavailableError
from gnomon.names import AliasName, MetricVersionName
from gnomon_scorer.domain.catalog import CatalogView
from gnomon_scorer.domain.ports import Catalog, CatalogEvent, Heartbeat, SnapshotComplete, VersionDeleted
from gnomon_scorer.domain.versions import BackOff, Versions

log = structlog.get_logger(__name__)

_REFUSAL_S = 1.0  # callers who insist on an unknown name do not pass on to the registry meanwhile
_MAX_REFUSALS = 1_000


class Follower:
    """Resolves names to versions. `run` keeps it up to date until it is cancelled.

    `silence_s`: a registry that sends nothing for so long, not even a
    heartbeat, counts as away. `changed` is called when anything changed.
    """

    def __init__(
        self,
        catalog: Catalog,
        versions: Versions,
        silence_s: float = 30.0,
        back_off: BackOff | None = None,
    ) -> None:
        self._catalog = catalog
        self._versions = versions
        self._silence_s = silence_s
        self._back_off = back_off or BackOff(first_s=0.1, most_s=0.5)
        self._view: CatalogView | None = None  # None: no snapshot was received yet
        self._serving: dict[AliasName, MetricVersionName] = {}
        self._is_connected = False
        self._refusals: dict[MetricVersionName, tuple[float, NotFoundError]] = {}
        self.changed: Callable[[], None] = lambda: None
        versions.changed = self._reconcile

    @property
    def is_ready(self) -> bool:
        """The catalog is known, and what it names is served as far as it can be.

        With aliases, at least one is served: who can serve none must not take the place of a
        scorer that can, whatever the failures. And no version with an alias is waited for any
        more: each was loaded, or failed for good, or too often (see `Versions.is_settled`).
        """
        view = self._view
        if view is None or not view.aliases:
            return view is not None
        return bool(self._serving) and all(map(self._versions.is_settled, view.aliases.values()))

    async def resolve(self, name: MetricVersionName) -> MetricVersionName:
        """Return the number that a name means now.

        A name that is not known may be newer than the last event, so the
        registry is asked about it.

        Raises:
            NotFoundError: there is no such version or alias.
            RegistryUnavailableError: that cannot be told, as the registry is away.
        """
        if self._view is None:
            raise _away("The scorer has not reached the registry yet")
        known = self._known(name, self._view)
        if known is not None:
            return known
        if not self._is_connected:
            raise _away(f"{name} is not known here, and the registry is away")
        return await self._find(name)

    async def _find(self, name: MetricVersionName) -> MetricVersionName:
        now = asyncio.get_running_loop().time()
        refused_at, refusal = self._refusals.get(name, (-math.inf, None))
        if refusal is not None and now - refused_at < _REFUSAL_S:
            raise NotFoundError(refusal.message)
        try:
            return await self._catalog.find(name)
        except NotFoundError as error:
            if len(self._refusals) >= _MAX_REFUSALS:
                self._refusals.clear()
            self._refusals[name] = (now, error)
            raise

    def _known(self, name: MetricVersionName, view: CatalogView) -> MetricVersionName | None:
        if name.alias is None:
            return name if name in view.versions else None
        alias = AliasName(name.metric, name.alias)
        return self._serving.get(alias) or view.aliases.get(alias)

    async def run(self) -> None:
        """Watch the catalog; connect again, with back-off, whenever that ends."""
        failures = 0
        while True:
            try:
                await self._watch()
            except GnomonError as error:
                reason = error.reason
            except TimeoutError:
                reason = "SILENCE"
            except Exception:
                log.exception("an event of the catalog could not be taken in")
                reason = "DEFECT"
            else:
                reason = "END"
            failures = 1 if self._is_connected else failures + 1
            if failures == 1:
                log.warning("the registry is away", reason=reason)
            self._is_connected = False
            await asyncio.sleep(self._back_off.after(failures))

    async def _watch(self) -> None:
        """Take in a snapshot as a whole, then each change as it comes."""
        fresh = CatalogView()
        async with contextlib.aclosing(self._catalog.watch()) as events, asyncio.timeout(None) as silence:
            silence.reschedule(self._from_now())
            async for event in events:
                silence.reschedule(self._from_now())
                if isinstance(event, SnapshotComplete):
                    self._take_over(fresh)
                elif not isinstance(event, Heartbeat):
                    self._take_in(event, fresh)

    def _from_now(self) -> float:
        return asyncio.get_running_loop().time() + self._silence_s

    def _take_over(self, fresh: CatalogView) -> None:
        self._view = fresh
        self._is_connected = True
        log.info("the catalog is known", versions=len(fresh.versions), aliases=len(fresh.aliases))
        for version in self._versions.slots():
            if version not in fresh.versions:
                self._versions.unload(version)
        self._reconcile()
        self._versions.retry_fetches()

    def _take_in(self, event: CatalogEvent, fresh: CatalogView) -> None:
        fresh.apply(event)
        if fresh is self._view:
            if isinstance(event, VersionDeleted):
                self._versions.unload(event.version)
            self._reconcile()

    def _reconcile(self) -> None:
        """Bring what is served and what is in memory in line with the catalog."""
        view = self._view
        if view is not None:
            for alias, version in view.aliases.items():
                if self._versions.is_ready(version) and self._serving.get(alias) != version:
                    self._serving[alias] = version
                    log.info("an alias serves a version", alias=str(alias), version=str(version))
            self._serving = {
                alias: version
                for alias, version in self._serving.items()
                if alias in view.aliases and version in view.versions
            }
            self._versions.retain({*view.aliases.values(), *self._serving.values()})
        self.changed()


def _away(what: str) -> RegistryUnavailableError:
    return RegistryUnavailableError(f"{what}. Retry after the given delay.", retry_after_s=0.5)
