"""What each API key may do at a time, in this process: calls a second, calls in flight, tokens a minute.

A key without quotas costs nothing, and has no entry here.
"""

import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gnomon.quotas import NO_QUOTAS, Quotas, exceeded
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
    quotas: Quotas = NO_QUOTAS
    calls: Bucket | None = None
    tokens: Bucket | None = None
    in_flight: int = 0

    def change(self, quotas: Quotas, now: float) -> None:
        """Go on with other quotas; a debt stays, also while there is no quota to pay it for."""
        self.quotas = quotas
        if rate := quotas.calls_per_second:
            self.calls = _changed(self.calls, rate, max(1.0, BURST_S * rate), now)
        if rate := quotas.tokens_per_minute / _MINUTE_S:
            self.tokens = _changed(self.tokens, rate, TOKENS_BURST_S * rate, now)


def _changed(bucket: Bucket | None, rate_per_s: float, burst: float, now: float) -> Bucket:
    if bucket is None:
        return Bucket(rate_per_s, burst, now)
    bucket.changed(rate_per_s, burst, now)
    return bucket


class Limits:
    """Belongs to one event loop. `now` counts seconds.

    It goes by the newest quotas of a key that it was told: a call that lasts has
    those of its beginning with it, which may have been changed since.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._keys: OrderedDict[str, _Meters] = OrderedDict()

    def learn(self, who: Caller) -> None:
        """Go by these quotas of the key from now on, in its calls that are under way as well."""
        meters = self._meters(who)
        if meters is not None and meters.quotas != who.quotas:
            meters.change(who.quotas, self._now())

    def admit(self, who: Caller) -> None:
        """Count a call, before anything of its request is read.

        Raises:
            QuotaExceededError: the key makes more calls a second than it may; it says when the next
                one is let in.
        """
        self.learn(who)
        rate, meters = who.quotas.calls_per_second, self._meters(who)
        if not rate or meters is None or meters.calls is None:
            return
        now = self._now()
        wait_s = meters.calls.wait_s(1.0, now)
        if wait_s > 0:
            message = f"The API key {who.name} makes more than {rate:g} calls a second. Make them slower."
            raise exceeded("calls_per_second", rate, rate, who.name, message, retry_after_s=wait_s)
        meters.calls.take(1.0, now)

    @contextlib.contextmanager
    def in_flight(self, who: Caller) -> Iterator[None]:
        """Count a call as long as it is entered.

        Raises:
            QuotaExceededError: as many of the key's calls are under way as may be.
        """
        meters = self._meters(who)
        most = meters.quotas.calls_in_flight if meters is not None else 0
        if meters is None or not most:
            yield
            return
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
        meters = self._meters(who)
        if meters is None or meters.tokens is None or not meters.quotas.tokens_per_minute:
            return
        rate, bucket = meters.quotas.tokens_per_minute, meters.tokens
        wait_s = bucket.wait_s(0.0, self._now())
        if wait_s > 0:
            message = (
                f"The API key {who.name} has read more than {rate} tokens a minute. It may go on in "
                f"{wait_s:.1f} s; shorter texts and fewer metrics read less."
            )
            used = rate + wait_s * bucket.rate_per_s  # all that a minute gives, and the debt
            raise exceeded("tokens_per_minute", rate, round(used), who.name, message, retry_after_s=wait_s)

    def debit_tokens(self, tokens: int) -> None:
        """Count tokens that this task's call reads; a call that was let in may leave a debt."""
        meters = self._meters(caller.current())
        if meters is not None and meters.tokens is not None and meters.quotas.tokens_per_minute:
            meters.tokens.take(tokens, self._now())

    def _meters(self, who: Caller) -> _Meters | None:
        """Return a key's; new ones begin with the quotas that the caller brings, and none need none."""
        found = self._keys.get(who.name)
        if found is None:
            if who.quotas.are_none:
                return None
            found = self._keys[who.name] = _Meters()
            found.change(who.quotas, self._now())
            self._forget_one()
        else:
            self._keys.move_to_end(who.name)
        return found

    def _forget_one(self) -> None:
        """Forget the key that has called least lately; one with calls under way is kept."""
        if len(self._keys) > _MOST_KEYS:
            oldest = next((name for name, meters in self._keys.items() if not meters.in_flight), None)
            if oldest is not None:
                del self._keys[oldest]
