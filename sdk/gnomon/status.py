"""Between errors and `google.rpc.Status`, for calls and for items of a response."""

from typing import Any

from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

from gnomon.errors import BY_CODE, BY_REASON, GnomonError, Violation

DOMAIN = "gnomon.dev"

# A status travels in a trailer, and gRPC's clients refuse trailers of more than 8 KiB; base64 and the
# message, which is sent twice, take their share.
_MAX_MESSAGE_CHARACTERS = 600
_MAX_DETAILS_BYTES = 3500


def to_status(error: GnomonError) -> status_pb2.Status:
    """Return the error with `ErrorInfo`, and `BadRequest` and `RetryInfo` where they apply."""
    details: list[Any] = [
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
    ]
    if error.violations:
        details.append(error_details_pb2.BadRequest(field_violations=_violations(error)))
    if error.retry_after_s is not None:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(error.retry_after_s * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(code=error.code, message=_cut(error.message))
    for detail in details:
        status.details.add().Pack(detail)
    return status


def _violations(error: GnomonError) -> list[error_details_pb2.BadRequest.FieldViolation]:
    """Return as many violations as fit into a trailer, the first ones first."""
    found: list[error_details_pb2.BadRequest.FieldViolation] = []
    left_bytes = _MAX_DETAILS_BYTES
    for violation in error.violations:
        message = error_details_pb2.BadRequest.FieldViolation(
            field=_cut(violation.field), description=_cut(violation.description)
        )
        left_bytes -= message.ByteSize() + 4
        if left_bytes < 0:
            break
        found.append(message)
    return found


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_MESSAGE_CHARACTERS else text[: _MAX_MESSAGE_CHARACTERS - 1] + "…"


def from_status(status: status_pb2.Status) -> GnomonError:
    """Return the error that `to_status` was given, or the nearest class for a foreign status."""
    reason, metadata, violations, retry_after_s = "", {}, [], None
    for detail in status.details:
        if (info := _unpack(detail, error_details_pb2.ErrorInfo)) and info.domain == DOMAIN:
            reason, metadata = info.reason, dict(info.metadata)
        elif bad := _unpack(detail, error_details_pb2.BadRequest):
            violations = [Violation(v.field, v.description) for v in bad.field_violations]
        elif retry := _unpack(detail, error_details_pb2.RetryInfo):
            retry_after_s = retry.retry_delay.ToNanoseconds() / 1e9
    cls = BY_REASON.get(reason) or BY_CODE.get(status.code, GnomonError)
    error = cls(status.message, violations=violations, retry_after_s=retry_after_s)
    error.metadata = metadata  # not as arguments: a newer server may send keys that name a parameter
    return error


def _unpack(detail: any_pb2.Any, cls: type[Any]) -> Any:
    message = cls()
    return message if detail.Unpack(message) else None
