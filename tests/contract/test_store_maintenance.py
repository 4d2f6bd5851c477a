"""The part that maintains: works beside a collector, stands by for another, stops at once, survives the database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

from hubwatch_core.process import Context, Part
from hubwatch_store.database import DatabaseSection
from hubwatch_store.upkeep import part, service, upkeep
from support.eventually import eventually
from support.kept_database import DAY, NOW, Kept, kept_in
from support.ports import free_port
from support.proxy import Proxy


@pytest.fixture
def kept(migrated_plain_dsn: str) -> Iterator[Kept]:
    with kept_in(migrated_plain_dsn) as kept:
        yield kept


async def ended(running: asyncio.Task[None], stop: asyncio.Event) -> float:
    began = time.monotonic()
    stop.set()
    async with asyncio.timeout(60):
        await running
    return time.monotonic() - began


def started(part: Part) -> tuple[asyncio.Task[None], asyncio.Event]:
    stop = asyncio.Event()

    async def run() -> None:
        await part.run(stop)

    return asyncio.create_task(run()), stop


async def test_it_refreshes_and_deletes_and_counts_it(kept: Kept) -> None:
    kept.readings(kept.sensor("weather-1", "environment"), NOW - 100 * DAY, NOW - DAY)
    context = Context.make("test")
    running, stop = started(part(kept.settings, context))
    await eventually(lambda: context.registry.get_sample_value("hubwatch_store_maintained_time_seconds"))
    await ended(running, stop)
    assert context.registry.get_sample_value("hubwatch_store_deleted_rows_total", {"layer": "raw"}) == 1
    assert kept.ages() == {"weather-1": [1]}
    standing = upkeep(kept.connection)
    assert standing.maintained
    assert standing.behind_s is not None
    assert 60 < standing.behind_s < 300
    assert standing.retention is not None


async def test_a_stop_does_not_wait_for_a_long_statement(kept: Kept) -> None:
    with psycopg.connect(kept.dsn) as other:
        other.execute("LOCK TABLE hubwatch.retention_rule IN ACCESS EXCLUSIVE MODE")
        running, stop = started(part(kept.settings, Context.make("test")))
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hubwatch maintenance' AND"
        await eventually(lambda: kept.one(f"{waiting} wait_event_type = 'Lock'"))
        assert await ended(running, stop) < 20


async def test_a_stop_does_not_wait_for_a_server_that_says_nothing(kept: Kept) -> None:
    """Neither while a statement is under way, nor while connecting."""
    parts = urlsplit(kept.dsn)
    async with Proxy(str(parts.hostname), int(parts.port or 5432)) as proxy:
        host, port = proxy.address
        through = parts._replace(netloc=f"{parts.username}@{host}:{port}").geturl()
        deaf = DatabaseSection(dsn=through, connect_timeout_s=60)
        with psycopg.connect(kept.dsn) as other:
            other.execute("LOCK TABLE hubwatch.retention_rule IN ACCESS EXCLUSIVE MODE")
            running, stop = started(part(deaf, Context.make("test")))
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hubwatch maintenance' AND"
            await eventually(lambda: kept.one(f"{waiting} wait_event_type = 'Lock'"))
            proxy.stall()
            assert await ended(running, stop) < 20
        before = proxy.accepted
        running, stop = started(part(deaf, Context.make("test")))
        await eventually(lambda: proxy.accepted > before)
        assert await ended(running, stop) < 20


async def test_while_another_process_maintains_it_stands_by(kept: Kept) -> None:
    parts = urlsplit(kept.dsn)
    kept.do("SELECT hubwatch.try_lock_maintenance()")
    async with Proxy(str(parts.hostname), int(parts.port or 5432)) as proxy:
        host, port = proxy.address
        watched = DatabaseSection(dsn=parts._replace(netloc=f"{parts.username}@{host}:{port}").geturl())
        running, stop = started(part(watched, Context.make("test")))
        # One connection to see whether the database is there, one to work on; when both are over, so is the try.
        await eventually(lambda: proxy.accepted == 2 and proxy.connections == 0)
        await ended(running, stop)
    assert upkeep(kept.connection).retention is None


async def test_a_database_that_is_away_stops_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = DatabaseSection(dsn=f"postgresql://nobody@127.0.0.1:{free_port()}/x", connect_timeout_s=2)
    said: list[str] = []

    def postponed() -> bool:
        said.append(capsys.readouterr().out)
        return "maintenance postponed" in "".join(said)

    running, stop = started(part(nowhere, Context.make("test")))
    await eventually(postponed)
    assert not running.done()
    await ended(running, stop)


async def test_silent_database_shows_in_health_and_is_worked_on_again(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run is under way when the link goes deaf: nobody answers, nobody closes the session."""
    monkeypatch.setattr(service, "REFRESH_EVERY_S", 0.1)
    context = Context.make("test")
    server = urlsplit(kept.settings.dsn)
    async with Proxy(str(server.hostname), int(server.port or 0)) as proxy:
        dsn = f"postgresql://postgres@127.0.0.1:{proxy.address[1]}{server.path}"
        impatient = DatabaseSection(dsn=dsn, connect_timeout_s=2, statement_timeout_s=1, max_retry_s=0.5)
        running, stop = started(part(impatient, context))
        await eventually(lambda: _check(context)["last_s_ago"] is not None)
        proxy.stall()
        await eventually(lambda: not _check(context)["ok"])
        await proxy.heal()
        await eventually(lambda: _check(context)["ok"])
        await ended(running, stop)


def _check(context: Context) -> dict[str, object]:
    checks = context.health.report()["checks"]
    assert isinstance(checks, dict)
    found: dict[str, object] = checks["maintenance"]
    return found
