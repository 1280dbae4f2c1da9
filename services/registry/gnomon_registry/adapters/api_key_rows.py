"""Between rows of keys and the domain's."""

import dataclasses
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from gnomon.names import ApiKeyName
from gnomon.quotas import Quotas
from gnomon_registry.domain.api_key import ApiKey, EarlierText

_PLAIN = (
    "display_name",
    "secret_sha256",
    "last_four",
    "created_by",
    "etag",
    "create_time",
    "rotate_time",
    "expire_time",
    "revoke_time",
)


def from_api_key(key: ApiKey) -> dict[str, Any]:
    last, *older = key.earlier or (None,)
    return {
        "api_key": key.name.api_key,
        "scopes": list(key.scopes),
        "projects": list(key.projects),
        "quotas": dataclasses.asdict(key.quotas),
        "previous_sha256": last and last.sha256,
        "overlap_end_time": last and last.end_time,
        "older_texts": [[text.sha256.hex(), text.end_time.isoformat()] for text in older if text],
        **{column: getattr(key, column) for column in _PLAIN},
    }


def to_api_key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        name=ApiKeyName(row.api_key),
        scopes=tuple(row.scopes),
        projects=tuple(row.projects),
        quotas=Quotas(**row.quotas),
        earlier=tuple(_earlier(row)),
        **{column: getattr(row, column) for column in _PLAIN},
    )


def _earlier(row: Row[Any]) -> Iterator[EarlierText]:
    if row.previous_sha256 is not None:
        yield EarlierText(row.previous_sha256, row.overlap_end_time)
    for sha256, end_time in row.older_texts:
        yield EarlierText(bytes.fromhex(sha256), datetime.fromisoformat(end_time))
