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
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from hubwatch_agents.identity.folder import IdentityFolder
from hubwatch_agents.identity.renewal import Renewal
from hubwatch_agents.settings import AgentSettings, SpoolSection
from hubwatch_agents.uplink.frame_store import FrameStore, KeptFrame
from hubwatch_agents.uplink.frames import Batch
from hubwatch_agents.uplink.publisher import Publisher
from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.config import LogSection, MqttSection, TlsSection
from hubwatch_core.health import Health
from hubwatch_core.logs import configure
from hubwatch_core.words import SensorKind

HUB = "chaos"
PER_FRAME = 5
DOORS = 200
ASK_EVERY_S = 3.0
"""How often an enrolled one asks whether it is to renew its key."""
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
    door_every_s: float = 0.0
    """How often a further door is forced; 0 is never."""
    identity: str = ""
    """Folder of its identity, where it is enrolled: it signs, connects with its certificate, and renews it."""


class Promise(msgspec.Struct):
    """A line of the journal: numbers `first` to `first + count - 1` went into this frame and are on the medium."""

    epoch: str
    seq: int
    first: int
    count: int


class Forced(msgspec.Struct):
    """A line of the journal: this door was forced then (µs), which is on the medium."""

    door: str
    t: int


class CountingAgent:
    """The device and the agent's own store and publisher."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._identity = IdentityFolder(Path(orders.identity)) if orders.identity else None
        self._journal = Path(orders.journal)
        before = self._journal.read_text() if self._journal.exists() else ""
        lives, self._doors, self._door_due = before.count("life"), before.count('"door"'), time.monotonic()
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
            max_reconnect_s=0.5,
            keepalive_s=5,
            tls=_tls(self._identity) if self._identity else None,
        )
        key = self._identity.key_file if self._identity else None
        # Every other life writes the other version: an upgrade under load, and back, with frames of both on the disk.
        version: Literal["packed", "json"] = "packed" if lives % 2 else "json"
        settings = AgentSettings(hub=HUB, agent=orders.name, wire=version, mqtt=mqtt, spool=spool, signing_key_file=key)
        self.store = FrameStore(settings, Health())
        self._publisher = Publisher(settings, self.store, self._birth, Health())
        self._unsynced: deque[tuple[int, Promise | Forced]] = deque()

    async def run(self, stop: asyncio.Event) -> None:
        """Count until `stop`, then deliver what is left."""
        ended = asyncio.Event()
        parts = [asyncio.create_task(self._publisher.run(ended))]
        if self._identity:
            parts.append(asyncio.create_task(Renewal(self._identity, Health(), ASK_EVERY_S).run(ended)))
        while not stop.is_set():
            self._count()
            self._force_a_door()
            self._settle()
            await asyncio.sleep(1 / self._orders.frames_per_s)
        while self._undelivered():
            self.store.declare()
            self._settle()
            await asyncio.sleep(0.05)
        ended.set()
        await asyncio.gather(*parts)
        self.store.close()

    def _doors_of_all(self) -> int:
        return DOORS if self._orders.door_every_s else 0

    def _undelivered(self) -> bool:
        """Whether there is anything that no collector has said to have stored."""
        return bool(self.store.spool.waiting or self._unsynced or self.store.undeclared)

    def _count(self) -> None:
        now = now_us()
        values: list[float | None] = [float(self._next + i) for i in range(PER_FRAME)]
        series = wire.Series(sensor=self._orders.name, channel="n", t0=now, dt=list(range(PER_FRAME)), x=values)
        for frame in self._keep(Batch([series], [], PER_FRAME, False)):
            if b'"series"' in frame.payload:
                promise = Promise(*frame.number, self._next, PER_FRAME)
                self._unsynced.append((self.store.spool.appended, promise))
        self._next += PER_FRAME
        self.store.declare()

    def _force_a_door(self) -> None:
        """Let the next door be forced when it is due, each door once."""
        every_s = self._orders.door_every_s
        if not every_s or time.monotonic() < self._door_due or self._doors >= DOORS:
            return
        forced = Forced(f"door-{self._doors}", now_us())
        self._keep(Batch([], [wire.Event(sensor=forced.door, t=forced.t, type="door.forced")], 0, False))
        self._unsynced.append((self.store.spool.appended, forced))
        self._doors, self._door_due = self._doors + 1, time.monotonic() + every_s

    def _keep(self, batch: Batch) -> list[KeptFrame]:
        frames = self.store.keep(batch)
        self._publisher.offer(frames)
        return frames

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
                inventory=[wire.Sensor(f"door-{n}", SensorKind.ACCESS, "quay") for n in range(self._doors_of_all())],
            )
        )


def _tls(identity: IdentityFolder) -> TlsSection:
    return TlsSection(ca_file=identity.ca_file, cert_file=identity.cert_file, key_file=identity.key_file)


async def _main(orders: Orders) -> None:
    configure(LogSection(format="json"))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await CountingAgent(orders).run(stop)


if __name__ == "__main__":
    asyncio.run(_main(Orders(**json.loads(sys.argv[1]))))
