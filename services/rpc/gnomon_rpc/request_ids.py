"""What makes a create safe to send twice: its request ID and its body's digest."""

import hashlib
import uuid
from dataclasses import dataclass

from google.protobuf.message import Message

from gnomon.errors import InvalidRequestError, Violation


@dataclass(frozen=True, slots=True)
class RequestKey:
    """`body` tells whether the same ID came with the same request."""

    request_id: str
    body: str


def request_key(request: Message) -> RequestKey | None:
    """Return the key of a create request; None if the caller gave no ID.

    Raises:
        InvalidRequestError: the ID is not a UUID.
    """
    request_id: str = request.request_id  # type: ignore[attr-defined]
    if not request_id:
        return None
    try:
        canonical = str(uuid.UUID(request_id))
    except ValueError as error:
        raise InvalidRequestError(
            "request_id is not a UUID.", violations=[Violation("request_id", "must be a UUID")]
        ) from error
    copy = type(request)()
    copy.CopyFrom(request)
    copy.ClearField("request_id")
    text = request.DESCRIPTOR.full_name.encode() + copy.SerializeToString(deterministic=True)
    return RequestKey(canonical, hashlib.sha256(text).hexdigest())
