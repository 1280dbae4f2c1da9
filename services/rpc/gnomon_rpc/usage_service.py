"""`gnomon.v1.UsageService`: every service that keeps something for its callers serves its own."""

# ruff: noqa: ARG002, N802  RPCs have the proto's names and gRPC's parameters

from typing import Any, Protocol

from gnomon.names import ApiKeyName
from gnomon.quotas import Usage
from gnomon.threads import in_thread
from gnomon.v1 import usage_service_pb2 as rpc
from gnomon.v1 import usage_service_pb2_grpc
from gnomon_rpc.server import Service

FULL_NAME = "gnomon.v1.UsageService"


class UsageSource(Protocol):
    """Knows what keys use."""

    def of(self, key: ApiKeyName) -> Usage:
        """Return what a key uses now; nothing if it is not known. Called in threads."""
        ...


class UsageServicer(usage_service_pb2_grpc.UsageServiceServicer):
    """Implements `gnomon.v1.UsageService`."""

    def __init__(self, source: UsageSource) -> None:
        self._source = source

    async def GetUsage(self, request: rpc.GetUsageRequest, context: Any) -> rpc.Usage:
        found = await in_thread(self._source.of, ApiKeyName.parse(request.name))
        return rpc.Usage(storage_bytes=found.storage_bytes, training_hours=found.training_hours)


def service(source: UsageSource) -> Service:
    add = usage_service_pb2_grpc.add_UsageServiceServicer_to_server
    return Service(FULL_NAME, add, UsageServicer(source))
