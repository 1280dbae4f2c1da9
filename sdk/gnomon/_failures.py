"""From what gRPC raises to the classes of `gnomon.errors`."""

from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from gnomon.errors import (
    BY_CODE,
    CancelledError,
    DeadlineExceededError,
    GnomonError,
    MessageTooLargeError,
    OverloadedError,
    ServiceUnavailableError,
    UnimplementedError,
)
from gnomon.status import from_status

_DETAILS = "grpc-status-details-bin"
_PUSHBACK = "grpc-retry-pushback-ms"  # gRPC's own way to say when to come back; details say it better

# What grpc.aio puts over the status of a service that ends a call while the client still sends
# (https://github.com/grpc/grpc/issues/36066). Another attempt shows the status itself.
_STATUS_LOST = "Internal error from Core"

# What a service that stops does to calls that come too late for it to answer: nothing was begun.
_CAME_TOO_LATE = "CANCELLED"

# A message that is too large is refused by who receives it: the service, or the client itself.
_TOO_LARGE_FOR_US = "CLIENT: Received message"


def failure_of(error: grpc.RpcError, service: str, address: str) -> GnomonError:
    """Return the error that a service raised, or what stands for an error of gRPC itself.

    `service` and `address` tell the reader whom the call was meant for.
    """
    status = _status_of(error)
    if status is not None and status.details:
        return from_status(status)
    failure = _bare(error.code(), error.details() or "", f"The {service} at {address}")
    failure.retry_after_s = _pushback_s(error)
    return failure


def _status_of(error: Any) -> status_pb2.Status | None:
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS:
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                return None  # a proxy's; the code and the text still tell
    return None


def _pushback_s(error: Any) -> float | None:
    found = next((value for key, value in error.trailing_metadata() or () if key == _PUSHBACK), "")
    return int(found) / 1000 if str(found).isdecimal() else None  # negative: do not come back


def _bare(code: grpc.StatusCode, details: str, who: str) -> GnomonError:
    """Return the error for a status without details: gRPC's own, or a proxy's."""
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" not in details:
        cls: type[GnomonError] = OverloadedError
    elif (code is grpc.StatusCode.INTERNAL and details == _STATUS_LOST) or (
        code is grpc.StatusCode.CANCELLED and details == _CAME_TOO_LATE
    ):
        cls = ServiceUnavailableError
    else:
        cls = BY_CODE.get(code.value[0], GnomonError)
    sentence = _SENTENCES.get(cls, "{who} answered {code}").format(who=who, code=code.name)
    if cls is MessageTooLargeError and _TOO_LARGE_FOR_US in details:
        sentence = f"{who} answered more than this client takes at once; ask for less at once"
    return cls(f"{sentence} ({details})." if details else f"{sentence}.")


_SENTENCES: dict[type[GnomonError], str] = {
    CancelledError: "{who} cancelled the call",
    DeadlineExceededError: "{who} did not answer in time",
    MessageTooLargeError: "The message is too large; send less at once",
    OverloadedError: "{who} has too much to do; try again later",
    ServiceUnavailableError: "{who} cannot be reached; check that it runs (`gnomon up`) and its address",
    UnimplementedError: "{who} does not serve this call; check its address, and that it is not too old",
}
