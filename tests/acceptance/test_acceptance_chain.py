"""The parts as separate processes on real Mosquitto and TimescaleDB, from a register to a row and to a responder.

The simulated devices keep account of what they handed out; the database is compared with that account, never with
hubwatch's own counters.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest

from hubwatch_ops.demo.account import Difference, bit, compare
from hubwatch_ops.demo.io_module import IoModule
from hubwatch_ops.demo.portal import Portal
from support.children import Children, run
from support.eventually import eventually
from support.own_mosquitto import OwnMosquitto
from support.ports import free_port
from support.proxy import Proxy
from support.webhook_receiver import Receiver, receiving

HUB = "rotterdam"
SECRET = "a secret of this test only"
UNSAVED_S = 0.5
"""A frame is cut and on disk every 0.2 s; the poll under way and a loaded machine take the rest."""
COLLECTORS = ("collector-a", "collector-b")
PARTS = ("alarms", "detectors", *COLLECTORS, "agent")


@dataclass
class Chain:
    """The whole chain, running."""

    folder: Path
    broker: OwnMosquitto
    uplink: Proxy
    dsn: str
    receiver: Receiver
    children: Children
    portal: Portal = field(default_factory=lambda: Portal("rpm-1", 1))
    doors: IoModule = field(default_factory=lambda: IoModule("doors"))
    detectors_port: int = field(default_factory=free_port)

    def file(self, name: str) -> str:
        """Path of a part's configuration."""
        return str(self.folder / f"{name}.toml")

    async def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the database, from a thread: the simulated devices live in this loop and must go on answering."""

        def ask() -> list[tuple[Any, ...]]:
            with psycopg.connect(self.dsn) as connection:
                return connection.execute(query, values).fetchall()

        return await asyncio.to_thread(ask)

    def write_configs(self) -> None:
        """Write the configuration of every part."""
        broker = f'[mqtt]\nhost = "127.0.0.1"\nport = {self.broker.port}\nmax_reconnect_s = 1.0\n'
        uplink = f'[mqtt]\nhost = "127.0.0.1"\nport = {self.uplink.address[1]}\nmax_reconnect_s = 1.0\n'
        database = f'[database]\ndsn = "{self.dsn}"\nmax_retry_s = 1.0\n'
        (self.folder / "secret").write_text(SECRET + "\n", encoding="utf-8")
        texts = {
            **{name: f'{broker}{database}[intake]\nclient_id = "{name}"\n' for name in COLLECTORS},
            "detectors": f"{broker}{database}[telemetry]\nport = {self.detectors_port}\n",
            "alarms": f'{database}[[routes]]\nname = "desk"\nkind = "webhook"\nurl = "{self.receiver.url}"\n'
            f'secret_file = "{self.folder / "secret"}"\n',
            "agent": f"""hub = "{HUB}"
agent = "gate"
{uplink}
[clock]
trust = "host"
[spool]
directory = "{self.folder / "spool"}"
[[connections]]
name = "portal"
transport = "tcp"
host = "127.0.0.1"
port = {self.portal.port}
max_reconnect_s = 1.0
[[connections]]
name = "doors"
transport = "tcp"
host = "127.0.0.1"
port = {self.doors.port}
max_reconnect_s = 1.0
[[devices]]
sensor = "rpm-1"
zone = "lane-1"
profile = "aspect-rpm"
connection = "portal"
[[devices]]
sensor = "door-1"
zone = "office"
profile = "moxa-e1210-door"
connection = "doors"
parameters = {{ position_bit = 0, position_nc = false }}
""",
        }
        for name, text in texts.items():
            Path(self.file(name)).write_text(text, encoding="utf-8")

    def start(self, part: str) -> None:
        """Start one part (again)."""
        self.children.start(part, part.partition("-")[0], "run", "-c", self.file(part))

    async def difference(self) -> Difference:
        """Compare the database with what the devices handed out."""
        marks = await self.ask(
            "SELECT value::bigint, count(*) FROM hubwatch.readings "
            "WHERE sensor = 'rpm-1' AND channel = 'elapsed' AND value IS NOT NULL GROUP BY 1"
        )
        positions = await self.ask(
            "SELECT value::bigint, count(*) FROM hubwatch.readings "
            "WHERE sensor = 'door-1' AND channel = 'position' AND value IS NOT NULL GROUP BY 1"
        )
        return compare(self.portal.served, dict(marks)) + compare(bit(self.doors.served, 0), dict(positions))

    async def lost_marks(self) -> list[int]:
        """Return the portal's marks that are not stored."""
        rows = await self.ask(
            "SELECT value::bigint FROM hubwatch.readings WHERE sensor = 'rpm-1' AND channel = 'elapsed'"
        )
        return sorted(set(self.portal.served) - {value for (value,) in rows})

    async def caught_up(self) -> bool:
        """Return whether what is stored is live, and without holes; says what is missing."""
        ((age_s,),) = await self.ask("SELECT extract(epoch FROM now() - max(sent)) FROM hubwatch.frames WHERE NOT late")
        gaps = await self.ask("SELECT agent, epoch, first_seq, last_seq, cause, since FROM hubwatch.ledger_gaps")
        assert age_s < 1, f"newest live frame is {age_s} s old; gaps {gaps}"
        assert not gaps, f"gaps {gaps}"
        return True

    async def detectors_are_well(self) -> bool:
        """Return whether the detectors have subscribed: a door that was forced before is none of theirs."""
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as client,
                client.get(f"http://127.0.0.1:{self.detectors_port}/healthz") as answer,
            ):
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def seen(self, sensor: str) -> None:
        """Wait until a good reading of a sensor is stored."""
        await eventually(
            lambda: self.ask("SELECT 1 FROM hubwatch.readings WHERE sensor = %s AND quality = 0 LIMIT 1", sensor)
        )

    async def stored_everything(self) -> None:
        """Wait until the number of stored frames stands still."""
        before = -1
        for _ in range(60):
            now = (await self.ask("SELECT count(*) FROM hubwatch.frames"))[0][0]
            if now == before:
                return
            before = now
            await asyncio.sleep(1.5)
        raise AssertionError("frames kept coming after the agent had ended")


@pytest.fixture
async def chain(tmp_path: Path, own_mosquitto: OwnMosquitto, migrated_timescale_dsn: str) -> AsyncIterator[Chain]:
    children = Children(tmp_path)
    async with receiving() as receiver, Proxy("127.0.0.1", own_mosquitto.port) as uplink:
        chain = Chain(tmp_path, own_mosquitto, uplink, migrated_timescale_dsn, receiver, children)
        await chain.portal.start()
        await chain.doors.start()
        chain.write_configs()
        try:
            for part in PARTS:
                if part == "agent":
                    await eventually(chain.detectors_are_well, 60)
                await asyncio.to_thread(chain.start, part)
            await chain.seen("rpm-1")
            await chain.seen("door-1")
            yield chain
        finally:
            children.end_all()
            await chain.portal.stop()
            await chain.doors.stop()


async def test_a_register_becomes_a_row_and_an_attack_an_acknowledged_alarm(chain: Chain) -> None:
    chain.doors.set(0, True)
    await eventually(
        lambda: chain.ask(
            "SELECT 1 FROM hubwatch.readings WHERE sensor = 'door-1' AND channel = 'position' AND value = 1"
        )
    )
    await eventually(
        lambda: chain.ask("SELECT 1 FROM hubwatch.latest WHERE sensor = 'door-1' AND value = 1 AND age_s < 5")
    )
    await eventually(lambda: chain.ask("SELECT 1 FROM hubwatch.alarms WHERE type = 'access.forced'"))
    await eventually(lambda: chain.receiver.deliveries)

    ((alarm, zone),) = await chain.ask("SELECT id, zone FROM hubwatch.alarms WHERE type = 'access.forced'")
    assert zone == "office"
    delivery = chain.receiver.deliveries[0]
    signed = delivery.headers["X-Hubwatch-Timestamp"].encode() + b"." + delivery.body
    expected = "v1=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert delivery.headers["X-Hubwatch-Signature"] == expected
    assert b"access.forced" in delivery.body
    assert b"door-1" in delivery.body
    outcomes = await chain.ask("SELECT attempt, outcome, status FROM hubwatch.notifications WHERE alarm = %s", alarm)
    assert outcomes == [(1, "delivered", 204)]

    ack = await asyncio.to_thread(
        run, "alarms", "ack", str(alarm), "--by", "jansen", "--note", "on my way", "-c", chain.file("alarms")
    )
    assert ack.returncode == 0, ack.stderr
    journal = await chain.ask("SELECT action, by, note FROM hubwatch.alarm_journal WHERE alarm = %s ORDER BY id", alarm)
    assert journal[0][0] == "opened"
    assert ("acknowledged", "jansen", "on my way") in journal
    shown = await asyncio.to_thread(run, "alarms", "list", "--json", "-c", chain.file("alarms"))
    assert [each["acknowledged_by"] for each in json.loads(shown.stdout) if each["type"] == "access.forced"] == [
        "jansen"
    ]


async def test_every_part_killed_and_unplugged_in_turn_loses_and_doubles_nothing(chain: Chain) -> None:
    killed_agent = 0.0
    for victim in ("collector-a", "detectors", "alarms", "collector-b", "agent"):
        await asyncio.sleep(1.5)
        killed_agent = time.time()
        await asyncio.to_thread(chain.children.kill, victim)
        await asyncio.sleep(1.0)
        await asyncio.to_thread(chain.start, victim)
    await asyncio.sleep(1.0)
    await chain.uplink.refuse()
    await asyncio.sleep(3.0)
    await chain.uplink.heal()
    await asyncio.sleep(1.0)
    await asyncio.to_thread(chain.broker.kill)
    await asyncio.sleep(1.0)
    await asyncio.to_thread(chain.broker.start)
    await eventually(chain.caught_up, 90)
    assert await asyncio.to_thread(chain.children.stop, "agent") == 0
    await chain.stored_everything()

    assert (await chain.difference()).duplicated == 0
    # What the agent had read but not yet put on disk when it was killed is the one thing nothing can bring back; the
    # portal's marks say when they were handed out.
    lost = [chain.portal.started + mark / 1000 for mark in await chain.lost_marks()]
    assert all(killed_agent - UNSAVED_S <= at <= killed_agent + 0.1 for at in lost), (killed_agent, lost)
    assert await chain.ask("SELECT agent, first_seq, cause FROM hubwatch.ledger_gaps WHERE cause = 'unexplained'") == []
    assert await chain.ask("SELECT agent, first_seq, cause FROM hubwatch.ledger_gaps") == []
    for part in (*COLLECTORS, "detectors", "alarms"):
        assert await asyncio.to_thread(chain.children.stop, part) == 0


async def test_poison_of_every_kind_is_kept_whole_and_stops_nothing(chain: Chain) -> None:
    poison = [
        (f"hubwatch/1/{HUB}/gate/frame", b"{"),
        (f"hubwatch/1/{HUB}/gate/frame", b"\xff\x00"),
        (f"hubwatch/1/{HUB}/gate/frame", b'{"v":2}'),
        (f"hubwatch/1/{HUB}/gate/birth", b"[]"),
        (f"hubwatch/1/{HUB}/GATE/frame", b"{}"),
    ]
    ((before,),) = await chain.ask("SELECT count(*) FROM hubwatch.frames")
    await publish(chain.broker.port, poison)
    await eventually(lambda: chain.ask("SELECT 1 FROM hubwatch.dead_letters HAVING count(*) = %s", len(poison)))
    letters = await chain.ask("SELECT topic, payload, reason FROM hubwatch.dead_letters")
    assert {(topic, bytes(payload)) for topic, payload, _ in letters} == set(poison)
    assert all(reason for _, _, reason in letters)
    await eventually(lambda: chain.ask("SELECT 1 FROM hubwatch.frames HAVING count(*) > %s", before + 5))
    assert all(chain.children.alive(part) for part in PARTS)


async def publish(port: int, messages: list[tuple[str, bytes]]) -> None:
    """Publish as any client of the broker could."""
    from hubwatch_core.config import MqttSection
    from hubwatch_core.mqtt import MqttLink, MqttSession

    async def use(link: MqttLink) -> None:
        for topic, payload in messages:
            await link.publish(topic, payload)

    await MqttSession(MqttSection(host="127.0.0.1", port=port), client_id="stranger").run(use)
