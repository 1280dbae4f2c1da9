"""What a handler raises becomes a `google.rpc.Status`. Nothing else does this."""

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator
from typing import Any, NoReturn

import grpc
import structlog
from grpc_status import rpc_status

from gnomon.errors import GnomonError, InternalError, StorageFullError
from gnomon.status import to_status

log = structlog.get_logger(__name__)


async def abort(context: Any, error: GnomonError) -> NoReturn:
    """End the call with the error; a client told to wait is also told so in gRPC's own way."""
    status = rpc_status.to_status(to_status(error))
    if error.retry_after_s is not None:
        pushback = (("grpc-retry-pushback-ms", str(int(error.retry_after_s * 1000))),)
        context.set_trailing_metadata(pushback)
        status = status._replace(trailing_metadata=(*status.trailing_metadata, *pushback))
    await context.abort_with_status(status)
    raise AssertionError("abort_with_status always raises")


@contextlib.asynccontextmanager
async def errors_become_statuses(context: Any, method: str) -> AsyncIterator[None]:
    """Only GnomonErrors reach the caller in words; the rest is logged and hidden."""
    try:
        yield
    except GnomonError as error:
        await abort(context, error)
    except (grpc.aio.AbortError, NotImplementedError, asyncio.CancelledError):
        raise  # the status is set already, or nobody waits for one
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            await _hide(context, method)
        log.error("the disk is full", method=method)
        await abort(context, StorageFullError("The service's disk is full; nothing was stored."))
    except Exception:
        await _hide(context, method)


async def _hide(context: Any, method: str) -> NoReturn:
    log.exception("a call failed", method=method)
    await abort(context, InternalError("The service has a defect; its log has the details."))
