"""What one API key may use. Pure."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields

from gnomon.errors import QuotaExceededError, Violation

DAYS = 30
"""How far back training hours count."""

_MOST = 2**53  # what every client of the contract holds exactly


@dataclass(frozen=True, slots=True)
class Quotas:
    """Limits of a key; 0 is none.

    `calls_per_second`, `calls_in_flight` and `tokens_per_minute` hold for each
    process that serves the key, `storage_bytes` for each service.
    """

    calls_per_second: float = 0.0
    calls_in_flight: int = 0
    tokens_per_minute: int = 0
    storage_bytes: int = 0
    training_hours: float = 0.0

    @property
    def are_none(self) -> bool:
        return self == NO_QUOTAS


@dataclass(frozen=True, slots=True)
class Usage:
    """What a key uses of one service."""

    storage_bytes: int = 0
    training_hours: float = 0.0


NO_QUOTAS = Quotas()
NAMES = tuple(field.name for field in fields(Quotas))


def problems_of(quotas: Quotas, path: str) -> Iterator[Violation]:
    """Yield what is wrong with quotas that somebody wishes for."""
    for name in NAMES:
        value = getattr(quotas, name)
        if not (math.isfinite(value) and 0 <= value <= _MOST):
            yield Violation(f"{path}.{name}", "must be 0, which is no limit, or a number above it")


def check_storage(quotas: Quotas, used: int, more: int, key: str) -> None:
    """Refuse to store more than the key may.

    Raises:
        QuotaExceededError: it would be too much; waiting does not help.
    """
    if quotas.storage_bytes and used + more > quotas.storage_bytes:
        raise exceeded(
            "storage_bytes",
            quotas.storage_bytes,
            used,
            key,
            f"The API key {key} stores {used} of {quotas.storage_bytes} bytes here, and {more} more do not "
            "fit. Delete datasets that it uploaded, or ask an administrator for more.",
        )


def check_training(quotas: Quotas, used_hours: float, key: str) -> None:
    """Refuse a new run to a key whose hours are used up.

    Raises:
        QuotaExceededError: they are; waiting for days would help, and nobody waits so long.
    """
    if quotas.training_hours and used_hours >= quotas.training_hours:
        used = round(used_hours, 3)
        raise exceeded(
            "training_hours",
            quotas.training_hours,
            used,
            key,
            f"The runs of the API key {key} took {used:g} of {quotas.training_hours:g} hours of workers in "
            f"the last {DAYS} days. Wait until some are longer ago, or ask an administrator for more.",
        )


def exceeded(
    quota: str, limit: float, used: float, key: str, message: str, *, retry_after_s: float | None = None
) -> QuotaExceededError:
    return QuotaExceededError(
        message,
        retry_after_s=retry_after_s,
        quota=quota,
        limit=f"{limit:.15g}",
        used=f"{used:.15g}",
        resource=key,
    )
