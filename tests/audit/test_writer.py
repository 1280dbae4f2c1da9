"""The writer: parallel calls share a transaction, and nothing begins without its entry."""

import asyncio
import threading

import pytest

from gnomon.audit import verify
from gnomon.errors import AuditUnavailableError, StorageFullError
from gnomon_rpc.audit_writer import AuditWriter
from tests.audit.things import MemoryLog, record


class SlowLog(MemoryLog):
    """Waits in the middle of a write until it is let go."""

    def __init__(self):
        super().__init__()
        self.begun = threading.Event()
        self.go = threading.Event()

    def append(self, records):
        self.begun.set()
        assert self.go.wait(10)
        return super().append(records)


async def test_calls_that_wait_for_the_disk_together_share_one_transaction():
    log = SlowLog()
    writer = AuditWriter(log)
    first = asyncio.create_task(writer.append(record(0)))
    await asyncio.to_thread(log.begun.wait, 10)
    others = [asyncio.create_task(writer.append(record(i))) for i in range(1, 200)]
    await asyncio.sleep(0)
    log.go.set()
    entries = await asyncio.gather(first, *others)
    await writer.stop()

    assert log.transactions == 2
    assert [entry.record for entry in entries] == [record(i) for i in range(200)]
    assert verify(log.kept).problem is None


async def test_no_call_begins_before_its_entry_is_written():
    log = SlowLog()
    writer = AuditWriter(log)
    call = asyncio.create_task(writer.append(record()))
    await asyncio.to_thread(log.begun.wait, 10)

    assert not call.done()
    log.go.set()
    assert (await call).number == 1
    await writer.stop()


@pytest.mark.parametrize(
    ("failure", "expected"),
    [(StorageFullError("The disk is full."), StorageFullError), (OSError("odd"), AuditUnavailableError)],
)
async def test_a_log_that_cannot_be_written_refuses_all_calls_with_a_typed_error(failure, expected):
    log = MemoryLog()
    log.failure = failure
    writer = AuditWriter(log)
    results = await asyncio.gather(*(writer.append(record(i)) for i in range(3)), return_exceptions=True)
    log.failure = None

    assert [type(result) for result in results] == [expected] * 3
    assert len(set(map(id, results))) == 3  # a traceback belongs to one call
    assert log.kept == []
    assert (await writer.append(record())).number == 1
    await writer.stop()


async def test_an_outcome_is_written_once_the_log_can_be():
    log = MemoryLog()
    writer = AuditWriter(log, pause_s=0.01)
    log.failure = StorageFullError("The disk is full.")
    writer.note(record(0, begun=1, outcome="OK"))
    assert not await writer.flush(0.05)
    log.failure = None
    assert await writer.flush()
    await writer.stop()

    assert [entry.record for entry in log.kept] == [record(0, begun=1, outcome="OK")]


async def test_what_waits_is_written_before_the_end():
    log = MemoryLog()
    writer = AuditWriter(log)
    for index in range(5):
        writer.note(record(index))
    await writer.stop()

    assert len(log.kept) == 5


async def test_a_caller_who_leaves_takes_no_entry_back():
    log = SlowLog()
    writer = AuditWriter(log)
    call = asyncio.create_task(writer.append(record()))
    await asyncio.to_thread(log.begun.wait, 10)
    call.cancel()
    log.go.set()
    with pytest.raises(asyncio.CancelledError):
        await call
    await writer.stop()

    assert len(log.kept) == 1


async def test_a_writer_that_was_never_used_stops():
    await AuditWriter(MemoryLog()).stop()


async def test_whoever_reads_waits_for_what_was_noted_before_and_for_nothing_that_comes_after():
    log = SlowLog()
    log.go.set()
    writer = AuditWriter(log)
    stop = asyncio.Event()

    async def keep_busy():
        while not stop.is_set():
            await writer.append(record())

    busy = [asyncio.create_task(keep_busy()) for _ in range(8)]
    writer.note(record(1, begun=1, outcome="OK"))
    assert await writer.flush(10.0)
    seen = [entry.record.outcome for entry in log.kept]
    stop.set()
    await asyncio.gather(*busy)
    await writer.stop()

    assert "OK" in seen
    assert await writer.flush(0.1)
