"""Agents of a test on a NATS cluster: counted frames at a bounded rate, each kept until a server has confirmed it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from hubwatch_core import wire
from hubwatch_core.config import MqttSection
from hubwatch_core.ids import new_ulid
from hubwatch_core.mqtt import MqttLink, MqttSession
from support.own_nats import OwnNats
from support.store_examples import frame

HUB = "harbour"
ANSWER_S = 10.0
"""A server waits up to 5 s for the stream before it hangs up on the agent."""


def mqtt_of(cluster: Sequence[OwnNats]) -> MqttSection:
    """Return settings that know every member."""
    first, *others = cluster
    return MqttSection(
        host="127.0.0.1",
        port=first.mqtt_port,
        other_brokers=tuple(f"127.0.0.1:{each.mqtt_port}" for each in others),
        protocol="3.1.1",
        max_reconnect_s=0.5,
    )


@dataclass
class Agent:
    """Sends its frames in order, the next one when the one before is confirmed; a confirmed frame is forgotten."""

    cluster: Sequence[OwnNats]
    name: str
    hub: str = HUB
    epoch: str = field(default_factory=new_ulid)
    confirmed: int = 0
    tries: int = 0
    slowest_s: float = 0.0
    _last: int | None = None

    async def send(self, per_s: float, most: int | None = None) -> None:
        """Have frames confirmed, until `stop` or until it is `most` in all."""
        self._last = most

        async def publish(link: MqttLink) -> None:
            while self._last is None or self.confirmed < self._last:
                await self._next(link)
                await asyncio.sleep(1 / per_s)

        await MqttSession(mqtt_of(self.cluster), client_id=self.name).run(publish)

    def stop(self) -> None:
        """End with the frame that is on its way."""
        self._last = self.confirmed

    async def _next(self, link: MqttLink) -> None:
        seq = self.confirmed + 1
        self.tries += 1
        made = frame(seq, hub=self.hub, agent=self.name, epoch=self.epoch)
        began = time.monotonic()
        async with asyncio.timeout(ANSWER_S):
            await link.publish(f"hubwatch/1/{self.hub}/{self.name}/frame", wire.encode(made))
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        self.confirmed = seq


@dataclass(frozen=True)
class Balance:
    """What the database has of what agents had confirmed, counted without the collector's own figures."""

    confirmed: int
    stored: int
    lost: int
    doubled: int


def balance(dsn: str, agents: Sequence[Agent]) -> Balance:
    """Compare what was confirmed with the ledger, and the ledger with the readings: each frame has two."""
    wanted = {(agent.hub, agent.name, seq) for agent in agents for seq in range(1, agent.confirmed + 1)}
    with psycopg.connect(dsn) as connection:
        found = connection.execute("SELECT hub, agent, seq FROM hubwatch.frames").fetchall()
        row = connection.execute("SELECT count(*) FROM hubwatch.readings").fetchone()
    assert row is not None
    frames = {(hub, agent, seq) for hub, agent, seq in found}
    return Balance(len(wanted), len(found), len(wanted - frames), len(found) - len(frames) + row[0] - 2 * len(frames))
