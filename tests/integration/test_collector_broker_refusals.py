"""Whom a real broker refuses is told: followed from its own log into the database, with the rights of a collector."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import aiomqtt
import psycopg
import pytest

from hubwatch_collector.broker_log import Refusal
from hubwatch_collector.refusals import Refusals
from hubwatch_collector.service import parts
from hubwatch_collector.settings import BrokerLogSection, CollectorSettings
from hubwatch_core.config import client_context
from hubwatch_core.process import Context
from hubwatch_ops.pki.issuer import RevokedCertificate
from hubwatch_store.database import open_pool
from hubwatch_store.ingest import Mistrust
from support.certified_nats import configure_certified
from support.eventually import eventually
from support.fix_mqtt import MakeMosquitto
from support.own_nats import OwnNats, nats_program
from support.pki_folder import PkiFolder
from support.role_logins import RoleLogins, roles_in
from support.sample_mosquitto import start_sample

WITHIN_S = 60.0
GATE_7 = "harbour/gate-7"
FOREIGN = "hubwatch/1/harbour/gate-8/frame"
NO_MONITOR = "http://127.0.0.1:1"
LOGIN, TOPIC = "integrity.login_refused", "integrity.topic_refused"


@pytest.fixture
def pki(tmp_path: Path) -> PkiFolder:
    return PkiFolder(tmp_path)


@pytest.fixture
def logins(migrated_timescale_dsn: str) -> Iterator[RoleLogins]:
    with psycopg.connect(migrated_timescale_dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO hubwatch.hubs (hub) VALUES ('harbour')")
    with roles_in(migrated_timescale_dsn) as made:
        yield made


@asynccontextmanager
async def followed(logins: RoleLogins, log: Path, monitor: str | None = None) -> AsyncIterator[Context]:
    """Run those parts of a collector which follow the log and ask the server's monitoring."""
    broker_log = BrokerLogSection(file=log, hub="harbour", nats_monitor=monitor)
    settings = CollectorSettings(database=logins.settings("collector"), broker_log=broker_log)
    context, stop = Context.make("collector"), asyncio.Event()
    names = {"broker log", "client ids"}
    tasks = [asyncio.ensure_future(each.run(stop)) for each in parts(settings, context) if each.name in names]
    try:
        await eventually(lambda: "broker-log" in context.health.checks(), WITHIN_S)
        yield context
    finally:
        stop.set()
        await asyncio.gather(*tasks)


def told(logins: RoleLogins) -> dict[tuple[str, str], str]:
    """Return what is told, by type and sensor."""
    with psycopg.connect(logins.dsn) as connection:
        found = connection.execute("SELECT type, sensor, why FROM hubwatch.detections").fetchall()
    return {(type_, sensor): why for type_, sensor, why in found}


def times(logins: RoleLogins, kind: str) -> int:
    with psycopg.connect(logins.dsn) as connection:
        row = connection.execute(
            "SELECT coalesce(sum(count), 0)::int FROM hubwatch.intake_finding WHERE kind = %s", [kind]
        ).fetchone()
    return int(row[0]) if row else 0


async def knock(port: int, context: ssl.SSLContext, protocol: aiomqtt.ProtocolVersion) -> None:
    """Try to get in, which fails."""
    with suppress(aiomqtt.MqttError):
        async with aiomqtt.Client("127.0.0.1", port, tls_context=context, protocol=protocol, timeout=3):
            raise AssertionError("let in")


async def test_mosquitto_refusals_are_told_once_each_and_counted(
    pki: PkiFolder, make_mosquitto: MakeMosquitto, logins: RoleLogins
) -> None:
    broker = start_sample(pki, make_mosquitto, more="log_type debug\n")
    version = aiomqtt.ProtocolVersion.V5
    async with followed(logins, broker.log):
        mine, _ = pki.agent(GATE_7)
        async with aiomqtt.Client("127.0.0.1", broker.port, tls_context=client_context(mine), protocol=version) as one:
            for _ in range(3):
                await one.publish(FOREIGN, b"forged", qos=1)
        revoked, serial = pki.agent("harbour/gate-9")
        pki.revoke(RevokedCertificate(serial, datetime.now(UTC)))
        broker.reload()
        await knock(broker.port, client_context(revoked), version)
        await knock(broker.port, ssl.create_default_context(cafile=pki.authority.ca_file), version)
        await eventually(lambda: (times(logins, "topic"), times(logins, "login")) == (3, 2), WITHIN_S)
    found = told(logins)
    assert set(found) == {(TOPIC, "gate-7"), (LOGIN, "broker")}
    assert f"{GATE_7} may not publish to {FOREIGN}" in found[TOPIC, "gate-7"]
    assert "from 127.0.0.1" in found[LOGIN, "broker"]


async def test_nats_refusals_are_told(tmp_path: Path, pki: PkiFolder, logins: RoleLogins) -> None:
    nats_program()
    server = OwnNats("nats-1", tmp_path / "nats-1")
    configure_certified(server, pki, [GATE_7])
    server.start()
    try:
        server.await_healthy(size=1)
        async with followed(logins, server.folder / "log"):
            await provoke(server, pki)
            await eventually(lambda: {(TOPIC, "gate-7"), (LOGIN, "broker")} <= set(told(logins)), WITHIN_S)
    finally:
        server.stop()
    found = told(logins)
    assert "may not publish to hubwatch.1.harbour.gate-8.frame" in found[TOPIC, "gate-7"]
    assert "from 127.0.0.1" in found[LOGIN, "broker"]


async def provoke(server: OwnNats, pki: PkiFolder) -> None:
    version = aiomqtt.ProtocolVersion.V311
    mine, _ = pki.agent(GATE_7)
    unknown, _ = pki.agent("harbour/gate-9")
    one = aiomqtt.Client("127.0.0.1", server.mqtt_port, tls_context=client_context(mine), protocol=version, timeout=60)
    with suppress(aiomqtt.MqttCodeError):  # how the connection that the server has ended is left
        async with one:
            with suppress(aiomqtt.MqttError):  # the server answers nothing, and ends the connection
                await one.publish(FOREIGN, b"forged", qos=1, timeout=5)
    await knock(server.mqtt_port, client_context(unknown), version)


async def test_log_that_cannot_be_read_is_said_in_health_and_followed_once_it_is_there(
    tmp_path: Path, logins: RoleLogins
) -> None:
    log = tmp_path / "broker.log"
    async with followed(logins, log, NO_MONITOR) as context:
        await eventually(lambda: "cannot be read" in context.health.checks()["broker-log"].detail, WITHIN_S)
        log.touch()
        await eventually(lambda: context.health.checks()["broker-log"].ok, WITHIN_S)
        with log.open("a", encoding="utf-8") as file:
            file.write("1796008207: Client \u202eevil disconnected, not authorised.\n")
        await eventually(lambda: times(logins, "login") == 1, WITHIN_S)
        checks = context.health.checks()
        assert checks["broker-log"].ok
        assert "does not answer" in checks["client-ids"].detail
    assert "\u202e" not in told(logins)[LOGIN, "broker"]


def waits_for_a_lock(logins: RoleLogins) -> bool:
    with psycopg.connect(logins.dsn) as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
            " WHERE d.datname = current_database() AND NOT l.granted"
        ).fetchall()
    return bool(found)


async def test_what_is_heard_while_it_is_told_is_told_next_also_without_a_log(
    tmp_path: Path, logins: RoleLogins
) -> None:
    database = logins.settings("collector")
    no_log = BrokerLogSection(file=tmp_path / "broker.log", hub="harbour")
    made = Refusals(no_log, database, Context.make("collector"))
    refusal = Refusal(Mistrust.LOGIN, "not authorised")
    async with open_pool(database, "test") as pool:
        with psycopg.connect(logins.dsn) as other:
            other.execute("LOCK TABLE hubwatch.intake_finding")
            made.hear(refusal)
            look = asyncio.ensure_future(made.look(pool))
            await eventually(lambda: waits_for_a_lock(logins), WITHIN_S)
            made.hear(refusal)
        await look
        await made.look(pool)
    assert times(logins, "login") == 2
