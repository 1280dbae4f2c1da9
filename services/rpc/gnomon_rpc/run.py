"""How a service's `__main__` runs: settings, build, serve until a signal."""

import asyncio
import gc
import os
import sys
from collections.abc import Callable
from typing import Protocol, TypeVar

import structlog
from pydantic import ValidationError

from gnomon.errors import GnomonError
from gnomon_rpc import logs
from gnomon_rpc.environment import explain, unknown_variables
from gnomon_rpc.server import ListenError, stop_signal, until_stopped
from gnomon_rpc.settings import ServerSettings, SettingError

log = structlog.get_logger(__name__)

S = TypeVar("S", bound=ServerSettings)


class App(Protocol):
    """A built service. `start` returns once calls are accepted."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


def run(service: str, settings_class: type[S], build: Callable[[S], App]) -> int:
    """Run a service until it is told to stop; return the process's exit status.

    Wrong settings or telemetry, a taken address, a folder that cannot be used, and what `start`
    raises as a GnomonError end with status 2 and a sentence each.
    """
    try:
        settings = settings_class()
    except ValidationError as error:
        prefix = settings_class.model_config.get("env_prefix", "")
        print(f"gnomon {service}: wrong settings\n{explain(error, prefix, settings_class)}", file=sys.stderr)  # noqa: T201
        return 2
    logs.configure(settings.log_level, service)
    for variable, meant in unknown_variables(settings_class, os.environ):
        log.warning("a variable that means nothing here", variable=variable, perhaps_meant=meant)
    try:
        asyncio.run(_serve(build, settings))
    except (ListenError, SettingError, GnomonError) as error:
        print(f"gnomon {service}: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except OSError as error:  # of a folder or file that a setting names
        if error.filename is None:
            raise
        said = f"{error.filename}: {error.strerror}. Give its user the folder, or name another."
        print(f"gnomon {service}: {said}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


async def _serve(build: Callable[[S], App], settings: S) -> None:
    stop = stop_signal()
    app = build(settings)  # within the loop, which grpc's server asks for
    gc.freeze()  # modules stay: to look through them for garbage would stop all calls for 50 ms
    stopped = asyncio.create_task(until_stopped(stop, settings.parent_pid))
    starting = asyncio.create_task(app.start())  # may wait long for what it needs
    try:
        await asyncio.wait((starting, stopped), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            await stopped
    finally:
        starting.cancel()
        stopped.cancel()
        await asyncio.gather(starting, stopped, return_exceptions=True)
        await app.stop()
