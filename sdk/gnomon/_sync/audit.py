# Made from gnomon/_async/audit.py by tools/unasync.py. Do not edit.

"""`client.audit`."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from gnomon._requests import refused
from gnomon._sync.connection import Connection
from gnomon.audit import AuditEntry, Head, Verdict, Verification
from gnomon.audit_messages import entry_of, time_message
from gnomon.v1 import audit_service_pb2 as pb

_METHOD = "gnomon.v1.AuditService/ListAuditEntries"
_PAGE = 1000


class Audit:
    """Who changed what: the logs of the registry and of the trainer, each about its own calls.

    Entries are in a chain of hashes, which `verify` computes anew, here.
    """

    services = ("registry", "trainer")

    def __init__(self, connections: Mapping[str, Connection]) -> None:
        self._connections = connections

    def list(
        self,
        service: str = "registry",
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        caller: str = "",
        method: str = "",
        resource_prefix: str = "",
        newest_first: bool = False,
    ) -> Iterator[AuditEntry]:
        """Yield the entries of a service, oldest first; what is not given restricts nothing.

        `start` is inclusive, `end` is not; both need a zone. `method` is a whole
        name, or what stands after its slash, such as `SetAlias`.

        Raises:
            InvalidRequestError: there is no such service, or a time has no zone.
        """
        for field, time in (("start", start), ("end", end)):
            if time is not None and time.tzinfo is None:
                raise refused(field, "needs a time zone")
        request = pb.ListAuditEntriesRequest(
            page_size=_PAGE,
            start_time=None if start is None else time_message(start),
            end_time=None if end is None else time_message(end),
            caller=caller,
            method=method,
            resource_prefix=resource_prefix,
            newest_first=newest_first,
        )
        pages = self._of(service).pages(_METHOD, request, pb.ListAuditEntriesResponse)
        for page in pages:
            for message in page.entries:
                yield entry_of(message)

    def verify(self, service: str = "registry", noted: Head | None = None) -> Verdict:
        """Read a whole log and compute its chain anew, up to its first problem.

        `noted` is the head of an earlier verdict: only by it can a tail that was
        cut off, or a past that was written anew as a whole, be told.
        """
        verification = Verification(noted)
        for entry in self.list(service):
            if not verification.add(entry):
                break
        return verification.verdict()

    def _of(self, service: str) -> Connection:
        if service not in self._connections:
            raise refused("service", f"is {service[:40]!r}; there are: {', '.join(self._connections)}")
        return self._connections[service]
