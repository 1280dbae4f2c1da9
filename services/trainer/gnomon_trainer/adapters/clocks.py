"""The clock that leases are measured by."""

import time


def elapsed() -> float:
    """Return seconds since the machine started, with those that it slept. Nobody can set this clock.

    A holder on a laptop that slept past its lease must know that others may have it. Where the system
    does not count its sleep, as outside of Linux, sleep is not noticed.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
