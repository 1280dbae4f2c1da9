"""What makes a create safe to send twice: its request ID, and a digest of its body and of whose it is."""

import hashlib
import uuid
from dataclasses import dataclass

from google.protobuf.message import Message

from gnomon.errors import InvalidRequestError, Violation
from gnomon_rpc import caller

_SERVICE = "service"


@dataclass(frozen=True, slots=True)
class RequestKey:
    """`body` tells whether the same ID came with the same request of the same caller for the same project."""

    request_id: str
    body: str


def request_key(request: Message) -> RequestKey | None:
    """Return the key of a create request of the current caller; None if the request has no ID.

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
    return RequestKey(canonical, _of_caller(hashlib.sha256(text).hexdigest()))


def _of_caller(digest: str) -> str:
    """Mix in who calls, for which project: an answer may hold a secret, or be of another project.

    A key that is rotated keeps its name. Where there are no keys, nothing is mixed
    in; nor for services, which repeat what they began with whichever key the
    operator gave them meanwhile, as the trainer does the registration of a run.
    """
    found = caller.current()
    if found.is_local or _SERVICE in found.scopes:
        return digest
    return hashlib.sha256(f"{digest} {found.name} {found.project}".encode()).hexdigest()
