"""A hub with its console: `dsn` its database, `hands` on it, and `api` a running console over it.

A test file that needs another hub, or another console, has a fixture of that name of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from support.alarms_database import Hands, hands_on
from support.console_hub import hub_there
from support.console_running import Client, running_api


@pytest.fixture
def dsn(migrated_plain_dsn: str) -> str:
    """Return a database with the site of a hub, its agents and its sensors."""
    hub_there(migrated_plain_dsn)
    return migrated_plain_dsn


@pytest.fixture
def hands(dsn: str) -> Iterator[Hands]:
    """Return hands on the database."""
    with hands_on(dsn) as made:
        yield made


@pytest.fixture
async def api(dsn: str) -> AsyncIterator[Client]:
    """Return a client of a console over the database."""
    async with running_api(dsn) as client:
        yield client
