"""Sessions with the database: every wait ends, what only a new connection cures gets one, no pooler is between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Literal

import psycopg
import pytest

from hubwatch_core.errors import HubwatchError, Permanent, Transient
from hubwatch_store.alarms import alarms
from hubwatch_store.database import (
    DatabaseLoginRefused,
    DatabaseSection,
    Pool,
    check_schema,
    connect,
    connect_sync,
    listen,
    open_pool,
    translated,
)
from hubwatch_store.ingest import Writer
from support.eventually import eventually
from support.own_pgbouncer import pooled
from support.own_postgres import OwnPostgres
from support.proxy import Proxy

LIMIT_S = 2
SOON_S = 15.0
"""Longer than any wait here may take, and far shorter than for ever."""


async def _one(pool: Pool, statement: str = "SELECT pg_backend_pid()") -> object:
    with translated():
        async with pool.connection() as connection:
            row = await (await connection.execute(statement.encode())).fetchone()
    assert row is not None
    return row[0]


class Link:
    """A database behind a proxy that goes deaf while it still acknowledges."""

    def __init__(self, proxy: Proxy, dsn: str) -> None:
        self.proxy, self.direct = proxy, dsn
        host, port = proxy.address
        path = dsn.rsplit("/", 1)[1]
        self.settings = DatabaseSection(
            dsn=f"postgresql://postgres@{host}:{port}/{path}", statement_timeout_s=LIMIT_S, connect_timeout_s=2
        )


@pytest.fixture
async def link(migrated_plain_dsn: str) -> AsyncIterator[Link]:
    port = int(migrated_plain_dsn.rsplit(":", 1)[1].split("/", maxsplit=1)[0])
    async with Proxy("127.0.0.1", port) as proxy:
        yield Link(proxy, migrated_plain_dsn)


async def _ends(work: Awaitable[object]) -> float:
    """Return how long `work` took to fail Transient."""
    began = time.monotonic()
    async with asyncio.timeout(SOON_S):
        with pytest.raises(Transient):
            await work
    return time.monotonic() - began


async def test_idle_session_of_a_pool_that_is_silent_is_replaced(link: Link) -> None:
    async with open_pool(link.settings) as pool:
        first = await _one(pool)
        link.proxy.stall()
        await _ends(_one(pool))
        await link.proxy.heal()
        assert await _one(pool) != first


async def test_statement_of_a_pool_that_gets_no_answer_ends_and_the_session_is_closed(link: Link) -> None:
    async with open_pool(link.settings) as pool:
        with pytest.raises(Transient, match="no answer within 3 s, session closed"):
            await _one_over_a_link_that_stalls(pool, link)
        await link.proxy.heal()
        assert await _one(pool)


async def _one_over_a_link_that_stalls(pool: Pool, link: Link) -> None:
    async with asyncio.timeout(SOON_S), pool.connection() as connection:
        link.proxy.stall("down")
        try:
            with translated():
                await connection.execute("SELECT 1")
        finally:
            assert connection.closed


async def test_session_that_was_given_up_keeps_its_locks_only_until_the_next_connects(link: Link) -> None:
    async with open_pool(link.settings) as pool:

        async def lock_and_lose_the_link() -> None:
            async with alarms.moving(pool) as connection:
                assert await alarms.list_alarms(connection, hub=None, closed=False, most=1) == []
                link.proxy.half_open()
                await alarms.list_alarms(connection, hub=None, closed=False, most=1)

        with pytest.raises(Transient):
            await lock_and_lose_the_link()

        async with asyncio.timeout(SOON_S), alarms.moving(pool) as connection:
            assert await alarms.list_alarms(connection, hub=None, closed=False, most=1) == []


async def test_server_counts_the_silence_of_a_client_that_holds_a_lock(migrated_plain_dsn: str) -> None:
    async with (
        open_pool(DatabaseSection(dsn=migrated_plain_dsn)) as pool,
        alarms.moving(pool) as connection,
    ):
        await alarms.list_alarms(connection, hub=None, closed=False, most=1)
        with psycopg.connect(migrated_plain_dsn) as other:
            states = other.execute("SELECT state FROM pg_stat_activity WHERE pid = %s", [connection.info.backend_pid])
            assert states.fetchall() == [("idle in transaction",)]


async def test_session_that_was_given_up_is_ended_by_each_kind_of_connection(link: Link) -> None:
    for ending in (_by_pool, _by_thread):
        async with open_pool(link.settings, "left behind") as pool:
            with pytest.raises(Transient):
                await _one_over_a_link_that_stalls_half_open(pool, link)
        await ending(link.settings)
        await eventually(lambda: _sessions(link.direct, "left behind") == 0, SOON_S)


async def _one_over_a_link_that_stalls_half_open(pool: Pool, link: Link) -> None:
    with translated():
        async with pool.connection() as connection:
            link.proxy.half_open()
            await connection.execute("SELECT 1")


def _sessions(dsn: str, name: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [name]).fetchone()
    assert row is not None
    return int(row[0])


async def test_writer_that_gets_no_answer_fails_and_works_again(link: Link) -> None:
    writer = Writer(link.settings)
    await writer.write([])
    link.proxy.stall()
    await _ends(writer.write([]))
    await link.proxy.heal()
    await writer.write([])
    await writer.close()


async def test_listener_that_hears_nothing_of_a_silent_server_fails(link: Link) -> None:
    heard = listen(link.settings, ["hubwatch_alarms"])
    try:
        assert await anext(heard) == ""
        link.proxy.stall()
        await _ends(_exhaust(heard))
    finally:
        await heard.aclose()


async def _exhaust(heard: AsyncIterator[str]) -> None:
    async for _ in heard:
        pass


async def test_connecting_to_a_silent_server_ends(link: Link) -> None:
    link.proxy.stall()
    await _ends(connect(link.settings))
    async with asyncio.timeout(SOON_S):
        await asyncio.to_thread(check_schema, link.settings)  # away is no fault yet


async def test_long_statement_of_a_command_goes_on_as_long_as_the_server_works_on_it(link: Link) -> None:
    def work() -> object:
        with connect_sync(link.settings) as connection:
            connection.execute("SET statement_timeout = 0")
            return connection.execute(f"SELECT pg_sleep({LIMIT_S * 2}), 7").fetchone()

    assert await asyncio.to_thread(work) == ("", 7)


async def test_long_statement_of_a_command_ends_when_nobody_works_on_it(link: Link) -> None:
    def work() -> None:
        with connect_sync(link.settings) as connection, translated():
            connection.execute("SET statement_timeout = 0")
            connection.execute("SELECT pg_sleep(3600)")

    working = asyncio.create_task(asyncio.to_thread(work))
    await eventually(lambda: link.proxy.connections == 1 and link.proxy.flows["down"].passed_bytes > 0)
    await asyncio.sleep(0.5)
    link.proxy.stall()
    await _ends(working)


SOUND = ("22003", "23505", "40001", "40P01", "54000", "55P03", "57014")
DOUBTED = ("08006", "25006", "25P03", "25P04", "26000", "42P05", "53300", "57P01", "57P02", "57P03", "57P05", "28P01",
           "58030", "XX000", "0A000", "42P01")  # fmt: skip


@pytest.mark.parametrize("state", [*SOUND, *DOUBTED])
async def test_what_only_a_new_connection_cures_gets_one(plain_dsn: str, state: str) -> None:
    async with open_pool(DatabaseSection(dsn=plain_dsn)) as pool:
        first = await _one(pool)
        with pytest.raises(HubwatchError):
            await _one(pool, f"DO $$ BEGIN RAISE SQLSTATE '{state}'; END $$")
        assert (await _one(pool) == first) is (state in SOUND)


async def test_session_that_was_ended_by_the_server_costs_one_step(plain_dsn: str) -> None:
    async with open_pool(DatabaseSection(dsn=plain_dsn)) as pool:
        pid = await _one(pool)
        with psycopg.connect(plain_dsn, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [pid])
            await eventually(lambda: not other.execute("SELECT FROM pg_stat_activity WHERE pid = %s", [pid]).fetchall())
        assert await _one(pool) != pid


async def test_session_with_an_open_transaction_is_not_lent_again(plain_dsn: str) -> None:
    async with open_pool(DatabaseSection(dsn=plain_dsn)) as pool:
        async with pool.connection() as connection:
            await connection.execute("BEGIN")
        assert connection.closed


async def test_connections_are_lent_to_as_many_as_allowed_and_others_are_told(plain_dsn: str) -> None:
    settings = DatabaseSection(dsn=plain_dsn, min_connections=1, max_connections=2, connect_timeout_s=2)
    async with open_pool(settings) as pool, pool.connection() as one, pool.connection() as two:
        assert one is not two
        with pytest.raises(Transient, match="all 2 connections to the database were in use"):
            await _one(pool)


async def test_failover_is_followed_to_the_server_that_can_be_written_to(tmp_path: Path) -> None:
    """The first of two hosts becomes read-only under us, as a primary that was made a standby."""
    with OwnPostgres.below_tmp() as one, OwnPostgres.below_tmp() as two:
        for server in (one, two):
            server.start()
            with psycopg.connect(server.dsn, autocommit=True) as admin:
                admin.execute(f"CREATE TABLE t AS SELECT {server.port} AS port")
        dsn = f"postgresql://postgres@127.0.0.1:{one.port},127.0.0.1:{two.port}/postgres"
        writer = Writer(DatabaseSection(dsn=dsn))
        async with open_pool(DatabaseSection(dsn=dsn)) as pool:
            write = "UPDATE t SET port = port RETURNING port"
            assert await _one(pool, write) == one.port
            await writer.write([])
            with psycopg.connect(one.dsn, autocommit=True) as admin:
                admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
                admin.execute("SELECT pg_reload_conf()")
            await asyncio.sleep(0.2)
            with pytest.raises(Transient, match="read-only transaction"):
                await _one(pool, write)
            assert await _one(pool, write) == two.port
        await writer.close()


Ask = Callable[[DatabaseSection], Awaitable[object]]


async def _by_pool(settings: DatabaseSection) -> None:
    async with open_pool(settings) as pool:
        await _one(pool)


async def _by_thread(settings: DatabaseSection) -> None:
    await asyncio.to_thread(check_schema, settings)


async def _by_writer(settings: DatabaseSection) -> None:
    writer = Writer(settings)
    try:
        await writer.write([])
    finally:
        await writer.close()


async def _by_listener(settings: DatabaseSection) -> None:
    heard = listen(settings, ["hubwatch_alarms"])
    try:
        await anext(heard)
    finally:
        await heard.aclose()


WAYS: list[Ask] = [_by_pool, _by_thread, _by_writer, _by_listener]


@pytest.mark.parametrize("mode", ["session", "transaction", "statement"])
@pytest.mark.parametrize("takes_options", [True, False])
async def test_pooler_is_refused_in_words_by_everything_that_connects(
    migrated_plain_dsn: str, mode: Literal["session", "transaction", "statement"], takes_options: bool
) -> None:
    with pooled(migrated_plain_dsn, mode, takes_options=takes_options) as dsn:
        for ask in WAYS:
            with pytest.raises(Permanent, match=r"leads to a connection pooler .* name PostgreSQL itself"):
                await ask(DatabaseSection(dsn=dsn))


async def test_password_that_changes_is_read_anew_by_everything_that_connects(tmp_path: Path) -> None:
    with OwnPostgres.below_tmp() as server:
        server.start()
        file = tmp_path / "password"
        with psycopg.connect(server.dsn, autocommit=True) as admin:
            admin.execute("CREATE ROLE hubwatch LOGIN PASSWORD 'first'")
            admin.execute("GRANT CREATE ON SCHEMA public TO hubwatch")
            (server.data / "pg_hba.conf").write_text(
                "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
            )
            admin.execute("SELECT pg_reload_conf()")
            file.write_text("first\n")
            dsn = f"postgresql://hubwatch@127.0.0.1:{server.port}/postgres"
            settings = DatabaseSection(dsn=dsn, password_file=file)
            writer = Writer(settings)
            async with open_pool(settings) as pool:
                await _one(pool)
                await writer.write([])
                admin.execute("ALTER ROLE hubwatch PASSWORD 'second'")
                admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'hubwatch'")
                for ask in (_one(pool), writer.write([]), _by_listener(settings), _by_thread(settings)):
                    with pytest.raises(Transient):  # of the writer, that its session was ended
                        await ask
                with pytest.raises(DatabaseLoginRefused, match="password authentication failed"):
                    await writer.write([])
                file.write_text("second\n")
                await _one(pool)
                await writer.write([])
                await _by_listener(settings)
                with pytest.raises(Permanent, match="lacks"):  # let in, and finds no schema
                    await _by_thread(settings)
        await writer.close()


async def test_password_file_that_is_just_being_replaced_is_an_outage(plain_dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("any\n")
    async with open_pool(DatabaseSection(dsn=plain_dsn, password_file=file)) as pool:
        file.unlink()
        with pytest.raises(DatabaseLoginRefused, match="cannot be read"):
            await _one(pool)
        file.write_text("any\n")
        await _one(pool)
