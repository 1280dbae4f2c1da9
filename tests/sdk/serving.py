"""The three services' wire around methods that a test scripts, and both clients behind one face."""

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
from google.longrunning import operations_grpc_pb2 as operations

from gnomon import AsyncClient, Client
from gnomon.v1 import access_service_pb2_grpc as access
from gnomon.v1 import registry_service_pb2_grpc as registry
from gnomon.v1 import scorer_service_pb2_grpc as scorer
from gnomon.v1 import trainer_service_pb2_grpc as trainer
from gnomon_rpc.server import Server, Service
from gnomon_rpc.settings import ServerSettings

_SERVICES: list[tuple[str, Any, Any]] = [
    ("gnomon.v1.RegistryService", registry, "RegistryService"),
    ("gnomon.v1.AccessService", access, "AccessService"),
    ("gnomon.v1.TrainerService", trainer, "TrainerService"),
    ("gnomon.v1.ScorerService", scorer, "ScorerService"),
    ("google.longrunning.Operations", operations, "Operations"),
]


@contextlib.asynccontextmanager
async def serving(listen: str = "127.0.0.1:0", **methods: Callable[..., Any]) -> AsyncIterator[str]:
    """Serve the methods, of whichever services they are; yield the address."""
    settings = ServerSettings(listen=listen, grace_s=0.1, max_message_bytes=2 * 1024 * 1024)
    services = []
    for full_name, module, name in _SERVICES:
        base = getattr(module, f"{name}Servicer")
        servicer = base()
        for method, behaviour in methods.items():
            if hasattr(base, method):
                setattr(servicer, method, behaviour)
        add = getattr(module, f"add_{name}Servicer_to_server")
        services.append(Service(full_name, add, servicer))
    server = Server(settings, services)
    await server.start()
    try:
        yield server.address
    finally:
        await server.stop()


def connected(kind: str, address: str, timeout_s: float = 10.0, **options: Any) -> Any:
    """Return a client of all three services at one address, to be awaited whichever kind it is."""
    addresses: dict[str, Any] = dict.fromkeys(("registry", "trainer", "scorer"), address)
    if kind == "async":
        return AsyncClient(**addresses, timeout_s=timeout_s, **options)
    return Awaited(Client(**addresses, timeout_s=timeout_s, **options))


class Awaited:
    """A synchronous client with the face of the asynchronous one; it works in threads."""

    def __init__(self, target: Any) -> None:
        self._target = target

    async def __aenter__(self) -> "Awaited":
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._target.close)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if inspect.isgeneratorfunction(value):
            return lambda *args, **kwargs: _in_thread(value(*args, **kwargs))
        if inspect.ismethod(value):
            return lambda *args, **kwargs: _call(value, *args, **kwargs)
        return _wrapped(value)


def _wrapped(value: Any) -> Any:
    return Awaited(value) if type(value).__module__.startswith("gnomon._sync") else value


async def _call(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return _wrapped(await asyncio.to_thread(method, *args, **kwargs))


async def _in_thread(items: Iterator[Any]) -> AsyncIterator[Any]:
    end = object()
    try:
        while (item := await asyncio.to_thread(next, items, end)) is not end:
            yield item
    finally:
        await asyncio.to_thread(items.close)  # type: ignore[attr-defined]


class Failing:
    """A method that fails as it is told, call by call, then does what it is for.

    A failure is a GnomonError to raise, or a bare gRPC status code.
    """

    def __init__(self, *failures: BaseException | grpc.StatusCode, then: Callable[[Any], Any]) -> None:
        self._failures = list(failures)
        self._then = then
        self.requests: list[Any] = []

    async def __call__(self, request: Any, context: Any) -> Any:
        self.requests.append(request)
        if self._failures:
            failure = self._failures.pop(0)
            if isinstance(failure, grpc.StatusCode):
                await context.abort(failure, "as the test wants it")
            else:
                raise failure
        return self._then(request)


def names(folder: Path) -> list[str]:
    """Return what lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


async def collected(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]
