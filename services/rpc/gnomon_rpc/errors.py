"""What a handler raises becomes a `google.rpc.Status`. Nothing else does this."""

import asyncio
from typing import Any, NoReturn

import grpc
import structlog
from grpc_status import rpc_status

from gnomon.errors import GnomonError, InternalError, StorageFullError
from gnomon.folders import is_full
from gnomon.status import to_status

log = structlog.get_logger(__name__)

# With these the caller has left, or the process ends. What else is no Exception, such as a panic of a
# library in Rust, is a defect: of one that nobody tells, the caller would hear at its deadline.
_NOBODY_WAITS = (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit)


async def abort(context: Any, error: GnomonError) -> NoReturn:
    """End the call with the error; a client told to wait is also told so in gRPC's own way."""
    status = rpc_status.to_status(to_status(error))
    if error.retry_after_s is not None:
        pushback = (("grpc-retry-pushback-ms", str(int(error.retry_after_s * 1000))),)
        context.set_trailing_metadata(pushback)
        status = status._replace(trailing_metadata=(*status.trailing_metadata, *pushback))
    await context.abort_with_status(status)
    raise AssertionError("abort_with_status always raises")


async def tell(error: BaseException, context: Any, method: str) -> None:
    """End a call as an error wants it.

    Only GnomonErrors reach the caller in words; the rest is logged and hidden.
    Returns where nothing is to be told: the status is set already, or nobody waits for one.

    Raises:
        AbortError: gRPC's way of ending a call.
    """
    if isinstance(error, GnomonError):
        await abort(context, error)
    if isinstance(error, (grpc.aio.AbortError, NotImplementedError, *_NOBODY_WAITS)):
        return
    if is_full(error):
        log.error("the disk is full", method=method)
        await abort(context, StorageFullError("The service's disk is full; nothing was stored."))
    await _hide(context, method)


async def _hide(context: Any, method: str) -> NoReturn:
    log.exception("a call failed", method=method)
    await abort(context, InternalError("The service has a defect; its log has the details."))
