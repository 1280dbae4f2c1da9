"""What tests of several parts share."""

import faulthandler
import os
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

_STUCK_S = 120.0  # services that a test started may need some of it to end
_STDERR = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_STDERR] = os.dup(2)  # what a test writes is captured from then on


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """End the process, with the stacks of its threads, by a test that its timeout could not end.

    A timeout is an exception in the main thread. It never comes if a library keeps
    Python's lock, and after it the test's other threads are waited for without end.
    """
    marked = item.get_closest_marker("timeout")
    limit_s = marked.args[0] if marked else item.config.getoption("timeout") or item.config.getini("timeout")
    _end_process_after(float(limit_s) + _STUCK_S, item)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(trylast=True)
def pytest_exception_interact(node: pytest.Item | pytest.Collector) -> None:
    _end_process_after(_STUCK_S, node)  # pytest has cancelled it, for those who would look at the failure


def _end_process_after(seconds: float, node: pytest.Item | pytest.Collector) -> None:
    faulthandler.dump_traceback_later(seconds, exit=True, file=node.config.stash[_STDERR])


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
