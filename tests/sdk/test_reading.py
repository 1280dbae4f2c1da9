"""A source that is read beside who takes: nothing is lost, held back, fetched too early or left open."""

import asyncio
import contextvars
import inspect
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon._reading import TaskReader, ThreadReader
from gnomon.errors import CancelledError

TAKES = st.lists(st.integers(1, 9), min_size=1, max_size=5)


class DefectError(Exception):
    pass


def plain(items: Iterator[Any]) -> Any:
    return ThreadReader(items, str)


def awaited(items: Iterator[Any]) -> Any:
    async def source() -> AsyncIterator[Any]:
        for item in items:
            if item % 3 == 0:
                await asyncio.sleep(0)
            yield item

    return TaskReader(source(), str)


async def take(reader: Any, count: int) -> list[str]:
    got = reader.take(count)
    taken: list[str] = await got if inspect.isawaitable(got) else got
    return taken


@pytest.mark.parametrize("make", [plain, awaited])
@given(count=st.integers(0, 40), takes=TAKES, fails=st.booleans())
@settings(max_examples=40, deadline=None)
def test_all_items_come_in_their_order_then_the_sources_error_and_none_is_fetched_unasked(
    make: Callable[[Iterator[Any]], Any], count: int, takes: list[int], fails: bool
) -> None:
    fetched = []

    def source() -> Iterator[int]:
        for number in range(count):
            fetched.append(number)
            yield number
        if fails:
            raise DefectError

    async def read() -> list[str]:
        reader, got = make(source()), []
        assert fetched == []
        for turn in range(count + 1):
            most = takes[turn % len(takes)]
            taken = await take(reader, most)
            assert len(taken) <= most
            got += taken
            assert len(fetched) <= len(got) + 1
            if not taken:
                break
        return got

    got: list[str] = []
    if fails:
        with pytest.raises(DefectError):
            asyncio.run(read())
    else:
        got = asyncio.run(read())
        assert got == [str(number) for number in range(count)]


def test_what_a_blocking_source_gave_before_it_paused_is_taken_while_it_pauses() -> None:
    goes_on = threading.Event()

    def source() -> Iterator[int]:
        yield from (1, 2)
        assert goes_on.wait(10)
        yield 3

    got: list[int] = []
    reader = ThreadReader(source(), int)
    while len(got) < 2:
        got += reader.take(64)
    assert got == [1, 2]
    goes_on.set()
    assert [reader.take(64), reader.take(64)] == [[3], []]


async def test_what_an_asynchronous_source_gave_before_it_paused_is_taken_while_it_pauses() -> None:
    goes_on = asyncio.Event()

    async def source() -> AsyncIterator[int]:
        yield 1
        yield 2
        await goes_on.wait()  # and is not cancelled for being late
        yield 3

    got: list[int] = []
    reader = TaskReader(source(), int)
    while len(got) < 2:
        got += await reader.take(64)
    assert got == [1, 2]
    goes_on.set()
    assert [await reader.take(64), await reader.take(64)] == [[3], []]


def test_a_generator_that_is_left_is_closed_in_the_thread_that_read_it() -> None:
    closed, by = threading.Event(), []

    def source() -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            by.append(threading.current_thread().name)
            closed.set()

    reader = ThreadReader(source(), int)
    assert reader.take(1) == [0]
    reader.close()
    assert closed.wait(10)
    assert by == ["gnomon-source"]
    reader.take(100)  # what was fetched before
    assert reader.take(1) == []


async def test_an_asynchronous_generator_that_is_left_is_closed_even_while_it_waits() -> None:
    closed = []

    async def source(waits: bool) -> AsyncIterator[int]:
        try:
            yield 0
            if waits:
                await asyncio.Event().wait()
            yield 1
        finally:
            closed.append(waits)

    for waits in (False, True):
        reader = TaskReader(source(waits), int)
        assert await reader.take(1) == [0]
        await asyncio.sleep(0.01)
        await reader.aclose()
        assert await reader.take(1) == []
    assert closed == [False, True]


@pytest.mark.parametrize("enough", [1, 2])
async def test_a_generator_that_takes_its_cancellation_for_something_else_is_closed_as_well(
    enough: int,
) -> None:
    """As `asyncio.wait_for` in a loop does before Python 3.12, where its item comes at that moment."""
    closed = asyncio.Event()

    async def source() -> AsyncIterator[int]:
        try:
            yield 0
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                yield 1
            yield 2
        finally:
            closed.set()

    reader = TaskReader(source(), int)
    assert await reader.take(1) == [0]
    waits = asyncio.create_task(reader.take(enough))
    await asyncio.sleep(0.01)
    async with asyncio.timeout(30):
        await reader.aclose()
        await closed.wait()
        await waits


def test_a_take_that_waits_for_a_silent_source_ends_when_the_reader_is_closed() -> None:
    silent = threading.Event()
    reader = ThreadReader(iter(silent.wait, None), bool)
    taken: list[list[bool]] = []
    taking = threading.Thread(target=lambda: taken.append(reader.take(1)), daemon=True)
    taking.start()
    reader.close()
    taking.join(10)
    assert taken == [[]]
    silent.set()


def test_a_source_that_ends_its_thread_ends_the_take_as_well() -> None:
    def source() -> Iterator[int]:
        yield 1
        sys.exit("no more")

    reader = ThreadReader(source(), int)
    assert reader.take(9) == [1]
    with pytest.raises(SystemExit):
        reader.take(9)


async def test_a_source_that_was_cancelled_cancels_nobody_else() -> None:
    async def source() -> AsyncIterator[int]:
        yield 1
        raise asyncio.CancelledError

    reader = TaskReader(source(), int)
    assert await reader.take(9) == [1]
    with pytest.raises(CancelledError, match="was cancelled"):
        await reader.take(9)


def test_a_source_sees_the_context_of_who_takes() -> None:
    caller = contextvars.ContextVar("caller", default="nobody")
    caller.set("ann")
    assert ThreadReader((caller.get() for _ in range(1)), str).take(1) == ["ann"]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_program_ends_although_a_source_of_it_waits_for_ever(kind: str) -> None:
    program = f"""
import asyncio, threading
from gnomon._{kind}.concurrency import Reader

async def main():
    reader = Reader(iter(threading.Event().wait, None), bool)
    if "{kind}" == "sync":
        threading.Thread(target=reader.take, args=(1,)).start()
        return reader.close()
    taking = asyncio.ensure_future(reader.take(1))
    await asyncio.sleep(0.05)
    await reader.aclose()
    assert await taking == []

asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
