"""`hubwatch level`: set by somebody for a reason, in the journal for ever, and over by itself when it says so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from hubwatch_alarms.service import parts
from hubwatch_alarms.settings import AlarmsSettings
from hubwatch_core.process import Context
from hubwatch_core.process.service import run_parts
from hubwatch_ops.level import app
from hubwatch_store.database import DatabaseSection, connect
from hubwatch_store.site import end_due, set_level
from support.alarms_database import settings_of
from support.eventually import eventually
from support.site_applied import applied

HUB = "rotterdam"
SITE = '[hub]\nid = "rotterdam"\nname = "R"\nmode = "sea"\ntime_zone = "Europe/Amsterdam"\n'


@pytest.fixture
def dsn(migrated_plain_dsn: str) -> str:
    applied(migrated_plain_dsn, SITE)
    return migrated_plain_dsn


@pytest.fixture
def connection(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(dsn, autocommit=True) as made:
        yield made


def hubwatch_level(dsn: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--dsn", dsn])


def said(dsn: str, *arguments: str) -> str:
    result = hubwatch_level(dsn, *arguments)
    assert result.exit_code == 0, result.output
    return result.output


def put(dsn: str, level: int, *more: str) -> str:
    return said(dsn, "set", HUB, str(level), "--by", "kim", "--note", "order of the port", *more)


def standing(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT security_level FROM hubwatch.hubs").fetchone()
    assert row is not None
    return int(row[0])


def journal(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return connection.execute("SELECT former, level, by FROM hubwatch.level_journal ORDER BY id").fetchall()


def test_level_is_set_shown_and_set_back(dsn: str, connection: psycopg.Connection[Any]) -> None:
    assert f"{HUB}: level 1 (normal), as it began" in said(dsn, "show")
    assert put(dsn, 3) == f"hub {HUB} is at level 3 (exceptional); before it was 1\n"
    assert standing(connection) == 3
    put(dsn, 1)
    output = said(dsn, "show", HUB)
    assert "1 to 3, by kim: order of the port" in output
    assert journal(connection) == [(1, 3, "kim"), (3, 1, "kim")]


def test_what_each_level_scales_is_one_table_that_a_hub_may_change(
    dsn: str, connection: psycopg.Connection[Any]
) -> None:
    assert "budget: 1, 2, 4  (false alarms a day that staff accept, times this)" in said(dsn, "show")
    connection.execute("UPDATE hubwatch.level_scales SET value = 3 WHERE what = 'budget' AND level = 2")
    facts = json.loads(said(dsn, "show", "--json"))
    assert facts["scales"]["budget"]["values"] == [1, 3, 4]
    assert set(facts["scales"]) == {"budget", "priority", "routes", "checklist", "clock"}
    assert [each["level"] for each in facts["levels"]] == [1]


def test_end_is_in_the_time_of_the_hub_and_lies_ahead(dsn: str, connection: psycopg.Connection[Any]) -> None:
    assert "until 2099-07-01 20:15 CEST, then at the one before again" in put(dsn, 2, "--until", "2099-07-01T20:15")
    row = connection.execute("SELECT until FROM hubwatch.level_journal").fetchone()
    assert row == (datetime(2099, 7, 1, 18, 15, tzinfo=UTC),)
    over = hubwatch_level(dsn, "set", HUB, "3", "--by", "k", "--note", "n", "--until", "2020-01-01T00:00")
    assert (over.exit_code, standing(connection)) == (2, 2)
    assert "is over already" in over.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["set", "antwerp", "2", "--by", "kim", "--note", "n"], "there is no hub antwerp"),
        (["set", HUB, "2", "--by", " ", "--note", "n"], "give --by and --note"),
        (["set", HUB, "2", "--by", "kim", "--note", "n", "--until", "soon"], "is no moment"),
        (["set", HUB, "4", "--by", "kim", "--note", "n"], "equal to 3"),
        (["show", "antwerp"], "there is no hub antwerp"),
    ],
)
def test_what_cannot_be_is_refused(
    dsn: str, connection: psycopg.Connection[Any], arguments: list[str], words: str
) -> None:
    result = hubwatch_level(dsn, *arguments)
    assert result.exit_code != 0
    assert words in result.output
    assert journal(connection) == []


def test_journal_is_never_changed(dsn: str, connection: psycopg.Connection[Any]) -> None:
    put(dsn, 2)
    with pytest.raises(psycopg.errors.RestrictViolation):
        connection.execute("DELETE FROM hubwatch.level_journal")


def later() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


def is_over(connection: psycopg.Connection[Any], level: int) -> None:
    """Let the time of a level be over, as only a superuser can in a journal."""
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute("UPDATE hubwatch.level_journal SET until = now() WHERE ends IS NULL AND level = %s", [level])


async def test_levels_that_end_uncover_those_beneath_once(dsn: str, connection: psycopg.Connection[Any]) -> None:
    async with await connect(DatabaseSection(dsn=dsn), "test") as link, await connect(
        DatabaseSection(dsn=dsn), "test"
    ) as other:  # fmt: skip
        await set_level(link, HUB, 2, by="kim", note="all week", until=later())
        await set_level(link, HUB, 3, by="li", note="this hour", until=later())
        assert await end_due(link) == []
        is_over(connection, 3)
        await asyncio.gather(end_due(link), end_due(other))
        assert standing(connection) == 2
        is_over(connection, 2)
        assert await end_due(link) == [HUB]
        assert await end_due(link) == []
    assert journal(connection) == [(1, 2, "kim"), (2, 3, "li"), (3, 2, "system"), (2, 1, "system")]


async def test_level_without_an_end_replaces_those_that_have_one(dsn: str, connection: psycopg.Connection[Any]) -> None:
    async with await connect(DatabaseSection(dsn=dsn), "test") as link:
        await set_level(link, HUB, 3, by="kim", note="n", until=later())
        await set_level(link, HUB, 2, by="kim", note="n")
        is_over(connection, 3)
        assert await end_due(link) == []
    assert standing(connection) == 2


async def test_running_alarms_end_a_level_at_its_time(dsn: str, connection: psycopg.Connection[Any]) -> None:
    context, stop = Context.make("test"), asyncio.Event()
    task = asyncio.create_task(run_parts(parts(AlarmsSettings(database=settings_of(dsn)), context), stop))
    try:
        async with await connect(DatabaseSection(dsn=dsn), "test") as link:
            await set_level(link, HUB, 2, by="kim", note="n", until=later())
        assert standing(connection) == 2
        is_over(connection, 2)
        await eventually(lambda: standing(connection) == 1)
    finally:
        stop.set()
        async with asyncio.timeout(60):
            await task
