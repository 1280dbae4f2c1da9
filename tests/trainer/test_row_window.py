"""Many rows, a window of them at a time, and how far a labelling is."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon_trainer.domain.labelling_progress import LabellingProgress, estimated_cost
from gnomon_trainer.domain.labellings import RowJudgement
from gnomon_trainer.domain.row_window import each, read_in_blocks


class Rows:
    """Counts what is read, and what is under way."""

    def __init__(self, count: int) -> None:
        self.read = 0
        self.under_way = 0
        self.most = 0
        self.done: list[int] = []
        self._count = count

    async def all(self) -> AsyncGenerator[int, None]:
        for number in range(self._count):
            self.read += 1
            yield number

    async def do(self, number: int) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        self.done.append(number)


async def test_no_more_rows_than_the_window_are_held_at_once() -> None:
    rows = Rows(200)
    await each(rows.all(), rows.do, window=7, stop=lambda: False)

    assert sorted(rows.done) == list(range(200))
    assert rows.most == 7


async def test_the_first_row_goes_alone() -> None:
    rows, seen = Rows(5), []

    async def do(number: int) -> None:
        seen.append(rows.read)
        await rows.do(number)

    await each(rows.all(), do, window=5, stop=lambda: False)
    assert seen[0] == 1
    assert rows.done[0] == 0


async def test_nothing_is_begun_after_the_stop_and_what_is_under_way_ends() -> None:
    rows = Rows(100)
    await each(rows.all(), rows.do, window=4, stop=lambda: len(rows.done) >= 10)

    assert 10 <= len(rows.done) <= 14
    assert rows.under_way == 0


async def test_a_defect_ends_all_and_comes_out_as_it_is() -> None:
    rows, cancelled = Rows(100), []

    async def do(number: int) -> None:
        if number == 5:
            raise ZeroDivisionError
        if number:
            try:
                await asyncio.sleep(30)
            finally:
                cancelled.append(number)

    with pytest.raises(ZeroDivisionError):
        await each(rows.all(), do, window=6, stop=lambda: False)
    assert {1, 2, 3, 4} <= set(cancelled)


async def test_rows_are_read_in_a_thread() -> None:
    here, threads = threading.get_ident(), set()

    def rows() -> Iterator[int]:
        for number in range(150):
            threads.add(threading.get_ident())
            yield number

    assert [number async for number in read_in_blocks(rows)] == list(range(150))
    assert here not in threads


def test_the_rest_takes_as_long_as_the_last_rows_did() -> None:
    now = 0.0
    progress = LabellingProgress(10, lambda: now)
    progress.begin()
    assert progress.remaining_s is None
    for seconds in (2.0, 4.0, 6.0):
        now = seconds
        progress.add_judged()
    now = 8.0
    progress.add_failed("PROVIDER_ANSWER_INVALID")

    assert progress.remaining_s == pytest.approx(6 * 2.0)
    assert estimated_cost(progress.to_json(), 0.4) == pytest.approx(1.0)
    assert estimated_cost(LabellingProgress(10, lambda: 0.0).to_json(), 0.0) == 0.0


def judged(source: str = "votes", **shares: float) -> RowJudgement:
    return RowJudgement("a", "", shares, source, 3)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=5).filter(lambda found: sum(found) > 0.01))
def test_a_margin_is_between_nothing_and_all(found: list[float]) -> None:
    shares: dict[str, Any] = {str(n): share / sum(found) for n, share in enumerate(found)}
    assert 0 <= judged(**shares).margin <= 1


def test_doubtful_are_votes_that_differ_and_probabilities_that_are_near() -> None:
    assert not judged(a=1.0, b=0.0).is_doubtful
    assert judged(a=14 / 15, b=1 / 15).is_doubtful
    assert not judged("token_probabilities", a=0.9, b=0.1).is_doubtful
    assert judged("token_probabilities", a=0.55, b=0.45).is_doubtful
