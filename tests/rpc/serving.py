"""A real server around a servicer that a test scripts."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from grpc_status import rpc_status

from gnomon.status import from_status
from gnomon.v1 import registry_service_pb2_grpc as registry
from gnomon_rpc.server import Server, Service
from gnomon_rpc.settings import ServerSettings

NAME = "gnomon.v1.RegistryService"


class Scripted(registry.RegistryServiceServicer):
    """Every method that a test does not give stays unimplemented."""

    def __init__(self, **methods: Callable[..., Any]) -> None:
        for name, method in methods.items():
            setattr(self, name, method)


@contextlib.asynccontextmanager
async def serving(**methods: Callable[..., Any]) -> AsyncIterator[Any]:
    """Serve the methods; yield a stub of them."""
    settings = ServerSettings(listen="127.0.0.1:0", grace_s=0.1, max_message_bytes=64 * 1024)
    add = registry.add_RegistryServiceServicer_to_server
    server = Server(settings, [Service(NAME, add, Scripted(**methods))])
    await server.start()
    try:
        async with grpc.aio.insecure_channel(server.address) as channel:
            yield registry.RegistryServiceStub(channel)
    finally:
        await server.stop()


async def refused(call: Any) -> tuple[grpc.StatusCode, Any]:
    """Return the code and the GnomonError of a call that must fail."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        status = rpc_status.from_call(error)
        return error.code(), from_status(status) if status else error
    raise AssertionError("the call did not fail")
