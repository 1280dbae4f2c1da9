"""Ask a service's standard health check, over plain text or TLS.

The messages of grpc.health.v1 are one text field and one enum field; written
out, they spare the SDK a dependency.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc

from gnomon.addresses import PASS_NO_PROXY

SERVING = "SERVING"
_STATES = {b"": "UNKNOWN", b"\x08\x01": SERVING, b"\x08\x02": "NOT_SERVING", b"\x08\x03": "SERVICE_UNKNOWN"}


@dataclass(frozen=True, slots=True)
class Tls:
    """How to trust a server, and to be trusted by it. Each file is PEM.

    `server_name` is the name that the certificate must have, where it is not that of the address, as with
    a probe that asks 127.0.0.1.
    """

    ca_file: Path | None = None
    certificate_file: Path | None = None
    certificate_key_file: Path | None = None
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a health check said: `state` as grpc.health.v1 names it, or UNREACHABLE, and why.

    `version` and `time_s`, seconds since 1970, are those of the server, where it tells them.
    """

    state: str
    reason: str = ""
    version: str = ""
    time_s: float | None = None

    @property
    def is_serving(self) -> bool:
        return self.state == SERVING


def ask(address: str, service: str = "", tls: Tls | None = None, timeout_s: float = 2.0) -> Answer:
    """Ask about one service of a server, or about the server itself if none is named.

    Raises:
        OSError: a file of `tls` cannot be read.
    """
    with _channel(address, tls) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        name = service.encode()
        request = b"\x0a" + bytes([len(name)]) + name
        try:
            answer, call = check.with_call(request, timeout=timeout_s)
        except grpc.RpcError as error:
            return _refusal(error, service)
        told = {key: str(value) for key, value in call.trailing_metadata() or ()}
    time_s = float(told["gnomon-time"]) if "gnomon-time" in told else None
    return Answer(_STATES.get(answer, "UNKNOWN"), version=told.get("gnomon-version", ""), time_s=time_s)


def _refusal(error: grpc.RpcError, service: str) -> Answer:
    code, details = error.code(), error.details() or ""
    if code is grpc.StatusCode.NOT_FOUND:
        return Answer("SERVICE_UNKNOWN", f"The server knows no health of {service!r}.")
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Answer("UNREACHABLE", "No answer in time.")
    return Answer("UNREACHABLE", f"{code.name}: {details}")


def _channel(address: str, tls: Tls | None) -> grpc.Channel:
    if tls is None:
        return grpc.insecure_channel(address, [PASS_NO_PROXY])
    credentials = grpc.ssl_channel_credentials(
        _content(tls.ca_file), _content(tls.certificate_key_file), _content(tls.certificate_file)
    )
    options: Sequence[tuple[str, str]] = (
        [("grpc.ssl_target_name_override", tls.server_name)] if tls.server_name else []
    )
    return grpc.secure_channel(address, credentials, options)


def _content(file: Path | None) -> bytes | None:
    return file.read_bytes() if file else None
