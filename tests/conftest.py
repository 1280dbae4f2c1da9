"""What tests of several parts share."""

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
