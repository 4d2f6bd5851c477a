"""Fixtures: an empty database per test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hubwatch_ops.embedded import running_postgres
from support import services
from support.databases import fresh_database
from support.ports import free_port


@pytest.fixture(scope="session")
def timescale_server() -> str:
    """DSN of the TimescaleDB server's maintenance database."""
    return services.timescale_server()


@pytest.fixture(scope="session")
def plain_server() -> Iterator[str]:
    """DSN of a plain PostgreSQL server's maintenance database, over TCP so that a proxy can stand before it."""
    with running_postgres(port=free_port()) as dsn:
        yield dsn


@pytest.fixture
def timescale_dsn(timescale_server: str) -> Iterator[str]:
    """DSN of an empty database on TimescaleDB (extension available, not yet created)."""
    with fresh_database(timescale_server) as dsn:
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
