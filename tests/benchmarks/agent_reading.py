"""Reading: as fast as a bare pymodbus loop, and what one dead device costs the others."""

from __future__ import annotations

import asyncio
import statistics
import time
from itertools import pairwise
from pathlib import Path

from pymodbus.client import AsyncModbusTcpClient

from benchmarks.agent_devices import serve_devices
from hubwatch_agents.config.load import check
from hubwatch_agents.drivers.contract import DriverContext
from hubwatch_agents.drivers.modbus.driver import ModbusDriver
from hubwatch_agents.readings import Reading, SensorEvent
from hubwatch_agents.settings import AgentSettings
from hubwatch_agents.uplink.frame_store import FrameStore
from hubwatch_agents.uplink.frames import FrameBuilder
from hubwatch_agents.values.pseudonyms import raw
from hubwatch_core.health import Health
from support.agents_rig import MAPS

DEVICES = 50
REGISTERS = 20
FOUR, TEN = "bench-meter", "bench-meter-10"
"""The profiles with four and with ten values in one read; shipped maps have 3.3 on average."""
SECONDS = 1.5
ROUNDS = 9
"""Many short rounds: a machine that others use as well changes its speed by a third within seconds."""
LINE_DEVICES = 30
LINE_REPLY_S = 0.01
"""What 20 registers take on a fast serial line behind a gateway."""
LINE_PERIOD_MS = 1000
LINE_SECONDS = 40.0


class Kept:
    """The sink of a real agent: readings go into frames, frames into a spool on disk."""

    def __init__(self, settings: AgentSettings) -> None:
        self.cutter = FrameBuilder()
        self.store = FrameStore(settings, Health())
        self.times: dict[str, list[int]] = {}

    def emit(self, item: Reading | SensorEvent) -> None:
        self.cutter.add(item)

    async def keep_for_ever(self) -> None:
        """Cut and sync five times a second, as the agent does; what was kept is taken at once."""
        while True:
            await asyncio.sleep(0.2)
            frames = [frame for batch in self.cutter.readings() for frame in self.store.keep(batch)]
            await self.store.spool.sync_in_thread()
            for frame in frames:
                self.store.spool.release(frame.segment, frame.number.seq)


class Times:
    """A sink that keeps when each sensor was read."""

    def __init__(self) -> None:
        self.good: dict[str, list[int]] = {}

    def emit(self, item: Reading | SensorEvent) -> None:
        if isinstance(item, Reading) and item.x is not None:
            self.good.setdefault(item.sensor, []).append(item.t)


async def read_rates(folder: Path) -> tuple[list[float], list[float], list[float]]:
    """Return reads/s of a bare pymodbus loop, of the agent with four values a read, and with ten, round by round.

    Each read is 20 registers.
    """
    bare, four, ten = [], [], []
    with serve_devices(DEVICES) as ports:
        for turn in range(ROUNDS):
            bare.append(await _bare(ports))
            four.append(await _agent(ports, folder / f"four-{turn}", FOUR))
            ten.append(await _agent(ports, folder / f"ten-{turn}", TEN))
    return bare, four, ten


def ratio(ours: list[float], bare: list[float]) -> float:
    """Return the median of the ratios of rounds that ran side by side."""
    return statistics.median(a / b for a, b in zip(ours, bare, strict=True))


async def _bare(ports: list[int]) -> float:
    clients = [AsyncModbusTcpClient("127.0.0.1", port=port) for port in ports]
    for client in clients:
        await client.connect()
    count, until = 0, time.perf_counter() + SECONDS

    async def loop(client: AsyncModbusTcpClient) -> None:
        nonlocal count
        while time.perf_counter() < until:
            reply = await client.read_holding_registers(0, count=REGISTERS, device_id=1)
            assert len(reply.registers) == REGISTERS
            count += 1

    await asyncio.gather(*(loop(client) for client in clients))
    for client in clients:
        client.close()
    return count / SECONDS


async def _agent(ports: list[int], folder: Path, profile: str) -> float:
    settings = _settings(folder, [(port, 1) for port in ports], 10, profile)
    sink = Kept(settings)
    made = _drivers(settings, sink)
    for driver in made:
        for job in driver.poller.jobs:
            job.period_s = 1e-6  # no pause between reads: the bare loop has none either
    stop = asyncio.Event()
    tasks = [asyncio.create_task(driver.run(stop)) for driver in made]
    keeping = asyncio.create_task(sink.keep_for_ever())
    await asyncio.sleep(0.5)
    before, began = sum(driver.poller.reads for driver in made), time.perf_counter()
    await asyncio.sleep(SECONDS)
    rate = (sum(driver.poller.reads for driver in made) - before) / (time.perf_counter() - began)
    stop.set()
    keeping.cancel()
    await asyncio.gather(keeping, *tasks, return_exceptions=True)
    sink.store.close()
    return rate


async def dead_device_growth(folder: Path) -> tuple[float, float]:
    """Return the p99 of the others' cycle (ms), with all alive and with one of them dead, on one line of 30."""
    alive = await _line(folder / "alive", frozenset())
    dead = await _line(folder / "dead", frozenset({7}))
    return alive, dead


async def _line(folder: Path, dead: frozenset[int]) -> float:
    with serve_devices(1, LINE_REPLY_S, dead) as (port,):
        settings = _settings(folder, [(port, unit) for unit in range(1, LINE_DEVICES + 1)], LINE_PERIOD_MS, FOUR)
        sink, stop = Times(), asyncio.Event()
        tasks = [asyncio.create_task(driver.run(stop)) for driver in _drivers(settings, sink)]
        await asyncio.sleep(LINE_SECONDS)
        stop.set()
        await asyncio.gather(*tasks)
    cycles = [(after - before) / 1000 for times in sink.good.values() for before, after in pairwise(times)]
    return statistics.quantiles(cycles, n=100)[98]


def _drivers(settings: AgentSettings, sink: Kept | Times) -> list[ModbusDriver]:
    devices = check(settings, "benchmark").devices
    tools = DriverContext(sink, raw, "benchmark")
    return [
        ModbusDriver(way, [device for device in devices if device.connection.name == way.name], tools)
        for way in settings.connections
    ]


def _settings(folder: Path, places: list[tuple[int, int]], period_ms: int, profile: str) -> AgentSettings:
    ports = sorted({port for port, _ in places})
    return AgentSettings.model_validate(
        {
            "hub": "bench",
            "agent": "box",
            "profile_folders": [MAPS],
            "spool": {"directory": folder},
            "connections": [
                {"name": f"line-{port}", "transport": "tcp", "host": "127.0.0.1", "port": port} for port in ports
            ],
            "devices": [
                {
                    "sensor": f"sensor-{port}-{unit}",
                    "zone": "bench",
                    "profile": profile,
                    "connection": f"line-{port}",
                    "unit": unit,
                    "period_ms": period_ms,
                }
                for port, unit in places
            ],
        }
    )
