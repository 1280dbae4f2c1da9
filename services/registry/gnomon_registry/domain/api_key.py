"""A key as the registry keeps it, and what becomes of one that is shown."""

import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum

from gnomon.names import ApiKeyName
from gnomon.quotas import NO_QUOTAS, Quotas

LONGEST_OVERLAP = timedelta(days=90)
MOST_EARLIER = 8  # texts of a key that may be valid beside its newest


class KeyState(Enum):
    """What became of a key; the names are those of the contract."""

    VALID = 1
    UNKNOWN = 2
    EXPIRED = 3
    REVOKED = 4


@dataclass(frozen=True, slots=True)
class EarlierText:
    """A text that a key had before: its SHA-256, and when it ends or has ended."""

    sha256: bytes = field(repr=False)
    end_time: datetime


@dataclass(frozen=True, slots=True)
class ApiKey:
    """Of its text only the SHA-256 and the last four characters are kept.

    `earlier` are the text before it and those that were still valid when that
    one came, the newest first. `projects` are IDs; none stands for all.
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
    earlier: tuple[EarlierText, ...] = ()
    revoke_time: datetime | None = None
    quotas: Quotas = NO_QUOTAS

    @property
    def overlap_end_time(self) -> datetime | None:
        """When the text before it ends; those before that one have ended by then."""
        return self.earlier[0].end_time if self.earlier else None

    def earlier_beside_a_new_text(self, now: datetime, overlap: timedelta) -> tuple[EarlierText, ...]:
        """Return the earlier texts of this key once it has a new one: none is valid beyond the overlap.

        All that are valid stay so, not only the last: where the answer to a rotation was lost, nobody
        has the last, and everybody uses the one before.
        """
        ends = now + overlap
        older = (EarlierText(text.sha256, min(text.end_time, ends)) for text in self.earlier)
        return (EarlierText(self.secret_sha256, ends), *(text for text in older if text.end_time > now))


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
_NO_TEXT = EarlierText(_NO_KEY, datetime.min.replace(tzinfo=UTC))


def verified(key: ApiKey | None, secret_sha256: bytes, now: datetime) -> Verified:
    """Compare what was shown with what is known, in a time that does not depend on either.

    Only who knows the secret learns what became of the key: to all others a
    wrong secret looks like a key that never was.
    """
    is_current = hmac.compare_digest(secret_sha256, key.secret_sha256 if key else _NO_KEY)
    earlier = key.earlier if key else ()
    padded = earlier + (_NO_TEXT,) * (MOST_EARLIER - len(earlier))
    alike = [text for text in padded if hmac.compare_digest(secret_sha256, text.sha256)]
    ends = alike[0].end_time if alike and alike[0] is not _NO_TEXT else None
    if key is None or not (is_current or ends):
        return UNKNOWN
    if key.revoke_time is not None:
        return Verified(KeyState.REVOKED, key)
    if key.expire_time is not None and now >= key.expire_time:
        return Verified(KeyState.EXPIRED, key)
    if is_current:
        return Verified(KeyState.VALID, key, key.expire_time)
    if ends is None or now >= ends:
        return Verified(KeyState.REVOKED, key)
    return Verified(KeyState.VALID, key, min(ends, key.expire_time or ends))
