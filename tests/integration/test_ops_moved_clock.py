"""`hubwatch up` while the clock of its machine is set; the database's clock stays."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.config import MqttSection
from hubwatch_core.mqtt import MqttLink, MqttSession
from support.children import Children
from support.eventually import eventually
from support.moved_clock import MovedClock
from support.own_mosquitto import OwnMosquitto
from support.store_examples import birth, frame, one, rows, series

DAY_S = 86_400
WITHIN_S = 90.0
"""Long: only what comes of a year is a fault here, and the programs of a busy machine take their time."""
OPEN = "SELECT count(*) FROM alarms WHERE type = 'integrity.agent_offline' AND closed IS NULL AND active > 0"

BORN = "SELECT EXISTS (SELECT FROM sensors) AND EXISTS (SELECT FROM detector_journal)"
"""Collector and detectors have the birth, so they have subscribed."""


@dataclass
class Hub:
    """A hub whose clock can be set, and the database behind it."""

    children: Children
    clock: MovedClock
    dsn: str
    seq: int = 0

    async def speak(self, link: MqttLink) -> None:
        """Send a frame of the true time, and wait until it is stored."""
        self.seq += 1
        now = now_us()
        each = frame(self.seq, sent=now, series=[series(now - 1000, [float(self.seq)])])
        await link.publish("hubwatch/1/harbour/gate-7/frame", wire.encode(each))
        await eventually(lambda: self.newest() == self.seq, WITHIN_S)

    def newest(self) -> int:
        """The newest value, as `latest` has it."""
        found = rows(self.dsn, "SELECT value FROM latest WHERE age_s BETWEEN 0 AND 300")
        return int(found[0][0]) if found else 0


@pytest.fixture
def hub(own_mosquitto: OwnMosquitto, migrated_timescale_dsn: str, tmp_path: Path) -> Iterator[Hub]:
    config = tmp_path / "hub.toml"
    config.write_text(
        f"""
[mqtt]
host = "{own_mosquitto.host}"
port = {own_mosquitto.port}
[database]
dsn = "{migrated_timescale_dsn}"
[collector.intake]
client_id = "moved"
[detectors.presence]
agent_silent_after_s = 3
[log]
format = "json"
""",
        encoding="utf-8",
    )
    children, clock = Children(tmp_path), MovedClock(tmp_path)
    children.environment = clock.environment
    children.start("hub", "up", "-c", str(config))
    yield Hub(children, clock, migrated_timescale_dsn)
    children.end_all()


@pytest.fixture
async def link(own_mosquitto: OwnMosquitto) -> AsyncIterator[MqttLink]:
    linked: asyncio.Future[MqttLink] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def use(link: MqttLink) -> None:
        linked.set_result(link)
        await done.wait()

    section = MqttSection(host=own_mosquitto.host, port=own_mosquitto.port)
    task = asyncio.create_task(MqttSession(section, client_id="agent-test").run(use))
    yield await linked
    done.set()
    await task


async def test_a_hub_whose_clock_is_set_while_it_runs_goes_on(hub: Hub, link: MqttLink) -> None:
    await link.publish("hubwatch/1/harbour/gate-7/birth", wire.encode(birth()), retain=True)
    await eventually(lambda: one(hub.dsn, BORN) or not hub.children.alive("hub"), WITHIN_S)
    assert hub.children.alive("hub"), hub.children.log("hub")
    for shift_s in (365 * DAY_S, -365 * DAY_S):
        await hub.speak(link)
        hub.clock.move(shift_s)
        await asyncio.sleep(2)
        await hub.speak(link)
    assert rows(hub.dsn, "SELECT reason FROM dead_letters") == []
    await eventually(lambda: one(hub.dsn, OPEN) == 1, WITHIN_S)
    await hub.speak(link)
    await eventually(lambda: one(hub.dsn, OPEN) == 0, WITHIN_S)
    times = "opened, last_active, returned"
    assert (
        one(hub.dsn, f"SELECT bool_and(clock_timestamp() - least({times}) < INTERVAL '10 minutes') FROM alarms") is True
    )
    assert one(hub.dsn, f"SELECT bool_and(greatest({times}) <= clock_timestamp()) FROM alarms") is True
    assert hub.children.stop("hub") == 0
    logged = [json.loads(line) for line in hub.children.log("hub").splitlines() if line.startswith("{")]
    assert not [line for line in logged if line.get("level") == "error"]
    said = datetime.fromisoformat(logged[-1]["timestamp"])
    assert (datetime.now(UTC) - said).days in (364, 365, 366), "its own clock was a year behind"
