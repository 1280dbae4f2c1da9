"""A child process that calls a scorer or a peer.

    python -m benchmarks.scorer.caller TEXTS

A `target` is `{"grpc": address, "version": "bench@1", "lane": …}` or
`{"http": address, "path": …, "fields": {…}}`.
"""

import asyncio
import gc
import json
import sys
import time
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from benchmarks.scorer.calling import cancel_calls, scores, stream, users
from benchmarks.scorer.children import Answers, serve
from benchmarks.scorer.http_target import HttpTarget

from gnomon.instances import text_span
from loadtests.open_loop import arrivals, run
from loadtests.target import GrpcTarget, read_answer, score_requests

_PATIENCE_S = 120.0


def target_of(command: dict[str, Any], texts: list[str]) -> GrpcTarget | HttpTarget:
    """Return the target with its requests: of all texts, or of those at `indices`."""
    target = command["target"]
    chosen = [texts[index] for index in command.get("indices") or range(len(texts))]
    deadline_s = command.get("deadline_s") or _PATIENCE_S
    if "http" in target:
        bodies = [target["fields"] | {"input": [text]} for text in chosen]
        return HttpTarget(target["http"], target["path"], bodies, deadline_s)
    requests = score_requests(
        target["version"],
        [text_span(input=text) for text in chosen],
        lane=target.get("lane", ""),
        per_request=command.get("size", 1),
    )
    return GrpcTarget(
        target["grpc"],
        requests,
        deadline_s=deadline_s,
        channels=target.get("channels", 1),
        keep_responses=command.get("keep", False),
    )


async def closed(command: dict[str, Any], texts: list[str]) -> dict[str, Any]:
    """Send the texts once, or `passes` times, from `callers` callers who each wait for their answer.

    Ends early after `limit_s`; `texts` then says how many were answered.
    """
    size, count = command.get("size", 1), len(command.get("indices") or texts)
    calls = -(-count // size)
    order = iter(range(calls * command.get("passes", 1)))
    codes: Counter[str] = Counter()
    latencies_ms: list[float] = []
    async with target_of(command, texts) as target:
        gc.collect()
        cpu, began = time.process_time(), time.perf_counter()
        until = began + command.get("limit_s", _PATIENCE_S)
        last = began

        async def caller() -> None:
            nonlocal last
            for i in order:
                start = time.perf_counter()
                if start > until:
                    return
                code, _ = await target.send(i)
                last = time.perf_counter()
                codes[code] += 1
                latencies_ms.append((last - start) * 1e3)

        await asyncio.gather(*(caller() for _ in range(command["callers"])))
        seconds, cpu_s = last - began, time.process_time() - cpu
    answered = codes["OK"] * size if size == 1 else codes["OK"] * count / calls
    result = {"texts": answered, "seconds": seconds, "rate": answered / seconds if seconds else 0.0}
    result |= {"codes": codes, "latencies_ms": latencies_ms, "cpu_s": cpu_s}
    return result | _told(target)


def _told(target: GrpcTarget | HttpTarget) -> dict[str, Any]:
    """Return what the answers that were kept say: tokens, and the means of their timings."""
    if isinstance(target, HttpTarget) or not target.responses:
        return {}
    answers = [read_answer(response) for response in target.responses.values()]
    timing = {
        name: sum(getattr(answer, name) for answer in answers) / len(answers)
        for name in ("tokenization_ms", "queue_ms", "inference_ms")
    }
    failed = Counter(answer.code for answer in answers if answer.code != "OK")
    return {"tokens": sum(a.token_count for a in answers), "timing": timing, "failed_instances": failed}


async def opened(command: dict[str, Any], texts: list[str]) -> dict[str, Any]:
    """Send single texts at a rate, whatever becomes of earlier ones.

    A sample is [intended s, sent s, done s, code] from `started`, which is on the system's
    monotonic clock.
    """
    times = arrivals(
        command["rate"], command["seconds"], command.get("seed", 0), command.get("kind", "poisson")
    )
    async with target_of(command, texts) as target:
        if isinstance(target, GrpcTarget):
            await target.connect()
        gc.collect()
        gc.freeze()
        cpu, started = time.process_time(), time.monotonic()
        samples = await run(target.send, times)
        cpu_s = time.process_time() - cpu
        gc.unfreeze()
    rows = [[one.intended_s, one.sent_s, one.done_s, one.code] for one in samples]
    return {"started": started, "samples": rows, "cpu_s": cpu_s}


def main() -> None:
    texts = json.loads(Path(sys.argv[1]).read_text())

    def answer(do: Any) -> Answers:
        def ask(command: dict[str, Any]) -> Any:
            work: Coroutine[Any, Any, Any] = do(command, texts)
            return asyncio.run(work)

        return ask

    commands = {
        "closed": closed,
        "open": opened,
        "scores": scores,
        "stream": stream,
        "cancel": cancel_calls,
        "users": users,
    }
    serve({name: answer(do) for name, do in commands.items()})


if __name__ == "__main__":
    main()
