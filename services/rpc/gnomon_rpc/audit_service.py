"""`gnomon.v1.AuditService`: every service that has an audit log serves its own."""

# ruff: noqa: ARG002, N802  RPCs have the proto's names and gRPC's parameters

from typing import Any

from gnomon.audit import Query
from gnomon.audit_messages import entry_message, time_of
from gnomon.errors import InvalidRequestError, Violation
from gnomon.threads import in_thread
from gnomon.v1 import audit_service_pb2 as rpc
from gnomon.v1 import audit_service_pb2_grpc
from gnomon_rpc import pages
from gnomon_rpc.audit import AuditLog
from gnomon_rpc.audit_writer import AuditWriter
from gnomon_rpc.server import Service

FULL_NAME = "gnomon.v1.AuditService"


class AuditServicer(audit_service_pb2_grpc.AuditServiceServicer):
    """Reads the log. What this process has still to write is written before."""

    def __init__(self, audit_log: AuditLog, writer: AuditWriter) -> None:
        self._log = audit_log
        self._writer = writer

    async def ListAuditEntries(
        self, request: rpc.ListAuditEntriesRequest, context: Any
    ) -> rpc.ListAuditEntriesResponse:
        size = pages.page_size(request.page_size)
        after = _number(pages.read_token(request))
        await self._writer.flush()
        found = await in_thread(self._log.entries, _query(request), after, size + 1)
        last = str(found[size - 1].number) if len(found) > size else None
        return rpc.ListAuditEntriesResponse(
            entries=map(entry_message, found[:size]), next_page_token=pages.make_token(request, last)
        )


def service(audit_log: AuditLog, writer: AuditWriter) -> Service:
    add = audit_service_pb2_grpc.add_AuditServiceServicer_to_server
    return Service(FULL_NAME, add, AuditServicer(audit_log, writer))


def _query(request: rpc.ListAuditEntriesRequest) -> Query:
    try:
        return Query(
            start=time_of(request.start_time) if request.HasField("start_time") else None,
            end=time_of(request.end_time) if request.HasField("end_time") else None,
            caller=request.caller,
            method=request.method,
            resource_prefix=request.resource_prefix,
            newest_first=request.newest_first,
        )
    except OverflowError as error:
        why = "must be within the years 1 to 9999"
        raise InvalidRequestError(
            f"start_time and end_time {why}.", violations=[Violation("start_time", why)]
        ) from error


def _number(key: str | None) -> int | None:
    if key is None:
        return None
    if not key.isdecimal() or len(key) > 18:
        why = "is not one that this service gave"
        raise InvalidRequestError(f"The page_token {why}.", violations=[Violation("page_token", why)])
    return int(key)
