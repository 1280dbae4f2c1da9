"""Turns for heavy work, and how many wait for one."""

import asyncio
from typing import Literal


class HeavyWork(asyncio.Semaphore):
    """A semaphore that can be looked at. Belongs to one event loop."""

    def __init__(self, at_once: int) -> None:
        super().__init__(at_once)
        self.waiting = 0
        self.running = 0

    async def acquire(self) -> Literal[True]:
        self.waiting += 1
        try:
            await super().acquire()
        finally:
            self.waiting -= 1
        self.running += 1
        return True

    def release(self) -> None:
        self.running -= 1
        super().release()
