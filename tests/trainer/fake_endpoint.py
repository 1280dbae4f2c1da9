"""An OpenAI-compatible endpoint on loopback, which a test scripts."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from tests.outbound.listening import Listener, http, listening, read_request

KEY = "sk-secret-0123456789-abcdefghij"

Reply = Callable[[Mapping[str, Any]], Any]
"""From the request's body to what is written: bytes as they are, or the body of a 200."""


def completion(text: str | None, **fields: Any) -> dict[str, Any]:
    """Return the body of a chat completion."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "tiny-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25},
    } | fields


def with_log_probabilities(body: dict[str, Any], *places: Mapping[str, float]) -> dict[str, Any]:
    """Say of each token, the likeliest of its place, what else was likely."""
    body["choices"][0]["logprobs"] = {
        "content": [
            {
                "token": max(place, key=lambda token: place[token]),
                "logprob": max(place.values()),
                "top_logprobs": [{"token": token, "logprob": value} for token, value in place.items()],
            }
            for place in places
        ]
    }
    return body


def failure(status: str, message: str = "", *headers: str, **fields: Any) -> bytes:
    """Return an answer as OpenAI's API refuses."""
    return http(json.dumps({"error": {"message": message} | fields}).encode(), status, *headers)


def able(body: Mapping[str, Any]) -> Any:
    """Answer as a model that can do everything: the first word of an enum where it is bound to a schema."""
    form = body.get("response_format", {})
    if form.get("type") == "json_schema":
        properties = form["json_schema"]["schema"]["properties"]
        words = {name: (rule.get("enum") or ["Because."])[0] for name, rule in properties.items()}
        return completion(json.dumps(words))
    answer = completion("ready")
    if body.get("logprobs"):
        answer = with_log_probabilities(answer, {"ready": -0.1, "no": -2.4})
    return answer


class FakeEndpoint:
    """Replies with `reply`, after the replies that stand in `next`; keeps what it was asked."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.reply: Reply = able
        self.next: list[Any] = []  # a Reply, or what it would return
        self.bodies: list[dict[str, Any]] = []
        self.delay_s = 0.0  # before each answer
        self.answered = 0  # answers that were written whole

    @property
    def url(self) -> str:
        return self.listener.url

    @property
    def host(self) -> str:
        return self.listener.host

    @property
    def heads(self) -> list[str]:
        return [request.split(b"\r\n\r\n")[0].decode().lower() for request in self.listener.requests]

    def answer(self, request: bytes) -> bytes:
        body = json.loads(request.split(b"\r\n\r\n", 1)[1])
        self.bodies.append(body)
        reply = self.next.pop(0) if self.next else self.reply
        said = reply(body) if callable(reply) else reply
        return said if isinstance(said, bytes) else http(json.dumps(said).encode())


HANGS = b"hangs"  # instead of an answer: nothing, while the connection stays open
DRIPS = b"drips"  # instead of an answer: a byte now and then


@contextlib.asynccontextmanager
async def fake_endpoint() -> AsyncIterator[FakeEndpoint]:
    endpoints: list[FakeEndpoint] = []

    async def respond(reader: Any, writer: Any) -> None:
        request = endpoints[0].listener.requests[-1]
        while True:
            answer = endpoints[0].answer(request)
            if answer == HANGS:
                await asyncio.sleep(60)
            await asyncio.sleep(endpoints[0].delay_s)
            for part in [b"%c" % byte for byte in http(b"x" * 500)] if answer == DRIPS else [answer]:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.05 if answer == DRIPS else 0)
            endpoints[0].answered += 1
            request = await read_request(reader)
            endpoints[0].listener.requests.append(request)

    async with listening(respond) as listener:
        endpoints.append(FakeEndpoint(listener))
        yield endpoints[0]
