"""The schema belongs to a role that may do nothing else: no superuser anywhere in a hub."""

from __future__ import annotations

from collections.abc import Iterator
from secrets import token_hex

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from hubwatch_store.database import DatabaseSection, connect_sync, detect, migrate, standing
from hubwatch_store.ingest import Writer
from hubwatch_store.upkeep import maintain
from support.store_examples import frame, offer


@pytest.fixture
def owner(database: str) -> Iterator[DatabaseSection]:
    """Return settings of an ordinary role that owns the empty database."""
    name = f"owner_{token_hex(4)}"
    role, where = sql.Identifier(name), sql.Identifier(str(conninfo_to_dict(database)["dbname"]))
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(where, role))
    yield DatabaseSection(dsn=make_conninfo(database, user=name))
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(role))
        connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
        connection.execute(sql.SQL("DROP ROLE {}").format(role))


async def test_ordinary_owner_migrates_writes_and_maintains(owner: DatabaseSection, timescale_dsn: str) -> None:
    on_timescale = conninfo_to_dict(owner.dsn).get("port") == conninfo_to_dict(timescale_dsn).get("port")
    assert migrate(owner)
    with connect_sync(owner) as connection:
        assert not standing(connection).pending
        assert (detect(connection).timescaledb is not None) == on_timescale
    writer = Writer(owner)
    try:
        await writer.write([offer(frame(1))])
    finally:
        await writer.close()
    assert maintain(owner) is not None
