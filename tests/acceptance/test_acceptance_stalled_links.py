"""A whole hub whose links go deaf one after the other, while TCP still acknowledges: health says so, and it comes back.

Each link is a proxy that stalls; behind it everything is well. What health must say comes within seconds here, because
the times in the configuration are short; `test_core_health.py` holds the bound of those that nobody shortened.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import psycopg
import pytest

from support.children import Children
from support.eventually import eventually
from support.fix_mqtt import MakeMosquitto
from support.hand_agent import HandAgent, telling
from support.ports import free_port
from support.proxy import Proxy
from support.webhook_receiver import Receiver, receiving

NOTICED_S = 30.0
BACK_S = 60.0
DOORS = 6


@dataclass
class Hub:
    """`hubwatch up` with a proxy in each of its links."""

    database: Proxy
    broker: Proxy
    receiver: Proxy
    received: Receiver
    agent: HandAgent
    dsn: str
    port: int
    log: Path
    doors_open: int = 0

    async def failing(self) -> set[str]:
        """Return the names of the checks that fail; asked too often health does not answer."""
        await asyncio.sleep(0.2)
        async with (
            aiohttp.ClientSession() as client,
            client.get(f"http://127.0.0.1:{self.port}/healthz", timeout=aiohttp.ClientTimeout(5)) as response,
        ):
            report: dict[str, Any] = await response.json()
        failing = {name for name, check in report["checks"].items() if not check["ok"]}
        assert (response.status == 200) is report["ok"] is (not failing)
        return failing

    async def works(self) -> None:
        """Wait until health is well, and a door that is forced now is stored, alarmed and told to people."""

        async def well() -> bool:
            failing = await self.failing()
            assert not failing, f"{failing}\n{self.log.read_text(encoding='utf-8')[-3000:]}"
            return True

        await eventually(well, BACK_S)
        await eventually(lambda: self._stored(f"door-{DOORS}", 0) >= 5, BACK_S)
        self.doors_open += 1
        self.agent.opened.add(self.doors_open)
        door = f"door-{self.doors_open}"
        await eventually(lambda: self._told_of(door), BACK_S)
        await eventually(lambda: self._stored(door, 1) > 0, BACK_S)

    async def fails(self, *checks: str) -> None:
        """Wait until each of these checks fails."""

        async def failed() -> bool:
            failing = await self.failing()
            assert failing >= set(checks), f"{failing}\n{self.log.read_text(encoding='utf-8')[-3000:]}"
            return True

        await eventually(failed, NOTICED_S)

    def _stored(self, door: str, position: int) -> int:
        with psycopg.connect(self.dsn) as connection:
            query = "SELECT count(*) FROM hubwatch.readings WHERE sensor = %s AND value = %s"
            row = connection.execute(query, [door, position]).fetchone()
        assert row is not None
        return int(row[0])

    def _told_of(self, door: str) -> bool:
        bodies = [json.loads(each.body) for each in self.received.deliveries]
        return any(door in json.dumps(body) for body in bodies)


def _write_config(folder: Path, broker_port: int, database: str, url: str, port: int) -> None:
    (folder / "key").write_text("first\n", encoding="utf-8")
    (folder / "hub.toml").write_text(
        f"""[mqtt]
host = "127.0.0.1"
port = {broker_port}
keepalive_s = 5
connect_timeout_s = 2.0
max_reconnect_s = 1.0
[database]
dsn = "postgresql://{database}"
connect_timeout_s = 4
statement_timeout_s = 4
max_retry_s = 1.0
[telemetry]
port = {port}
[detectors.access]
held_s = 300
[[alarms.routes]]
name = "desk"
kind = "webhook"
url = "{url}"
secret_file = "{folder / "key"}"
timeout_s = 2.0
""",
        encoding="utf-8",
    )


@pytest.fixture
async def hub(tmp_path: Path, migrated_timescale_dsn: str, make_mosquitto: MakeMosquitto) -> AsyncIterator[Hub]:
    server = urlsplit(migrated_timescale_dsn)
    own = make_mosquitto(["allow_anonymous true"])
    children = Children(tmp_path)
    async with AsyncExitStack() as stack:
        stack.callback(children.end_all)
        received = await stack.enter_async_context(receiving())
        target = urlsplit(received.url)
        database, broker, receiver = [
            await stack.enter_async_context(Proxy(host, port))
            for host, port in (
                (str(server.hostname), int(server.port or 5432)),
                (own.host, own.port),
                (str(target.hostname), int(target.port or 80)),
            )
        ]
        agent = await stack.enter_async_context(telling(own.host, own.port, DOORS))
        port = free_port()
        path = f"{server.username}@127.0.0.1:{database.address[1]}{server.path}"
        url = f"http://127.0.0.1:{receiver.address[1]}{target.path}"
        await asyncio.to_thread(_write_config, tmp_path, broker.address[1], path, url, port)
        children.start("up", "up", "-c", str(tmp_path / "hub.toml"))
        log = tmp_path / "up.log"
        made = Hub(database, broker, receiver, received, agent, migrated_timescale_dsn, port, log)
        await eventually(lambda: _answers(made))
        yield made
        assert await asyncio.to_thread(children.stop, "up") == 0


async def _answers(hub: Hub) -> bool:
    try:
        await hub.failing()
    except aiohttp.ClientError:
        return False
    return True


@pytest.mark.timeout(240)
async def test_every_link_that_goes_deaf_shows_in_health_and_comes_back(hub: Hub) -> None:
    await hub.works()

    hub.database.stall()
    await hub.fails(
        "database", "detectors-database", "alarms.listener", "alarms.mover", "alarms.sweeper", "alarms.route.desk"
    )
    await hub.database.heal()
    await hub.works()

    hub.broker.stall()
    await hub.fails("mqtt", "intake", "detectors-mqtt")
    await hub.broker.heal()
    await hub.works()

    hub.receiver.stall()
    hub.doors_open += 1
    hub.agent.opened.add(hub.doors_open)
    await hub.fails("alarms.receiver.desk")
    await hub.receiver.heal()
    await hub.works()
    assert "no answer within 2 s" in await asyncio.to_thread(hub.log.read_text, encoding="utf-8")
