"""Refusals of API keys that are known go into the audit log, as far as nobody can fill the disk with them."""

import time
from collections import OrderedDict
from collections.abc import Callable

import structlog

from gnomon.audit import Record
from gnomon.errors import (
    ApiKeyExpiredError,
    ApiKeyRevokedError,
    GnomonError,
    ProjectDeniedError,
    ProjectUnstatedError,
    ScopeMissingError,
)
from gnomon_rpc.audit_interceptor import Clock, ending_of, utc_now
from gnomon_rpc.audit_writer import AuditWriter
from gnomon_rpc.buckets import Bucket

OF_KEYS = (
    ApiKeyExpiredError,
    ApiKeyRevokedError,
    ScopeMissingError,
    ProjectDeniedError,
    ProjectUnstatedError,
)
"""Their `resource` is the key. Keys that are not known have no name, and are counted in the metrics alone."""

A_KEY_PER_S, A_KEY_AT_ONCE = 1 / 6, 10.0
ALL_PER_S, ALL_AT_ONCE = 1.0, 60.0
_MOST_KEYS = 1000


class Refusals:
    """At most 10 entries a key and minute, and 60 for all keys of a process, beyond as many at once.

    Others are counted, and told by the key's next entry.
    """

    def __init__(
        self, writer: AuditWriter, now: Clock = utc_now, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        self._writer = writer
        self._now = now
        self._ticks = ticks
        self._all = Bucket(ALL_PER_S, ALL_AT_ONCE, ticks())
        self._keys: OrderedDict[str, tuple[Bucket, int]] = OrderedDict()

    def note(self, method: str, error: GnomonError, project: str = "") -> None:
        """Write a refusal down, if it is one of a known key and there is room for it."""
        if not isinstance(error, OF_KEYS):
            return
        key, tick = error.metadata.get("resource", ""), self._ticks()
        bucket, waiting = self._keys.get(key) or (Bucket(A_KEY_PER_S, A_KEY_AT_ONCE, tick), 0)
        has_room = bucket.wait_s(1.0, tick) <= 0 and self._all.wait_s(1.0, tick) <= 0
        if has_room:
            bucket.take(1.0, tick)
            self._all.take(1.0, tick)
            self._writer.note(self._record(method, key, error, project, waiting + 1))
        self._keys[key] = bucket, 0 if has_room else waiting + 1
        self._keys.move_to_end(key)
        while len(self._keys) > _MOST_KEYS:
            self._keys.popitem(last=False)

    def _record(self, method: str, key: str, error: GnomonError, project: str, count: int) -> Record:
        code, reason = ending_of(error)
        return Record(
            time=self._now(),
            caller=key,
            project=project,
            method=method.removeprefix("/"),
            resource="",
            call_id=str(structlog.contextvars.get_contextvars().get("call_id", "")),
            outcome=code,
            reason=reason,
            count=count,
        )
