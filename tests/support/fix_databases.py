"""Fixtures: an empty database per test."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from hubwatch_ops.embedded import running_postgres
from hubwatch_ops.embedded.wheel import OLDEST
from support import services
from support.databases import fresh_database, migrated_template
from support.memory_disk import memory_disk
from support.ports import free_port

HASTY = {"fsync": "off", "full_page_writes": "off", "min_wal_size": "32MB", "max_wal_size": "256MB"}
"""Halves the time a test's own database takes, and little memory. What was committed still survives the server's
kill -9, only not a power cut; benchmarks run on servers without this."""
IN_MEMORY = "in_memory"
"""Tablespace that `make services` makes on TimescaleDB."""


@pytest.fixture(scope="session")
def timescale_server() -> str:
    """DSN of the TimescaleDB server's maintenance database."""
    return services.timescale_server()


@pytest.fixture(scope="session")
def timescale_tablespace(timescale_server: str) -> str:
    """Where on TimescaleDB the tests' databases are: in memory, unless its services were started before it had that."""
    with psycopg.connect(timescale_server) as connection:
        found = connection.execute("SELECT FROM pg_tablespace WHERE spcname = %s", [IN_MEMORY]).fetchone()
    return "pg_default" if found is None else IN_MEMORY


@pytest.fixture(scope="session")
def plain_server() -> Iterator[str]:
    """DSN of a plain PostgreSQL server's maintenance database, over TCP so that a proxy can stand before it."""
    with running_postgres(free_port(), settings=HASTY, below=memory_disk()) as dsn:
        yield dsn


@pytest.fixture(scope="session")
def oldest_server() -> Iterator[str]:
    """DSN of a server of the oldest PostgreSQL the wheel brings (16), for tests of the schema."""
    with running_postgres(free_port(), version=OLDEST, settings=HASTY, below=memory_disk()) as dsn:
        yield dsn


@pytest.fixture
def oldest_dsn(oldest_server: str) -> Iterator[str]:
    """DSN of an empty database on the oldest plain PostgreSQL at hand (16)."""
    with fresh_database(oldest_server) as dsn:
        yield dsn


@pytest.fixture
def timescale_dsn(timescale_server: str, timescale_tablespace: str) -> Iterator[str]:
    """DSN of an empty database on TimescaleDB (extension available, not yet created)."""
    with fresh_database(timescale_server, tablespace=timescale_tablespace) as dsn:
        yield dsn


@pytest.fixture
def plain_dsn(plain_server: str) -> Iterator[str]:
    """DSN of an empty database on plain PostgreSQL."""
    with fresh_database(plain_server) as dsn:
        yield dsn


@pytest.fixture(params=["timescale", "plain"])
def database(request: pytest.FixtureRequest) -> str:
    """DSN of an empty database, once on TimescaleDB and once on plain PostgreSQL."""
    dsn: str = request.getfixturevalue(f"{request.param}_dsn")
    return dsn


@pytest.fixture(scope="session")
def timescale_template(timescale_server: str, timescale_tablespace: str) -> Iterator[str]:
    """Name of a migrated database on TimescaleDB to copy."""
    with migrated_template(timescale_server, timescale_tablespace) as name:
        yield name


@pytest.fixture(scope="session")
def plain_template(plain_server: str) -> Iterator[str]:
    """Name of a migrated database on plain PostgreSQL to copy."""
    with migrated_template(plain_server) as name:
        yield name


@pytest.fixture
def migrated_timescale_dsn(timescale_server: str, timescale_template: str, timescale_tablespace: str) -> Iterator[str]:
    """DSN of a migrated database without rows, on TimescaleDB."""
    with fresh_database(timescale_server, timescale_template, timescale_tablespace) as dsn:
        yield dsn


@pytest.fixture
def migrated_plain_dsn(plain_server: str, plain_template: str) -> Iterator[str]:
    """DSN of a migrated database without rows, on plain PostgreSQL."""
    with fresh_database(plain_server, plain_template) as dsn:
        yield dsn


@pytest.fixture(params=["timescale", "plain"])
def migrated_database(request: pytest.FixtureRequest) -> str:
    """DSN of a migrated database without rows, once on TimescaleDB and once on plain PostgreSQL."""
    dsn: str = request.getfixturevalue(f"migrated_{request.param}_dsn")
    return dsn
