"""The clock that leases are measured by."""

import time


def elapsed() -> float:
    """Return seconds since the machine started, with those that it slept. Nobody can set this clock.

    A holder on a laptop that slept past its lease must know that others may have it.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)
