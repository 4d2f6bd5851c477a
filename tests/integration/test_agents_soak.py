"""A soak: links to the device and to the broker break in every way, at random, while an agent works.

HUBWATCH_SOAK_S sets how long (20 s unless told). The line to the device is RTU over TCP: its checksum is what a
corrupted byte can be known by.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from support.agents_modbus_device import Line, Unit
from support.agents_process import AgentProcess, Listener, config_text, listening
from support.proxy import Proxy, flip_byte

SOAK_S = float(os.environ.get("HUBWATCH_SOAK_S", "20"))
LONGEST_BREAK_S = 1.2


async def refuse(proxy: Proxy) -> None:
    await proxy.refuse()


async def cut(proxy: Proxy) -> None:
    proxy.cut()


async def close(proxy: Proxy) -> None:
    proxy.cut(reset=False)


async def stall(proxy: Proxy) -> None:
    proxy.stall()


async def half_close_up(proxy: Proxy) -> None:
    proxy.half_close("up")


async def half_close_down(proxy: Proxy) -> None:
    proxy.half_close("down")


async def delay(proxy: Proxy) -> None:
    proxy.delay(0.15)


async def corrupt(proxy: Proxy) -> None:
    proxy.corrupt("down", flip_byte(17))


BREAKS: list[Callable[[Proxy], Awaitable[None]]] = [refuse, cut, close, stall, half_close_up, half_close_down, delay]


async def break_at_random(proxy: Proxy, breaks: list[Callable[[Proxy], Awaitable[None]]], seed: int) -> None:
    chance = random.Random(seed)
    while True:
        await asyncio.sleep(chance.uniform(0.5, 2.0))
        await chance.choice(breaks)(proxy)
        await asyncio.sleep(chance.uniform(0.1, LONGEST_BREAK_S))
        await proxy.heal()


async def count_up(unit: Unit, given: set[int]) -> None:
    while True:
        unit.registers[1] = (unit.registers[1] + 1) % 60_000
        given.add(unit.registers[1])
        await asyncio.sleep(0.05)


def readings(listener: Listener) -> list[tuple[int, float]]:
    """Give the good readings of the counted register, each frame once, by time."""
    frames = {(frame.epoch, frame.seq): frame for frame in listener.frames}.values()
    return sorted(
        (series.t0 + dt, x)
        for frame in frames
        for series in frame.series
        if (series.sensor, series.channel) == ("probe-1", "a")
        for dt, x, quality in zip(series.dt, series.x, series.q or [0] * len(series.x), strict=True)
        if quality == 0 and x is not None
    )


@pytest.mark.timeout(SOAK_S + 120)
async def test_agent_comes_through_every_break_with_nothing_lost_and_nothing_false(
    tmp_path: Path, mosquitto: tuple[str, int]
) -> None:
    seed, hub = random.randrange(2**32), f"soak-{time.time_ns():x}"
    line, given = Line({1: Unit()}), {10}
    async with (
        line.over_tcp(rtu=True),
        Proxy("127.0.0.1", line.port) as to_device,
        Proxy(*mosquitto) as to_broker,
        listening(mosquitto, hub) as listener,
    ):
        text = config_text(hub, to_broker.address, tmp_path / "spool", to_device.address[1])
        config = tmp_path / "agent.toml"
        quick = 'transport = "rtu_over_tcp"\nreconnect_max_s = 0.5\nflush_ms = 50'
        config.write_text(text.replace('transport = "tcp"', quick), encoding="utf-8")
        tasks = [
            asyncio.create_task(count_up(line.units[1], given)),
            asyncio.create_task(break_at_random(to_device, [*BREAKS, corrupt], seed)),
            asyncio.create_task(break_at_random(to_broker, BREAKS, seed + 1)),
        ]
        agent = AgentProcess(config)
        try:
            await asyncio.sleep(SOAK_S)
            for task in tasks[1:]:
                task.cancel()
            await asyncio.gather(*tasks[1:], return_exceptions=True)
            await to_device.heal()
            await to_broker.heal()
            seen = len(listener.frames)
            await listener.until(lambda heard: len(heard.frames) > seen + 20 and not heard.missing(), 60)
        finally:
            tasks[0].cancel()
            assert await agent.stop() == 0, agent.log
        found = readings(listener)
        assert len({frame.epoch for frame in listener.frames}) == 1, f"seed {seed}"
        assert {int(x) for _, x in found} <= given, f"seed {seed}: a value that the device never gave"
        assert len({t for t, _ in found}) == len(found), f"seed {seed}: a reading twice"
        assert [x for _, x in found] == sorted(x for _, x in found), (
            f"seed {seed}: a value from before under a new time"
        )
        assert len(found) > SOAK_S, "it went on reading in between"
        assert "Traceback" not in agent.log
