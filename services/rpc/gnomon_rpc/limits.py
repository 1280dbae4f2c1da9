"""What each API key may do at a time, in this process: calls a second, calls in flight, tokens a minute.

A key without quotas costs nothing, and has no entry here.
"""

import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gnomon.quotas import exceeded
from gnomon_rpc import caller
from gnomon_rpc.buckets import Bucket
from gnomon_rpc.caller import Caller

BURST_S = 1.0
"""So many seconds' worth of calls may come at once, and one call in any case."""

TOKENS_BURST_S = 60.0
_MINUTE_S = 60.0
_IN_FLIGHT_RETRY_S = 0.1
_MOST_KEYS = 10_000


@dataclass(slots=True)
class _Meters:
    calls: Bucket
    tokens: Bucket
    in_flight: int = 0


class Limits:
    """Belongs to one event loop. `now` counts seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._keys: OrderedDict[str, _Meters] = OrderedDict()

    def admit(self, who: Caller) -> None:
        """Count a call, before anything of its request is read.

        Raises:
            QuotaExceededError: the key makes more calls a second than it may; it says when the next
                one is let in.
        """
        rate = who.quotas.calls_per_second
        if not rate:
            return
        now, bucket = self._now(), self._meters(who).calls
        bucket.changed(rate, max(1.0, BURST_S * rate), now)
        wait_s = bucket.wait_s(1.0, now)
        if wait_s > 0:
            message = f"The API key {who.name} makes more than {rate:g} calls a second. Make them slower."
            raise exceeded("calls_per_second", rate, rate, who.name, message, retry_after_s=wait_s)
        bucket.take(1.0, now)

    @contextlib.contextmanager
    def in_flight(self, who: Caller) -> Iterator[None]:
        """Count a call as long as it is entered.

        Raises:
            QuotaExceededError: as many of the key's calls are under way as may be.
        """
        most = who.quotas.calls_in_flight
        if not most:
            yield
            return
        meters = self._meters(who)
        if meters.in_flight >= most:
            message = (
                f"{meters.in_flight} calls of the API key {who.name} are under way here, and {most} may be. "
                "Let some of them end before the next."
            )
            raise exceeded(
                "calls_in_flight", most, meters.in_flight, who.name, message, retry_after_s=_IN_FLIGHT_RETRY_S
            )
        meters.in_flight += 1
        try:
            yield
        finally:
            meters.in_flight -= 1

    def check_tokens(self) -> None:
        """Refuse this task's call while its key has read more tokens than it may.

        Raises:
            QuotaExceededError: it says when the debt is paid.
        """
        who = caller.current()
        rate = who.quotas.tokens_per_minute
        if not rate:
            return
        now, bucket = self._now(), self._tokens(who)
        wait_s = bucket.wait_s(0.0, now)
        if wait_s > 0:
            message = (
                f"The API key {who.name} has read more than {rate} tokens a minute. It may go on in "
                f"{wait_s:.1f} s; shorter texts and fewer metrics read less."
            )
            used = rate + wait_s * bucket.rate_per_s  # all that a minute gives, and the debt
            raise exceeded("tokens_per_minute", rate, round(used), who.name, message, retry_after_s=wait_s)

    def debit_tokens(self, tokens: int) -> None:
        """Count tokens that this task's call reads; a call that was let in may leave a debt."""
        who = caller.current()
        if who.quotas.tokens_per_minute:
            self._tokens(who).take(tokens, self._now())

    def _tokens(self, who: Caller) -> Bucket:
        bucket, rate = self._meters(who).tokens, who.quotas.tokens_per_minute / _MINUTE_S
        bucket.changed(rate, TOKENS_BURST_S * rate, self._now())
        return bucket

    def _meters(self, who: Caller) -> _Meters:
        found = self._keys.get(who.name)
        if found is None:
            calls, tokens = (
                who.quotas.calls_per_second or 1.0,
                who.quotas.tokens_per_minute / _MINUTE_S or 1.0,
            )
            found = self._keys[who.name] = _Meters(
                Bucket(calls, max(1.0, BURST_S * calls), self._now()),
                Bucket(tokens, TOKENS_BURST_S * tokens, self._now()),
            )
            self._forget_one()
        self._keys.move_to_end(who.name)
        return found

    def _forget_one(self) -> None:
        """Forget the key that has called least lately; one with calls under way is kept."""
        if len(self._keys) > _MOST_KEYS:
            oldest = next((name for name, meters in self._keys.items() if not meters.in_flight), None)
            if oldest is not None:
                del self._keys[oldest]
