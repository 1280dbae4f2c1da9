"""What a caller does beside plain load: streams, answers in full, calls that are cancelled."""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc

from gnomon import AsyncClient, shorthand
from gnomon.convert import instance_to_proto
from gnomon.errors import GnomonError
from gnomon.instances import text_span
from gnomon.v1 import scorer_service_pb2 as pb
from loadtests.target import SCORE, score_requests

_STREAM = "/gnomon.v1.ScorerService/ScoreStream"
_OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]


async def stream(command: dict[str, Any], texts: list[str]) -> dict[str, Any]:
    """Send `rows` rows in messages of `size` by ScoreStream, as fast as they are read, for at most `seconds`.

    `timeline` holds [time on the system's monotonic clock, rows answered] of each response.
    """
    timeline: list[tuple[float, int]] = []
    errors: Counter[str] = Counter()
    began, cpu = time.monotonic(), time.process_time()
    until = began + command.get("seconds", 600.0)
    code = "OK"
    async with grpc.aio.insecure_channel(command["target"]["grpc"], _OPTIONS) as channel:
        call = channel.stream_stream(_STREAM)(_rows(command, texts))
        try:
            async for content in call:
                response = pb.ScoreStreamResponse.FromString(content)
                timeline.append((time.monotonic(), response.answered_count))
                errors.update(_errors(response))
                if timeline[-1][0] > until:
                    call.cancel()
                    code = "STOPPED"
                    break
        except grpc.aio.AioRpcError as error:
            code = f"{error.code().name}: {error.details()}"
    return {
        "began": began,
        "timeline": timeline,
        "code": code,
        "errors": errors,
        "cpu_s": time.process_time() - cpu,
    }


async def _rows(command: dict[str, Any], texts: list[str]) -> AsyncIterator[bytes]:
    """Yield the messages. What a pass of the texts is made of is built once, not for each row."""
    size, rows = command.get("size", 64), command["rows"]
    name = shorthand.metric_version(command["target"]["version"])
    order = list(range(len(texts)))
    random.Random(command.get("seed", 0)).shuffle(order)
    instances = [instance_to_proto(text_span(input=texts[index])) for index in order]
    endless = itertools.cycle(instances)
    yield pb.ScoreStreamRequest(metric_versions=[name]).SerializeToString()
    for first in range(0, rows, size):
        chunk = list(itertools.islice(endless, min(size, rows - first)))
        yield pb.ScoreStreamRequest(instances=chunk).SerializeToString()


def _errors(response: pb.ScoreStreamResponse) -> list[str]:
    outcomes = (outcome for result in response.results for outcome in result.outcomes)
    return [f"code {outcome.error.code}" for outcome in outcomes if outcome.HasField("error")]


async def scores(command: dict[str, Any], texts: list[str]) -> list[list[dict[str, Any]]]:
    """Send each group of texts as one request, `callers` at once; return every instance's score."""
    version = command["target"]["version"]
    found: list[list[dict[str, Any]]] = [[] for _ in command["groups"]]
    order = iter(enumerate(command["groups"]))
    async with grpc.aio.insecure_channel(command["target"]["grpc"], _OPTIONS) as channel:
        call = channel.unary_unary(SCORE, response_deserializer=pb.ScoreResponse.FromString)

        async def caller() -> None:
            for number, group in order:
                instances = [text_span(input=texts[index]) for index in group]
                request = score_requests(version, instances, per_request=len(group))[0]
                response = await call(request, timeout=60)
                found[number] = [_score(result.outcomes[0]) for result in response.results]

        await asyncio.gather(*(caller() for _ in range(command.get("callers", 1))))
    return found


def _score(outcome: pb.ScoreOutcome) -> dict[str, Any]:
    if outcome.HasField("error"):
        return {"error": outcome.error.code}
    score = outcome.score
    return {
        "version": score.metric_version,
        "label": score.label,
        "flagged": score.flagged,
        "p": [entry.probability for entry in score.classes],
        "tokens": score.token_count,
    }


async def cancel_calls(command: dict[str, Any], texts: list[str]) -> dict[str, Any]:
    """Make `count` calls in waves of `wave` and cancel each within `within_s`; return what became of them."""
    draw = random.Random(command.get("seed", 0))
    chosen = [text_span(input=texts[index]) for index in command["indices"]]
    requests = score_requests(command["target"]["version"], chosen)
    codes: Counter[str] = Counter()
    async with grpc.aio.insecure_channel(command["target"]["grpc"], _OPTIONS) as channel:
        method = channel.unary_unary(SCORE)

        async def one(i: int) -> None:
            call = method(requests[i % len(requests)], timeout=60)
            await asyncio.sleep(draw.uniform(0, command["within_s"]))
            call.cancel()
            codes[(await call.code()).name] += 1

        for first in range(0, command["count"], command["wave"]):
            await asyncio.gather(*(one(first + i) for i in range(command["wave"])))
    return {"codes": codes, "ended": time.monotonic()}


async def users(command: dict[str, Any], texts: list[str]) -> dict[str, Any]:
    """Call as users of the SDK do, each client with a connection of its own.

    For `seconds`, or until there is `until_file`.
    """
    failed: Counter[str] = Counter()
    took_ms: list[float] = []
    until = time.monotonic() + command["seconds"]
    done = Path(command["until_file"]) if "until_file" in command else None

    async def user(number: int) -> None:
        async with AsyncClient(scorer=command["address"]) as client:
            for i in itertools.count(number):
                if time.monotonic() > until or (done and done.exists()):
                    return
                began = time.perf_counter()
                try:
                    await client.score(command["version"], input=texts[i % len(texts)])
                    took_ms.append((time.perf_counter() - began) * 1e3)
                except GnomonError as error:
                    failed[type(error).__name__] += 1

    await asyncio.gather(*(user(50 * number) for number in range(command["clients"])))
    return {"answered": len(took_ms), "failed": failed, "longest_ms": max(took_ms, default=None)}
