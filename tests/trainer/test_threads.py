"""Callers who leave while a thread works for them."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gnomon.names import DatasetName, MetricName
from gnomon.threads import in_thread
from gnomon_trainer.adapters.incoming import IncomingFile
from gnomon_trainer.adapters.reading import ReadLimits
from gnomon_trainer.domain.dataset_use_cases import Datasets, SplitOrder, UploadHeader
from gnomon_trainer.domain.uploads import Limits
from tests.trainer.fakes import FakeCatalog, FakeRowStore, FakeStores
from tests.trainer.running import jsonl, labelled_rows
from tests.trainer.things import TOXICITY, draft


class Gate:
    """A place where threads wait until the test opens it."""

    def __init__(self) -> None:
        self.waiting = 0
        self.entered = threading.Event()
        self.opened = threading.Event()

    def __call__(self) -> None:
        self.waiting += 1
        self.entered.set()
        assert self.opened.wait(10)


async def test_a_thread_is_waited_for_however_often_its_caller_is_cancelled() -> None:
    gate = Gate()
    task = asyncio.create_task(in_thread(gate))
    await asyncio.to_thread(gate.entered.wait, 10)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.01)
    assert not task.done()

    gate.opened.set()

    with pytest.raises(asyncio.CancelledError):
        await task


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def datasets_in(folder: Path, rows: Any, heavy: asyncio.Semaphore) -> Datasets:
    stores = FakeStores()
    stores.datasets.add([draft("source")], None, 1.0)
    return Datasets(
        store=stores.datasets,
        rows=rows,
        catalog=FakeCatalog({TOXICITY.name: TOXICITY}, ["projects/demo"]),
        receive=lambda: IncomingFile(folder, 10**6, ReadLimits(10**6, 1000)),
        clock=lambda: 1.0,
        limits=Limits(),
        heavy=heavy,
    )


async def test_the_file_of_a_caller_who_leaves_is_there_until_it_is_read(tmp_path: Path) -> None:
    gate = Gate()

    class Slow(FakeRowStore):
        def sink(self) -> Any:
            gate()
            return super().sink()

    heavy = asyncio.Semaphore(1)
    datasets = datasets_in(tmp_path, Slow(), heavy)
    header = UploadHeader("train", MetricName("toxicity"), "rows.jsonl", None, {}, False, "")

    async def content() -> AsyncIterator[bytes]:
        yield jsonl(labelled_rows(4))

    task = asyncio.create_task(datasets.upload(header, content(), lambda _: None))
    await asyncio.to_thread(gate.entered.wait, 10)
    task.cancel()
    await asyncio.sleep(0.05)
    assert len(files_in(tmp_path)) == 1
    assert heavy.locked()

    gate.opened.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert files_in(tmp_path) == []
    assert not heavy.locked()


async def test_callers_who_leave_and_ask_again_do_not_stack_up_threads(tmp_path: Path) -> None:
    gate = Gate()

    class Slow(FakeRowStore):
        def read(self, digest: str) -> Any:
            gate()
            return super().read(digest)

    datasets = datasets_in(tmp_path, Slow(), asyncio.Semaphore(1))
    order = SplitOrder(DatasetName("source"), "train", "test", 0.5, "", 0)
    tasks = []
    for _ in range(4):
        tasks.append(asyncio.create_task(datasets.split(order, None)))
        await asyncio.to_thread(gate.entered.wait, 10)
        await asyncio.sleep(0.02)
        tasks[-1].cancel()
    await asyncio.sleep(0.02)

    assert gate.waiting == 1

    gate.opened.set()
    left = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(error, asyncio.CancelledError) for error in left)
