"""Between entries of the audit log and their messages. Times are exact to the microsecond."""

from datetime import UTC, datetime, timedelta

from google.protobuf import timestamp_pb2

from gnomon.audit import AuditEntry, Record
from gnomon.v1 import audit_service_pb2 as pb

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def entry_message(entry: AuditEntry) -> pb.AuditEntry:
    record = entry.record
    return pb.AuditEntry(
        number=entry.number,
        time=time_message(record.time),
        caller=record.caller,
        project=record.project,
        method=record.method,
        resource=record.resource,
        call_id=record.call_id,
        begun=record.begun,
        outcome=record.outcome,
        reason=record.reason,
        count=record.count,
        previous_hash=entry.previous_hash,
        hash=entry.hash,
    )


def entry_of(message: pb.AuditEntry) -> AuditEntry:
    record = Record(
        time=time_of(message.time),
        caller=message.caller,
        project=message.project,
        method=message.method,
        resource=message.resource,
        call_id=message.call_id,
        begun=message.begun,
        outcome=message.outcome,
        reason=message.reason,
        count=message.count,
    )
    return AuditEntry(message.number, record, message.previous_hash, message.hash)


def time_message(time: datetime) -> timestamp_pb2.Timestamp:
    since = time - _EPOCH
    seconds, microseconds = since.days * 86_400 + since.seconds, since.microseconds
    return timestamp_pb2.Timestamp(seconds=seconds, nanos=microseconds * 1000)


def time_of(message: timestamp_pb2.Timestamp) -> datetime:
    return _EPOCH + timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)
