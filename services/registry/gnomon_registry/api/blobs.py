"""The RPCs of blobs."""

# ruff: noqa: ARG002, N802  RPCs have the proto's names and gRPC's parameters

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from gnomon.errors import InvalidRequestError, Violation
from gnomon.threads import in_thread
from gnomon.v1 import registry_service_pb2 as rpc
from gnomon_registry.domain.blobs import Blobs
from gnomon_registry.domain.stored import StoredBytes
from gnomon_rpc import caller


class BlobRpcs:
    blobs: Blobs
    stored: StoredBytes
    checks: asyncio.Semaphore

    async def FindMissingBlobs(
        self, request: rpc.FindMissingBlobsRequest, context: Any
    ) -> rpc.FindMissingBlobsResponse:
        async with self.checks:
            missing = await in_thread(self.blobs.missing, list(request.sha256))
        return rpc.FindMissingBlobsResponse(missing_sha256=missing)

    async def UploadBlob(
        self, requests: AsyncIterator[rpc.UploadBlobRequest], context: Any
    ) -> rpc.UploadBlobResponse:
        first = await anext(requests, None)
        if first is None:
            raise InvalidRequestError(
                "The upload is empty. Send sha256 and size_bytes in a first message.",
                violations=[Violation("sha256", "must be set in the first message")],
            )
        upload = self.blobs.upload(first.sha256, first.size_bytes)  # touches nothing yet
        who = caller.current()
        await in_thread(self.stored.check_room, first.sha256, first.size_bytes, who.name, who.quotas)
        try:
            await in_thread(upload.write, first.content)
            async for request in requests:
                await in_thread(upload.write, request.content)
            if who.is_local:
                await in_thread(upload.finish)
            else:
                await in_thread(self.stored.put, upload, first.sha256, first.size_bytes, who.name, who.quotas)
        finally:
            await in_thread(upload.abort)  # after an error, or when the caller has left
        return rpc.UploadBlobResponse(sha256=first.sha256)

    async def DownloadBlob(
        self, request: rpc.DownloadBlobRequest, context: Any
    ) -> AsyncIterator[rpc.DownloadBlobResponse]:
        download = await in_thread(self.blobs.download, request.sha256)
        try:
            while content := await in_thread(download.read):
                yield rpc.DownloadBlobResponse(content=content)
        finally:
            await in_thread(download.close)
