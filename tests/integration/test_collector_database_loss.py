"""A collector while its database is killed, full, away for long or half migrated; TimescaleDB and plain PostgreSQL."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from hubwatch_collector.service import DRAIN_S, HANG_UP_S
from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.errors import Transient
from hubwatch_core.mqtt import MqttLink, MqttSession
from hubwatch_store.database import DatabaseSection, connect_sync, migrate, standing
from support.eventually import eventually
from support.full_database import relations
from support.kept_link import kept, reaching
from support.own_mosquitto import OwnMosquitto
from support.own_postgres import OwnPostgres
from support.own_timescale import own_server
from support.proxy import Proxy
from support.store_collector import running_collector, settings_for
from support.store_examples import frame, one, rows, series

DAY_US = 86_400_000_000
KILLS = 4
REPOSITORY = Path(__file__).parents[2]
STOPPED_S = 8.0
"""Within this a stop has ended on a machine that does other things too; by itself it takes three seconds at most."""


@pytest.fixture(params=["timescaledb", "postgresql"])
def store(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def server(store: str) -> Iterator[OwnPostgres]:
    """A migrated server to kill."""
    with own_server(store).below_tmp() as server:
        server.start()
        migrate(DatabaseSection(dsn=server.dsn))
        yield server


@pytest.fixture
def small_server(store: str) -> Iterator[OwnPostgres]:
    """A migrated server on a small disk of its own."""
    with own_server(store).below_tmp("200m") as server:
        server.settings = {**server.settings, "max_wal_size": "64MB", "wal_recycle": "off"}
        server.start()
        migrate(DatabaseSection(dsn=server.dsn))
        yield server


def at(broker: OwnMosquitto) -> tuple[str, int]:
    return broker.host, broker.port


async def publish(link: MqttLink, frames: list[wire.Frame]) -> None:
    for each in frames:
        await link.publish(f"hubwatch/1/{each.hub}/{each.agent}/frame", wire.encode(each))


def live(seq: int) -> wire.Frame:
    return frame(seq, series=[series(now_us(), [float(seq)] * 50)])


def of_another_day(seq: int) -> wire.Frame:
    """Each frame needs a chunk of its own, or a partition."""
    return frame(seq, series=[series(now_us() - seq * DAY_US, [float(seq)] * 50)])


def value_of(registry: CollectorRegistry, name: str) -> float:
    value = registry.get_sample_value(f"hubwatch_collector_{name}")
    assert value is not None
    return value


@pytest.mark.parametrize("make", [live, of_another_day], ids=["copying", "making chunks"])
async def test_killed_while_it_stores_it_has_everything_once(
    server: OwnPostgres, own_mosquitto: OwnMosquitto, make: Callable[[int], wire.Frame], dice: random.Random
) -> None:
    """SIGKILL to every process of the server at moments that fall into COPY, commit and the making of chunks."""
    async with (
        kept(MqttSession(reaching(at(own_mosquitto)), client_id="agent")) as links,
        running_collector(settings_for(at(own_mosquitto), server.dsn)),
    ):
        link, seq = await links.next(), 0
        for _ in range(KILLS):
            batch = [make(seq + i) for i in range(1, 41)]
            seq += 40
            sending = asyncio.create_task(publish(link, batch))
            await asyncio.sleep(dice.uniform(0, 0.15))
            await asyncio.to_thread(server.kill)
            await sending
            await asyncio.to_thread(server.start)
        await eventually(lambda: one(server.dsn, "SELECT count(*) FROM frames") == seq)
        assert rows(server.dsn, "SELECT count(*), count(DISTINCT (time, channel, value)) FROM readings") == [
            (seq * 50,) * 2
        ]
        assert one(server.dsn, "SELECT count(*) FROM ledger_gaps") == 0
        assert one(server.dsn, "SELECT max(last_seq) FROM agents") == seq


@pytest.fixture
def dice() -> random.Random:
    return random.Random(4)


def test_killed_while_it_is_migrated_it_is_whole_after_the_next_try(store: str, dice: random.Random) -> None:
    """Each migration is one transaction, so what a kill leaves is one that the next try goes on from."""
    with own_server(store).below_tmp() as server:
        server.start()
        section = DatabaseSection(dsn=server.dsn)
        cut_short = 0
        for _ in range(KILLS):
            killing = threading.Timer(dice.uniform(0.02, 0.3), server.kill)
            killing.start()
            try:
                migrate(section)
            except Transient:
                cut_short += 1
            killing.join()
            server.start()
        migrate(section)
        with connect_sync(section) as connection:
            assert not standing(connection).pending
        with psycopg.connect(server.dsn) as connection:
            found = relations(connection)
    assert cut_short, "no kill fell into a migration"
    with own_server(store).below_tmp() as calm:
        calm.start()
        migrate(DatabaseSection(dsn=calm.dsn))
        with psycopg.connect(calm.dsn) as connection:
            assert relations(connection) == found


async def test_full_disk_holds_everything_back_until_there_is_room(
    small_server: OwnPostgres, own_mosquitto: OwnMosquitto
) -> None:
    server, address = small_server, at(own_mosquitto)
    async with (
        kept(MqttSession(reaching(address), client_id="agent")) as links,
        running_collector(settings_for(address, server.dsn)) as context,
    ):
        link = await links.next()
        await publish(link, [live(1)])
        await eventually(lambda: one(server.dsn, "SELECT count(*) FROM frames") == 1)
        await asyncio.to_thread(server.fill_disk)
        await publish(link, [frame(seq, series=[series(now_us(), [1.5] * 3000)]) for seq in range(2, 60)])
        await eventually(lambda: not context.health.ok)
        assert value_of(context.registry, "held_messages") > 0
        await asyncio.to_thread(server.free_disk)
        if not server.alive:  # without room for its log PostgreSQL ends itself, and its supervisor starts it again
            await asyncio.to_thread(server.start)
        await eventually(lambda: one(server.dsn, "SELECT count(*) FROM frames") == 59)
        await eventually(lambda: context.health.ok)
    assert one(server.dsn, "SELECT count(*) FROM readings") == 50 + 58 * 3000
    assert one(server.dsn, "SELECT count(*) FROM dead_letters") == 0


async def test_away_for_longer_than_memory_lasts_it_is_waited_for_with_bounded_memory(
    server: OwnPostgres, own_mosquitto: OwnMosquitto
) -> None:
    """8 MiB come while 1 MiB may be held: what is held never exceeds it, though it comes near it."""
    address, held = at(own_mosquitto), 1 << 20
    settings = settings_for(address, server.dsn, max_held_bytes=held)
    big = [series(now_us(), [1.5 + i / 7 for i in range(4000)])]
    size = len(wire.encode(frame(1, series=big)))
    count = (8 << 20) // size
    async with (
        kept(MqttSession(reaching(address), client_id="agent")) as links,
        running_collector(settings) as context,
    ):
        link = await links.next()
        await asyncio.to_thread(server.kill)
        most = 0.0
        for seq in range(1, count + 1):
            await publish(link, [frame(seq, series=big)])
            most = max(most, value_of(context.registry, "held_bytes"))
        await eventually(lambda: not context.health.ok)
        most = max(most, value_of(context.registry, "held_bytes"))
        assert held // 4 < most <= held
        await asyncio.to_thread(server.start)
        await eventually(lambda: one(server.dsn, "SELECT count(*) FROM frames") == count, 60)
    assert one(server.dsn, "SELECT count(*) FROM readings") == count * 4000


def test_stop_waits_as_long_as_the_reference_says() -> None:
    text = " ".join((REPOSITORY / "docs" / "reference" / "store.md").read_text(encoding="utf-8").split())
    assert "takes three seconds at most: it waits two for a server that answers" in text
    assert DRAIN_S == 2
    assert DRAIN_S + 2 * HANG_UP_S < 3


async def test_stop_while_the_database_is_away_takes_seconds_and_loses_nothing(
    server: OwnPostgres, own_mosquitto: OwnMosquitto
) -> None:
    address = at(own_mosquitto)
    async with kept(MqttSession(reaching(address), client_id="agent")) as links:
        link = await links.next()
        async with running_collector(settings_for(address, server.dsn)) as context:
            await asyncio.to_thread(server.kill)
            await publish(link, [live(seq) for seq in range(1, 200)])
            await eventually(lambda: value_of(context.registry, "held_messages") == 199 and not context.health.ok)
            began = time.monotonic()
        assert time.monotonic() - began < STOPPED_S
        await asyncio.to_thread(server.start)
        async with running_collector(settings_for(address, server.dsn)):
            await eventually(lambda: one(server.dsn, "SELECT count(*) FROM frames") == 199)


async def test_stop_while_the_database_says_nothing_takes_seconds_and_loses_nothing(
    server: OwnPostgres, own_mosquitto: OwnMosquitto
) -> None:
    """A link that is deaf: the write under way gets neither answer nor error."""
    address = at(own_mosquitto)
    async with (
        Proxy("127.0.0.1", server.port) as proxy,
        kept(MqttSession(reaching(address), client_id="agent")) as links,
    ):
        link = await links.next()
        through = server.dsn.replace(str(server.port), str(proxy.address[1]))
        async with running_collector(settings_for(address, through)) as context:
            await publish(link, [live(1)])
            await eventually(lambda: value_of(context.registry, "held_messages") == 0)
            proxy.stall()
            await publish(link, [live(seq) for seq in range(2, 200)])
            await eventually(lambda: value_of(context.registry, "held_messages") == 198)
            began = time.monotonic()
        assert time.monotonic() - began < STOPPED_S
        async with running_collector(settings_for(address, server.dsn)):
            await eventually(lambda: one(server.dsn, "SELECT count(*) FROM frames") == 199)
