"""A proxy before an LLM's server that writes down what was asked, how it was answered, and when."""

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call. `status` is 0 where the server broke off; `question` is what was asked, however it was."""

    question: str
    status: int
    seconds: float
    ended: float  # on `time.monotonic`
    answer: str


@dataclass(slots=True)
class Counter:
    """What went through so far, and where to call."""

    port: int
    exchanges: list[Exchange] = field(default_factory=list)

    @property
    def answers(self) -> list[Exchange]:
        return [each for each in self.exchanges if each.status == 200]


@contextlib.contextmanager
def counted(server_port: int) -> Iterator[Counter]:
    """Run the proxy on a thread until the block ends."""
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server_port, counter := Counter(0)))
    proxy.daemon_threads = True  # one may still wait for the server when the test is over
    counter.port = int(proxy.server_address[1])
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield counter
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()


def _handler(server_port: int, counter: Counter) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body, started = self.rfile.read(int(self.headers["content-length"])), time.monotonic()
            try:
                status, answer = _forwarded(server_port, self.path, body, dict(self.headers.items()))
            except (OSError, http.client.HTTPException):
                status, answer = 0, b""
            ended = time.monotonic()
            question, text = json.dumps(json.loads(body)["messages"]), _text(status, answer)
            counter.exchanges.append(Exchange(question, status, ended - started, ended, text))
            if status:  # else the connection ends without a word, as the server's did
                with contextlib.suppress(OSError):  # who asked may be gone
                    self._give(status, answer)

        def _give(self, status: int, answer: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def _forwarded(port: int, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    with contextlib.closing(connection):
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()


def _text(status: int, answer: bytes) -> str:
    return str(json.loads(answer)["choices"][0]["message"]["content"]) if status == 200 else ""
