"""How threads give way: by the operating system's own priorities.

Inference keeps every core busy; what answers callers must still run at once,
and bulk work only where nobody else wants to.
"""

import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor

LAST = 19


def give_way(nice: int) -> None:
    """Lower the priority of the calling thread, and of threads that it starts; on Linux only.

    `nice` counts from 0, ordinary, to 19, last. It cannot be taken back.
    """
    if nice and hasattr(os, "setpriority") and os.uname().sysname == "Linux":
        with contextlib.suppress(OSError):  # a sandbox may forbid it; all works without
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)


class Priorities:
    """Threads that compute, for the usual work and for what comes last.

    Whoever waits for them keeps an ordinary priority: a thread that gives way
    and is stopped while it holds the interpreter's lock would stop all others.
    """

    def __init__(self, threads: int, nice: int) -> None:
        self.usual = pool(threads, nice, "compute")
        self.last = pool(threads, LAST, "compute-last")


def pool(threads: int, nice: int, name: str) -> ThreadPoolExecutor:
    """Return threads of one priority."""
    return ThreadPoolExecutor(threads, thread_name_prefix=name, initializer=give_way, initargs=(nice,))
