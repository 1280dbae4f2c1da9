"""What a webhook's requests are signed with, and how their receiver verifies them. Pure.

    event = gnomon.webhooks.verify(request.body, request.headers, secret)

Requests follow Standard Webhooks 1.0 (https://www.standardwebhooks.com): the header `webhook-signature`
holds `v1,` and the base64 of HMAC-SHA256 over `{webhook-id}.{webhook-timestamp}.{body}`, once for each
secret that is valid. Any library that follows it verifies them as well.
"""

import base64
import binascii
import hmac
import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER = "webhook-id", "webhook-timestamp", "webhook-signature"
TOLERANCE_S = 300.0

SECRET_RULE = "must be whsec_ and 24 to 64 bytes in base64"  # noqa: S105  a sentence
_PREFIX = "whsec_"


class VerificationError(Exception):
    """The request is not one to act on. The message says why, in words for the receiver's own log."""


@dataclass(frozen=True, slots=True)
class Event:
    """One change. The same `id` may come again: drop what you have acted on.

    `type` is `version.created`, `version.deleted`, `version.restored`, `alias.set`, `alias.deleted` or
    `webhook.test`, and may be one that is new; `time` is when it happened. `data` holds resource names:
    `metric`, and `version`, `alias`, `old_version` where they apply.
    """

    id: str
    type: str
    time: datetime
    data: Mapping[str, Any]


def verify(
    body: bytes | str,
    headers: Mapping[str, str],
    secret: str | Iterable[str],
    *,
    tolerance_s: float = TOLERANCE_S,
    now_s: float | None = None,
) -> Event:
    """Return what a request says, if it was signed with the secret, or with one of several, and lately.

    Args:
        body: as it came, before anything parsed it.
        headers: with names in upper or lower case.
        tolerance_s: how far the sender's clock may be from this one's, in seconds; older requests may be
            ones that somebody has recorded.
        now_s: the time, in seconds since the epoch; the clock's if None.

    Raises:
        VerificationError: a header is missing, the time is too far off, no signature is right, or the
            body is no event.
        ValueError: the secret is none.
    """
    keys = [secret_bytes(each) for each in ([secret] if isinstance(secret, str) else secret)]
    message_id, timestamp, given = _headers(headers)
    content = body.encode() if isinstance(body, str) else bytes(body)
    _check_time(timestamp, time.time() if now_s is None else now_s, tolerance_s)
    # Each is compared with each, so that the time taken does not tell which one was nearly right.
    right = [
        hmac.compare_digest(_signature(key, message_id, timestamp, content), each.encode(errors="replace"))
        for key in keys
        for each in given
    ]
    if not any(right):
        raise VerificationError("No signature is right: another secret, or the body was changed on its way.")
    return _event(message_id, content)


def signatures(secrets: Iterable[str], message_id: str, timestamp_s: int, body: bytes) -> str:
    """Return the value of `webhook-signature`: one signature a secret."""
    made = (_signature(secret_bytes(each), message_id, str(timestamp_s), body) for each in secrets)
    return b" ".join(made).decode()


def secret_of(random_bytes: bytes) -> str:
    """Return random bytes in the form of a secret."""
    return _PREFIX + base64.b64encode(random_bytes).decode()


def secret_bytes(secret: str) -> bytes:
    """Return the key that a secret holds; ValueError, which does not repeat it, if it is none."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not (secret.startswith(_PREFIX) and 24 <= len(key) <= 64):
        raise ValueError(f"the secret {SECRET_RULE}")
    return key


def _signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> bytes:
    digest = hmac.digest(key, f"{message_id}.{timestamp}.".encode(errors="replace") + body, "sha256")
    return b"v1," + base64.b64encode(digest)


def _headers(headers: Mapping[str, str]) -> tuple[str, str, list[str]]:
    found = {name.lower(): value for name, value in headers.items()}
    missing = [name for name in (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER) if not found.get(name)]
    if missing:
        raise VerificationError(f"The request has no header {missing[0]}.")
    return found[ID_HEADER], found[TIMESTAMP_HEADER], found[SIGNATURE_HEADER].split()


def _check_time(timestamp: str, now_s: float, tolerance_s: float) -> None:
    if not re.fullmatch("[0-9]{1,12}", timestamp):
        raise VerificationError("webhook-timestamp is not a time in seconds.")
    if abs(now_s - int(timestamp)) > tolerance_s:
        raise VerificationError(
            f"The request says that it was signed {abs(now_s - int(timestamp)):.0f} s "
            f"{'ago' if int(timestamp) < now_s else 'from now'}; {tolerance_s:g} s are accepted."
        )


def _event(message_id: str, body: bytes) -> Event:
    try:
        content = json.loads(body)
        happened = datetime.fromisoformat(content["timestamp"]).astimezone(UTC)
        return Event(message_id, str(content["type"]), happened, dict(content["data"]))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise VerificationError("The body is no event: JSON with type, timestamp and data.") from error
