"""The fixtures give real servers, apart from one another, and brokers that survive what tests do to them."""

from __future__ import annotations

import asyncio
import json
import urllib.request

import aiomqtt
import psycopg
import pytest

from hubwatch_store.database import DatabaseSection, migrate
from support.databases import fresh_database
from support.eventually import eventually
from support.fix_mqtt import Address
from support.own_mosquitto import OwnMosquitto
from support.own_nats import OwnNats
from support.services import Nats


def test_database_is_empty_and_writable(database: str) -> None:
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
        connection.execute("CREATE TABLE mine (x int)")


def test_timescale_database_can_make_hypertables(timescale_dsn: str) -> None:
    with psycopg.connect(timescale_dsn) as connection:
        connection.execute("CREATE EXTENSION timescaledb")
        connection.execute("CREATE TABLE r (time timestamptz NOT NULL)")
        assert connection.execute("SELECT create_hypertable('r', 'time') IS NOT NULL").fetchone() == (True,)


def test_oldest_database_takes_every_migration(oldest_dsn: str) -> None:
    applied = migrate(DatabaseSection(dsn=oldest_dsn))
    assert applied
    with psycopg.connect(oldest_dsn) as connection:
        assert connection.info.server_version // 10_000 == 16
        assert connection.execute("SELECT count(*) FROM hubwatch.readings_1m").fetchone() == (0,)


def test_plain_database_has_no_timescale(plain_dsn: str) -> None:
    with psycopg.connect(plain_dsn) as connection:
        found = connection.execute("SELECT count(*) FROM pg_available_extensions WHERE name = 'timescaledb'")
        assert found.fetchone() == (0,)


def test_fresh_database_is_dropped_even_while_somebody_is_connected(plain_server: str) -> None:
    with fresh_database(plain_server) as dsn:
        straggler = psycopg.connect(dsn)
        straggler.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        straggler.execute("SELECT 1")
    straggler.close()
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(dsn)


@pytest.mark.parametrize("round_", [1, 2])
def test_migrated_database_has_the_schema_and_nobody_elses_rows(migrated_database: str, round_: int) -> None:
    with psycopg.connect(migrated_database) as connection:
        assert connection.execute("SELECT count(*) FROM hubwatch.dead_letters").fetchone() == (0,)
        connection.execute("CREATE TABLE public.mine (x int)")  # would exist already, were the rounds not apart


async def test_broker_delivers(broker: Address) -> None:
    async with aiomqtt.Client(*broker) as client:
        await client.subscribe("support/fixtures", qos=1)
        await client.publish("support/fixtures", b"x", qos=1)
        async with asyncio.timeout(20):
            message = await anext(client.messages)
        assert message.payload == b"x"


async def test_shared_mosquitto_speaks_mqtt_5(mosquitto: Address) -> None:
    async with aiomqtt.Client(*mosquitto, protocol=aiomqtt.ProtocolVersion.V5):
        pass


async def test_killed_mosquitto_comes_back_with_what_it_had_acknowledged(own_mosquitto: OwnMosquitto) -> None:
    address = (own_mosquitto.host, own_mosquitto.port)
    async with aiomqtt.Client(*address) as client:
        await client.publish("keep", b"this", qos=1, retain=True)
        await asyncio.sleep(1.5)  # Mosquitto stores changes at most once a second
    own_mosquitto.kill()
    assert not own_mosquitto.running
    own_mosquitto.start()
    async with aiomqtt.Client(*address) as client:
        await client.subscribe("keep", qos=1)
        async with asyncio.timeout(20):
            message = await anext(client.messages)
        assert message.payload == b"this"


async def test_nats_has_jetstream_and_speaks_mqtt(nats: Nats) -> None:
    answer = await asyncio.to_thread(_get, f"{nats.monitor_url}/jsz")
    assert answer["config"]["max_storage"] > 0
    async with aiomqtt.Client(nats.mqtt_host, nats.mqtt_port) as client:
        await client.publish("support/nats", b"x", qos=1)


async def test_nats_cluster_finds_another_leader_and_takes_the_old_one_back(nats_cluster: list[OwnNats]) -> None:
    old = next(member for member in nats_cluster if member.name == nats_cluster[0].leader())
    old.kill()
    others = [member for member in nats_cluster if member is not old]
    await eventually(lambda: _leader(others) not in {"", old.name})
    old.start()
    await asyncio.to_thread(old.await_healthy)
    assert old.leader() == _leader(others)


def _leader(members: list[OwnNats]) -> str:
    """Return the leader the members agree on; empty while they do not."""
    names = {member.leader() for member in members}
    return names.pop() if len(names) == 1 else ""


def _get(url: str) -> dict[str, dict[str, int]]:
    with urllib.request.urlopen(url, timeout=5) as response:
        answer: dict[str, dict[str, int]] = json.load(response)
    return answer
