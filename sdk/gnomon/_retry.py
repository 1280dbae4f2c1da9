"""When a call is tried again, and when it is given up. Pure."""

import random
import threading
import time
from collections.abc import Callable

from gnomon.errors import DeadlineExceededError, GnomonError, ServiceUnavailableError

FIRST_DELAY_S = 0.05
LONGEST_DELAY_S = 2.0


class Attempts:
    """The attempts of one call.

    They share one time limit: every attempt may take what is left of it. Delays
    double from 50 ms up to 2 s and are drawn between 0 and that ("full
    jitter"), so that the callers of a restarted service do not come back all
    at once. A server that says when to come back is obeyed.
    """

    def __init__(
        self,
        timeout_s: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._clock = clock
        self._draw = draw
        self._timeout_s = timeout_s
        self.failures = 0
        self.restart()

    def restart(self) -> None:
        """Begin anew: a stream that delivers has not failed."""
        self.failures = 0
        self.may_be_done = False  # by an attempt of which nobody knows what became
        self._last: GnomonError | None = None
        self.renew()

    def renew(self) -> None:
        """Begin the time anew, and leave the delays as they are."""
        self._deadline = None if self._timeout_s is None else self._clock() + self._timeout_s

    def remaining_s(self) -> float | None:
        """Return what an attempt may take; None if it may take any time.

        Raises:
            GnomonError: nothing is left; the last failure, if there was one.
        """
        if self._deadline is None:
            return None
        left_s = self._deadline - self._clock()
        if left_s <= 0:
            raise self._last or DeadlineExceededError("The time limit was over before the call was made.")
        return left_s

    def delay_after(self, error: GnomonError) -> float:
        """Return the seconds to wait before the next attempt.

        Raises:
            GnomonError: `error` itself, if another attempt would not help or
                would come too late.
        """
        if not is_transient(error):
            if isinstance(error, DeadlineExceededError) and self._last is not None:
                raise error from self._last  # why the attempts before it failed
            raise error
        delay_s = self._draw(0.0, min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** min(self.failures, 16)))
        delay_s += error.retry_after_s or 0.0
        if self._deadline is not None and self._clock() + delay_s >= self._deadline:
            raise error
        self.failures += 1
        self.may_be_done |= is_of_unknown_fate(error)
        self._last = error
        return delay_s


class HedgeBudget:
    """Lets one call in ten be sent twice: a slow service must not get twice the work.

    What was not used is kept for at most 100 calls.
    """

    _COST = 10
    _MOST = 100

    def __init__(self) -> None:
        self._credit = self._COST - 1  # the first call may be sent twice
        self._lock = threading.Lock()

    def call(self) -> None:
        """Count a call that may want to be sent twice."""
        with self._lock:
            self._credit = min(self._MOST, self._credit + 1)

    def spend(self) -> bool:
        """Tell whether a call may be sent a second time, and count it if so."""
        with self._lock:
            if self._credit < self._COST:
                return False
            self._credit -= self._COST
            return True


def is_transient(error: GnomonError) -> bool:
    """Tell whether the same call may succeed later."""
    return error.retry_after_s is not None or error.code == ServiceUnavailableError.code


def is_of_unknown_fate(error: GnomonError) -> bool:
    """Tell whether the service may have done what a failed call asked for.

    A bare status does not tell a lost answer from a refused connection, and a
    service says SERVICE_UNAVAILABLE also where its database broke off in a
    commit. All else that a service itself says is said before anything is done.
    """
    return isinstance(error, ServiceUnavailableError)
