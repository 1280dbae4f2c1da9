"""Reads JSON Lines in several processes: blocks of lines go out, and what is made of them comes back."""

import gc
import io
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from gnomon.traffic import json_values
from gnomon.traffic.files import CUT_OFF, File
from gnomon.traffic.reading import Records
from gnomon.traffic.traced import Malformed

if TYPE_CHECKING:
    from concurrent.futures import Future

_BLOCK_BYTES = 4 * 1024 * 1024
_WAITING_EACH = 2
_SELDOM = 200_000  # allocations; Python's own number is 700

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of a file, or why there are no more; `first` is the number of the first, from 1."""

    place: str
    first: int
    content: bytes
    problem: Malformed | None = None

    def placed(self) -> Records:
        if self.problem:
            return self.place, [(self.first, self.problem)]
        lines = json_values.lines(io.BytesIO(self.content))
        return self.place, ((self.first + number - 1, record) for number, record in lines)


def blocks(file: File) -> Iterator[Block]:
    """Yield a file's lines, some MiB at a time."""
    first = 1
    try:
        for content in file.lines(_BLOCK_BYTES):
            yield Block(file.place, first, content)
            first += content.count(b"\n")
    except CUT_OFF as error:
        yield Block(file.place, first, b"", json_values.cut_off(error))


def in_processes(make: Callable[[Block], T], given: Iterator[Block], processes: int) -> Iterator[T]:
    """Yield what is made of each block, in order, with a bounded number of blocks under way."""
    import multiprocessing  # here: few need it, and it is slow to import
    from concurrent.futures import ProcessPoolExecutor

    context = multiprocessing.get_context("spawn")  # a fork would copy locks that other threads hold
    with ProcessPoolExecutor(processes, context, _look_for_cycles_seldom) as pool:
        waiting: deque[Future[T]] = deque()
        try:
            for block in given:
                waiting.append(pool.submit(make, block))
                if len(waiting) >= _WAITING_EACH * processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _look_for_cycles_seldom() -> None:
    """What is read holds no cycles, and to look for them at Python's own pace takes a tenth of the time."""
    gc.set_threshold(_SELDOM)
