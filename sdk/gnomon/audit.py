"""The audit log's entries, their chain, and how it is verified. Pure: it believes no server.

Each entry carries the hash of the one before it:

    hash = SHA-256(previous hash, 32 bytes || canonical form of the entry)

where the hash before the first entry is 32 zero bytes. The canonical form is
one JSON object in UTF-8 with exactly the keys `begun`, `call_id`, `caller`,
`count`, `method`, `number`, `outcome`, `project`, `reason`, `resource`, `time`
in this order, no white space, and every character beyond ASCII written as
`\\uXXXX`. Numbers are decimal integers. `time` is in UTC, always with six
decimals: `2026-11-22T11:04:27.000105Z`.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

FIRST_PREVIOUS = bytes(32)
_HEAD = re.compile(r"(0|[1-9][0-9]{0,17}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Record:
    """What is written down of a call: once before it begins, and once what became of it.

    `begun` is the number of the entry that was written before, in the second one;
    else 0. `outcome` is the name of the status code; empty before. A refusal by
    API key has one entry, with an outcome and no `begun`; it may stand for
    `count` of them. Nothing here is a text that a user wrote: names of
    resources are IDs.
    """

    time: datetime
    caller: str
    project: str
    method: str
    resource: str
    call_id: str
    begun: int = 0
    outcome: str = ""
    reason: str = ""
    count: int = 1

    def __post_init__(self) -> None:
        if self.time.tzinfo is None:
            raise ValueError("the time of an audit record needs a zone")


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A record in its place in the chain. `number` counts from 1 without gaps; hashes have 32 bytes."""

    number: int
    record: Record
    previous_hash: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: the number of its last entry, 0 if there is none, and that entry's hash."""

    number: int = 0
    hash: bytes = FIRST_PREVIOUS

    def __str__(self) -> str:
        return f"{self.number}:{self.hash.hex()}"

    @classmethod
    def parse(cls, text: str) -> "Head":
        """Return what `str` wrote.

        Raises:
            ValueError: it is not of the form NUMBER:HASH.
        """
        match = _HEAD.fullmatch(text.strip())
        if match is None:
            raise ValueError(
                "a head is NUMBER:HASH with 64 hexadecimal digits, as `gnomon audit verify` says it"
            )
        return cls(int(match[1]), bytes.fromhex(match[2]))


@dataclass(frozen=True, slots=True)
class Problem:
    """Where a chain is broken: at the entry with this number, or where it should be."""

    number: int
    description: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verifying a log found.

    `head` is the last entry whose place and content are proved. `unfinished` are
    the numbers of calls that began and have no outcome: they are under way, or
    the process died. `problem` is the first one; None if the chain is whole.
    """

    count: int
    head: Head
    unfinished: tuple[int, ...]
    problem: Problem | None


@dataclass(frozen=True, slots=True)
class Query:
    """Which entries to list; what is empty matches all.

    `start` is inclusive, `end` is not. `method` is a whole name, or what stands
    after its slash.
    """

    start: datetime | None = None
    end: datetime | None = None
    caller: str = ""
    method: str = ""
    resource_prefix: str = ""
    newest_first: bool = False


def canonical(number: int, record: Record) -> bytes:
    """Return the form that is hashed; see the top of this file."""
    values = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    values |= {"number": number, "time": written_time(record.time)}
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def written_time(time: datetime) -> str:
    utc = time.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond:06d}Z"


def hash_of(previous: bytes, number: int, record: Record) -> bytes:
    return hashlib.sha256(previous + canonical(number, record)).digest()


def chained(head: Head, records: Iterable[Record]) -> Iterator[AuditEntry]:
    """Yield the entries of records that follow a head."""
    for record in records:
        number, previous = head.number + 1, head.hash
        head = Head(number, hash_of(previous, number, record))
        yield AuditEntry(number, record, previous, head.hash)


class Verification:
    """Computes a chain anew, entry by entry from the first one on, up to its first problem.

    `noted` is a head that was seen earlier. Only with it can a tail that was cut
    off, or a past that was written anew as a whole, be told.
    """

    def __init__(self, noted: Head | None = None) -> None:
        self._noted = noted
        self._head = Head()
        self._problem: Problem | None = None
        self._unfinished: dict[int, None] = {}

    def add(self, entry: AuditEntry) -> bool:
        """Look at the next entry; return whether all is well so far."""
        if self._problem is None:
            self._problem = _problem(self._head, entry) or _broken_promise(self._noted, entry)
        if self._problem is not None:
            return False
        self._head = Head(entry.number, entry.hash)
        if entry.record.begun:
            self._unfinished.pop(entry.record.begun, None)
        elif not entry.record.outcome:
            self._unfinished[entry.number] = None
        return True

    def verdict(self) -> Verdict:
        """Return what is so if no entry follows."""
        head, noted, problem = self._head, self._noted, self._problem
        if problem is None and noted is not None and head.number < noted.number:
            problem = Problem(
                head.number + 1, f"is missing: there were {noted.number} entries, and the end was cut off"
            )
        return Verdict(head.number, head, tuple(self._unfinished), problem)


def verify(entries: Iterable[AuditEntry], noted: Head | None = None) -> Verdict:
    """Verify a whole log; see `Verification`."""
    verification = Verification(noted)
    for entry in entries:
        if not verification.add(entry):
            break
    return verification.verdict()


def _problem(head: Head, entry: AuditEntry) -> Problem | None:
    expected = head.number + 1
    if entry.number > expected:
        return Problem(expected, f"is missing: {head.number} is followed by {entry.number}")
    if entry.number < expected:
        return Problem(entry.number, f"is there twice or out of its place, after {head.number}")
    if entry.previous_hash != head.hash:
        return Problem(entry.number, "does not follow the entry before it, which was changed or replaced")
    if hash_of(head.hash, entry.number, entry.record) != entry.hash:
        return Problem(entry.number, "was changed: its content does not have its hash")
    return None


def _broken_promise(noted: Head | None, entry: AuditEntry) -> Problem | None:
    if noted is None or entry.number != noted.number or entry.hash == noted.hash:
        return None
    return Problem(entry.number, "is not the entry that was noted: the past was written anew")
