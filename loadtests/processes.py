"""The open loop in processes of its own, whose delays are not those of whoever started them.

Arrivals are dealt in turn. All processes share the system's monotonic clock and one start.
"""

import asyncio
import gc
import multiprocessing
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

from gnomon.errors import ServiceUnavailableError
from loadtests.open_loop import Sample, run
from loadtests.target import Answer, GrpcTarget, read_answer

_READY_S = 60.0  # to import, connect
_LEAD_S = 0.2  # between the word to start and the start


@dataclass(frozen=True, slots=True)
class Plan:
    """What one process sends: request i at times[i]."""

    address: str
    requests: Sequence[bytes]
    times: Sequence[float]
    lane: str
    deadline_s: float
    caller: str = ""

    def part(self, n: int, of: int) -> "Plan":
        return replace(self, requests=self.requests[n::of], times=self.times[n::of])


@dataclass(frozen=True, slots=True)
class Called:
    """A call, and its answer if there was one. The sample's code is that of its instance, if it has one."""

    sample: Sample
    answer: Answer | None


def run_in_processes(plan: Plan, processes: int) -> list[Called]:
    """Send the plan from so many processes; return its calls by intended time.

    Raises:
        ServiceUnavailableError: a process could not connect, or ended.
    """
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        pipes = []
        for n in range(processes):
            ours, theirs = context.Pipe()
            child = context.Process(target=_child, args=(theirs, plan.part(n, processes)), daemon=True)
            child.start()
            theirs.close()
            stack.callback(_end, child)
            pipes.append(stack.enter_context(ours))
        for pipe in pipes:
            _receive(pipe, _READY_S, plan)
        start = time.monotonic() + _LEAD_S
        for pipe in pipes:
            pipe.send(start)
        patience_s = (plan.times[-1] if plan.times else 0.0) + plan.deadline_s + _READY_S
        calls = [call for pipe in pipes for call in _receive(pipe, patience_s, plan)]
    return sorted(calls, key=lambda call: call.sample.intended_s)


def _end(child: Any) -> None:
    child.join(1.0)
    if child.is_alive():
        child.kill()
        child.join()
    child.close()


def _receive(pipe: Connection, patience_s: float, plan: Plan) -> Any:
    try:
        if not pipe.poll(patience_s):
            raise ServiceUnavailableError("A generator of the load gave no sign in time; see what blocks it.")
        received = pipe.recv()
    except EOFError as error:
        raise ServiceUnavailableError("A generator of the load ended; its error is above.") from error
    if isinstance(received, TimeoutError):
        raise ServiceUnavailableError(f"Nobody accepts connections at {plan.address}: is the scorer up?")
    return received


def _child(pipe: Connection, plan: Plan) -> None:
    asyncio.run(_send(pipe, plan))


async def _send(pipe: Connection, plan: Plan) -> None:
    target = GrpcTarget(
        plan.address, plan.requests, deadline_s=plan.deadline_s, caller=plan.caller, keep_responses=True
    )
    async with target:
        try:
            await target.connect()
        except TimeoutError as error:
            pipe.send(error)
            return
        gc.collect()
        gc.freeze()  # the plan is not looked through again during the run
        pipe.send("ready")
        start = await asyncio.to_thread(pipe.recv)
        late_by = time.monotonic() - start
        samples = await run(target.send, [at - late_by for at in plan.times], plan.lane)
    planned = zip(plan.times, samples, strict=True)
    pipe.send([_call(at, one, late_by, target.responses.get(i)) for i, (at, one) in enumerate(planned)])


def _call(planned_s: float, sample: Sample, late_by: float, response: bytes | None) -> Called:
    answer = None if response is None else read_answer(response)
    moved = replace(
        sample,
        intended_s=planned_s,  # sample.intended_s + late_by is that but for rounding, which may cross a phase
        sent_s=sample.sent_s + late_by,
        done_s=sample.done_s + late_by,
        code=sample.code if answer is None else answer.code,
    )
    return Called(moved, answer)
