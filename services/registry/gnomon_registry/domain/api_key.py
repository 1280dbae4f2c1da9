"""A key as the registry keeps it, and what becomes of one that is shown."""

import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from gnomon.names import ApiKeyName
from gnomon.quotas import NO_QUOTAS, Quotas

LONGEST_OVERLAP = timedelta(days=90)


class KeyState(Enum):
    """What became of a key; the names are those of the contract."""

    VALID = 1
    UNKNOWN = 2
    EXPIRED = 3
    REVOKED = 4


@dataclass(frozen=True, slots=True)
class ApiKey:
    """Of its text only the SHA-256 and the last four characters are kept.

    `previous_sha256` is of the text before it, which is valid until
    `overlap_end_time`. `projects` are IDs; none stands for all.
    """

    name: ApiKeyName
    display_name: str
    scopes: tuple[str, ...]
    projects: tuple[str, ...]
    secret_sha256: bytes = field(repr=False)
    last_four: str
    created_by: str
    etag: str
    create_time: datetime
    rotate_time: datetime
    expire_time: datetime | None = None
    previous_sha256: bytes | None = field(default=None, repr=False)
    overlap_end_time: datetime | None = None
    revoke_time: datetime | None = None
    quotas: Quotas = NO_QUOTAS


@dataclass(frozen=True, slots=True)
class Verified:
    """What a key that was shown may do; nothing unless it is valid.

    `end_time` is when this text ends by itself.
    """

    state: KeyState
    key: ApiKey | None = None
    end_time: datetime | None = None


UNKNOWN = Verified(KeyState.UNKNOWN)
_NO_KEY = bytes(32)


def verified(key: ApiKey | None, secret_sha256: bytes, now: datetime) -> Verified:
    """Compare what was shown with what is known, in a time that does not depend on either.

    Only who knows the secret learns what became of the key: to all others a
    wrong secret looks like a key that never was.
    """
    is_current = hmac.compare_digest(secret_sha256, key.secret_sha256 if key else _NO_KEY)
    previous = key.previous_sha256 if key else None
    is_previous = hmac.compare_digest(secret_sha256, previous or _NO_KEY)
    if key is None or not (is_current or (is_previous and previous)):
        return UNKNOWN
    if key.revoke_time is not None:
        return Verified(KeyState.REVOKED, key)
    if key.expire_time is not None and now >= key.expire_time:
        return Verified(KeyState.EXPIRED, key)
    if is_current:
        return Verified(KeyState.VALID, key, key.expire_time)
    ends = key.overlap_end_time
    if ends is None or now >= ends:
        return Verified(KeyState.REVOKED, key)
    return Verified(KeyState.VALID, key, min(ends, key.expire_time or ends))
