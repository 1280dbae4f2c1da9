"""Between rows of keys and the domain's."""

import dataclasses
from typing import Any

from sqlalchemy import Row

from gnomon.names import ApiKeyName
from gnomon.quotas import Quotas
from gnomon_registry.domain.api_key import ApiKey

_PLAIN = (
    "display_name",
    "secret_sha256",
    "previous_sha256",
    "last_four",
    "created_by",
    "etag",
    "create_time",
    "rotate_time",
    "expire_time",
    "overlap_end_time",
    "revoke_time",
)


def from_api_key(key: ApiKey) -> dict[str, Any]:
    return {
        "api_key": key.name.api_key,
        "scopes": list(key.scopes),
        "projects": list(key.projects),
        "quotas": dataclasses.asdict(key.quotas),
        **{column: getattr(key, column) for column in _PLAIN},
    }


def to_api_key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        name=ApiKeyName(row.api_key),
        scopes=tuple(row.scopes),
        projects=tuple(row.projects),
        quotas=Quotas(**row.quotas),
        **{column: getattr(row, column) for column in _PLAIN},
    )
