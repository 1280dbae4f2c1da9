"""An OpenAI-compatible endpoint that takes its time, and answers every question with a valid judgement.

    python -m benchmarks.judge.scripted [--delay-s 0.2]

Prints its port as its first line. Answers have 38 tokens, and at each the log-probabilities of as many
likely ones as are asked for: 20 KB for 5. GET tells how often it was asked, by how many connections, how many
questions were under way at once at most, and what it used of a processor.
"""

import argparse
import asyncio
import json
import time
from typing import Any

_EXPLANATION = " ".join(["because"] * 34)
_PLACES = [
    '{"explanation": "',
    *[f"{word} " for word in _EXPLANATION.split()[:-1]],
    "because",
    '", "label": "',
]


def _body(likely: int) -> bytes:
    tokens = [*_PLACES, "true", '"}']
    choice: dict[str, Any] = {
        "index": 0,
        "message": {"role": "assistant", "content": "".join(tokens)},
        "finish_reason": "stop",
    }
    if likely:
        choice["logprobs"] = {"content": [_place(token, likely) for token in tokens]}
    usage = {"prompt_tokens": 450, "completion_tokens": len(tokens), "total_tokens": 450 + len(tokens)}
    body = {"id": "chatcmpl-1", "object": "chat.completion", "model": "scripted", "choices": [choice]}
    return json.dumps(body | {"usage": usage}).encode()


def _place(token: str, likely: int) -> dict[str, Any]:
    others = ["false", *(f" other{n}" for n in range(18))][: likely - 1]
    entries = [(token, -0.25), *((other, -2.0 - n) for n, other in enumerate(others))]
    top = [{"token": name, "logprob": value, "bytes": list(name.encode())} for name, value in entries]
    return top[0] | {"top_logprobs": top}


def _http(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Endpoint:
    """Answers each question `delay_s` after it came."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._answers = {likely: _http(_body(likely)) for likely in range(21)}
        self._calls = self._connections = self._under_way = self._most = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"GET"):
                    writer.write(_http(json.dumps(self._seen()).encode()))
                    continue
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                writer.write(await self._answer(await reader.readexactly(length)))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    async def _answer(self, question: bytes) -> bytes:
        self._calls += 1
        self._under_way += 1
        self._most = max(self._most, self._under_way)
        await asyncio.sleep(self._delay_s)
        self._under_way -= 1
        return self._answers[json.loads(question).get("top_logprobs", 0)]

    def _seen(self) -> dict[str, Any]:
        return {
            "calls": self._calls,
            "connections": self._connections,
            "most_at_once": self._most,
            "processor_s": time.process_time(),
        }


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.judge.scripted", description=__doc__)
    parser.add_argument("--delay-s", type=float, default=0.2)
    endpoint = Endpoint(parser.parse_args().delay_s)
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0, limit=2**20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
