"""What tests of several parts share."""

import faulthandler
import os
import sys
import threading
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

from tests import postgres
from tests.postgres import PostgresServer

# Services that a test runs in this process log to pytest, not into what a command prints.
# Without what exceptions held: secrets of a test are looked for in what was logged.
structlog.configure(
    processors=[structlog.stdlib.add_log_level, structlog.processors.KeyValueRenderer()],
    logger_factory=structlog.stdlib.LoggerFactory(),
)

# The same examples on every machine, however slow. `--hypothesis-profile default` looks for others.
settings.load_profile("ci")

_STUCK_S = 60.0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """End the session, with the stacks of its threads, by a test that its timeout could not end.

    A timeout is an exception in the main thread, which then waits for the test's other threads, without end.
    """
    marked = item.get_closest_marker("timeout")
    limit_s = marked.args[0] if marked else item.config.getoption("timeout") or item.config.getini("timeout")

    def give_up() -> None:
        item.config.pluginmanager.get_plugin("capturemanager").suspend_global_capture()
        print(f"\nStuck: {item.nodeid}", file=sys.__stderr__, flush=True)
        faulthandler.dump_traceback(sys.__stderr__)
        os._exit(1)

    watchdog = threading.Timer(float(limit_s) + _STUCK_S, give_up)
    watchdog.daemon = True
    watchdog.start()
    try:
        return (yield)
    finally:
        watchdog.cancel()


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The URL of a server that speaks as S3 does."""
    from tests.s3 import s3_server  # takes a second to import, which most tests do without

    with s3_server() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server for all tests of the session that ask for one."""
    programs = postgres.binaries()
    if programs is None:
        reason = "no PostgreSQL was found: install it, or set PG_BIN to the folder of initdb and postgres"
        if os.environ.get("GNOMON_REQUIRE_POSTGRES") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    server = PostgresServer(programs)
    server.start()
    yield server
    server.stop()
