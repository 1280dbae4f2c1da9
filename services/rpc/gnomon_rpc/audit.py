"""What is audited, and the port of the log that keeps it."""

import re
from collections.abc import Sequence
from typing import Protocol

from gnomon.audit import AuditEntry, Query, Record

READS = frozenset(
    {
        *("Get", "List", "Watch", "Find", "Download", "Wait"),
        "Score",  # changes nothing, and is called thousands of times a second
        *("Check", "Compare"),
        "Next",  # rows of a review, handed out; the answers to them are audited
        *("Identify", "Verify"),
    }
)
"""The first words of methods that change nothing and spend nothing."""

CHANGES = frozenset(
    {
        *("Create", "Update", "Delete", "Undelete", "Set", "Upload", "Split", "Record", "Withdraw"),
        *("Adjudicate", "Apply", "Approve", "Regenerate", "Resume", "Cancel", "Collect", "Train"),
        *("Judge", "Test", "Redeliver"),  # call others, with a key or a secret, and for a price
        *("Rotate", "Revoke"),
    }
)
"""The first words of methods that are audited. A word in neither set is audited too; a test asks for it."""

_OTHERS = ("/grpc.",)  # health and reflection


def verb_of(method: str) -> str:
    """Return the first word of a method: of `/gnomon.v1.RegistryService/CreateMetric`, `Create`."""
    match = re.match(r"[A-Z][a-z0-9]*", method.rpartition("/")[2])
    return match[0] if match else ""


def is_audited(method: str) -> bool:
    return not method.startswith(_OTHERS) and verb_of(method) not in READS


class AuditLog(Protocol):
    """Entries in one chain, in the order of their numbers. Nothing in it is changed or removed.

    Called in threads, of several processes at once.

    Raises:
        StorageFullError: the disk is full; nothing was written.
        ServiceUnavailableError: another writer held the database for too long.
    """

    def append(self, records: Sequence[Record]) -> list[AuditEntry]:
        """Put records at the end, all or none; when it returns, they survive a power cut."""
        ...

    def entries(self, query: Query, after: int | None, limit: int) -> list[AuditEntry]:
        """Return entries beyond a number in the order asked for; the first ones if it is None."""
        ...
