"""A counting device behind a real agent's spool and publisher, as a process: `python -m support.chaos_agent JSON`.

The device counts upwards and never repeats a number, over all its lives. What the spool has on its medium it writes
into a journal of its own, outside hubwatch: these numbers the agent has promised to deliver. On SIGTERM it counts no
further and ends when the spool is empty.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from hubwatch_agents.config import Settings, SpoolSection
from hubwatch_agents.frames import Draft
from hubwatch_agents.publisher import Publisher
from hubwatch_agents.spool.spool import Entry
from hubwatch_agents.store import Store
from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.config import LogSection, MqttSection
from hubwatch_core.health import Health
from hubwatch_core.logs import configure

HUB = "chaos"
PER_FRAME = 5
LIFE = 10_000_000
"""Numbers of one life start at a multiple of this."""


@dataclass(frozen=True)
class Orders:
    """Where things are and how fast to count."""

    name: str
    port: int
    spool: str
    journal: str
    frames_per_s: float = 50.0
    spool_bytes: int = 1 << 26
    confirm_s: float = 2.0
    other_ports: tuple[int, ...] = ()
    protocol: Literal["5", "3.1.1"] = "5"


class Promise(msgspec.Struct):
    """A line of the journal: numbers `first` to `first + count - 1` went into this frame and are on the medium."""

    epoch: str
    seq: int
    first: int
    count: int


class CountingAgent:
    """The device and the agent's own store and publisher."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._journal = Path(orders.journal)
        lives = self._journal.read_text().count("life") if self._journal.exists() else 0
        self._next = (lives + 1) * LIFE
        self._note(f"life {lives + 1}")
        spool = SpoolSection(
            directory=Path(orders.spool),
            max_bytes=orders.spool_bytes,
            segment_bytes=1 << 16,
            confirm_s=orders.confirm_s,
            backlog_bytes_per_s=1 << 24,
        )
        mqtt = MqttSection(
            host="127.0.0.1",
            port=orders.port,
            other_brokers=tuple(f"127.0.0.1:{port}" for port in orders.other_ports),
            protocol=orders.protocol,
            reconnect_max_s=0.5,
            keepalive_s=5,
        )
        settings = Settings(hub=HUB, agent=orders.name, mqtt=mqtt, spool=spool)
        self.store = Store(settings, Health())
        self._publisher = Publisher(settings, self.store.spool, self._birth, Health())
        self._unsynced: deque[tuple[int, Promise]] = deque()

    async def run(self, stop: asyncio.Event) -> None:
        """Count until `stop`, then deliver what is left."""
        ended = asyncio.Event()
        publishing = asyncio.create_task(self._publisher.run(ended))
        while not stop.is_set():
            self._count()
            self._settle()
            await asyncio.sleep(1 / self._orders.frames_per_s)
        while self._undelivered():
            self.store.declare()
            self._settle()
            await asyncio.sleep(0.05)
        ended.set()
        await publishing
        self.store.spool.close()

    def _undelivered(self) -> bool:
        """Whether there is anything no broker has confirmed, or not for long enough where a broker tells of that.

        One that speaks MQTT 3.1.1 only shows by later confirmations that it is still there, and none comes any more.
        """
        spool = self.store.spool
        waiting = spool.waiting - (self._publisher.unsettled if self._orders.protocol == "3.1.1" else 0)
        return bool(waiting > 0 or self._unsynced or spool.undeclared)

    def _count(self) -> None:
        now = now_us()
        values: list[float | None] = [float(self._next + i) for i in range(PER_FRAME)]
        series = wire.Series(sensor=self._orders.name, channel="n", t0=now, dt=list(range(PER_FRAME)), x=values)
        for entry in self._keep(Draft([series], [], PER_FRAME, False)):
            if b'"series"' in entry.payload:
                promise = Promise(entry.epoch, entry.seq, self._next, PER_FRAME)
                self._unsynced.append((self.store.spool.appended, promise))
        self._next += PER_FRAME
        self.store.declare()

    def _keep(self, draft: Draft) -> list[Entry]:
        entries = self.store.keep(draft)
        self._publisher.offer(entries)
        return entries

    def _settle(self) -> None:
        while self._unsynced and self._unsynced[0][0] <= self.store.spool.synced:
            self._note(msgspec.json.encode(self._unsynced.popleft()[1]).decode())

    def _note(self, line: str) -> None:
        with self._journal.open("ab", buffering=0) as journal:
            journal.write(line.encode() + b"\n")

    def _birth(self) -> bytes:
        return wire.encode(
            wire.Birth(
                v=1,
                hub=HUB,
                agent=self._orders.name,
                epoch=self.store.spool.epoch,
                sent=now_us(),
                software="chaos",
                config="",
                inventory=[],
            )
        )


async def _main(orders: Orders) -> None:
    configure(LogSection(format="json"))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await CountingAgent(orders).run(stop)


if __name__ == "__main__":
    asyncio.run(_main(Orders(**json.loads(sys.argv[1]))))
