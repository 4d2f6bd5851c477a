"""A silent device is bad within two polls plus one second, whatever its timeout and whoever is on the line with it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hubwatch_agents.readings import Reading
from hubwatch_core.words import Quality
from support.agents_modbus_device import HEALTHY, Line, Unit
from support.agents_rig import Heard, driving

PERIOD_S = 0.2
BUSY_S = 1.0
"""What a busy machine may add; the shortest of the long timeouts is still longer."""
ALLOWED_S = 2 * PERIOD_S + 1.0 + BUSY_S
SLOW_MS = 10_000
"""SARAD instruments may take so long (devices.md 2.2); Rielta's radio gateway 3 s (4.1)."""

WIRES = pytest.mark.parametrize("transport", ["tcp", "rtu"])
TIMEOUTS = pytest.mark.parametrize("timeout_ms", [300, 3000, SLOW_MS], ids=["fast", "rielta", "sarad"])


@asynccontextmanager
async def on_the_line(transport: str, line: Line) -> AsyncIterator[dict[str, Any]]:
    """Stand up a line; gives the connection to it."""
    if transport == "rtu":
        async with line.over_pty():
            yield {"name": "line", "transport": "rtu", "port": line.path, "baudrate": 115200, "flush_ms": 20}
        return
    async with line.over_tcp():
        yield {"name": "line", "transport": "tcp", "host": "127.0.0.1", "port": line.port}


def devices(**timeouts_ms: int) -> list[dict[str, Any]]:
    """Name one device for each unit in turn, with its timeout."""
    return [
        {"sensor": name, "profile": "probe", "unit": unit, "timeout_ms": timeout_ms}
        for unit, (name, timeout_ms) in enumerate(timeouts_ms.items(), start=1)
    ]


def last(heard: Heard, sensor: str) -> Reading | None:
    return heard.last(sensor, "c")


def good(heard: Heard, *sensors: str) -> bool:
    return all((r := last(heard, sensor)) is not None and r.quality is Quality.GOOD for sensor in sensors)


def bad(heard: Heard, sensor: str) -> bool:
    reading = last(heard, sensor)
    return reading is not None and reading.quality is Quality.BAD and reading.x is None


@WIRES
@TIMEOUTS
async def test_silent_device_is_bad_in_time_whatever_its_timeout(transport: str, timeout_ms: int) -> None:
    line = Line({1: Unit()})
    async with (
        on_the_line(transport, line) as connection,
        driving(connection, devices(one=timeout_ms)) as (heard, _),
    ):
        await heard.until(lambda h: good(h, "one"))
        line.units[1].fault = "silent"
        assert await heard.until(lambda h: bad(h, "one")) <= ALLOWED_S
        line.units[1].fault = HEALTHY
        await heard.until(lambda h: good(h, "one"), timeout_ms / 1000 + 4)


@WIRES
async def test_device_behind_a_dead_slow_one_is_bad_in_time_and_says_why(transport: str) -> None:
    line = Line({1: Unit(), 2: Unit()})
    async with (
        on_the_line(transport, line) as connection,
        driving(connection, devices(slow=4000, two=300)) as (heard, _),
    ):
        await heard.until(lambda h: good(h, "slow", "two"))
        line.units[1].fault = line.units[2].fault = "silent"
        assert await heard.until(lambda h: bad(h, "two")) <= ALLOWED_S
        assert bad(heard, "slow") or await heard.until(lambda h: bad(h, "slow")) <= BUSY_S
        line.units[2].fault = HEALTHY
        await heard.until(lambda h: good(h, "two"), 9)
    reasons = {r.reason for r in heard.of("two") if r.quality is Quality.BAD}
    assert "not read in time: the line waits for another device" in reasons


async def test_device_that_is_never_asked_since_the_connection_hangs_is_bad_in_time() -> None:
    line = Line({1: Unit()})
    async with line.over_tcp():
        port = line.port
    silent = {"name": "line", "transport": "tcp", "host": "192.0.2.1", "port": port, "connect_timeout_ms": 20_000}
    began = time.monotonic()  # 192.0.2.0/24 is for documentation (RFC 5737): nobody answers, or the kernel refuses
    async with driving(silent, devices(one=300)) as (heard, _):
        await heard.until(lambda h: bad(h, "one"))
        assert time.monotonic() - began <= ALLOWED_S


async def test_silent_device_is_said_to_be_bad_again_and_again() -> None:
    line = Line({1: Unit()})
    async with on_the_line("tcp", line) as connection, driving(connection, devices(one=SLOW_MS)) as (heard, _):
        await heard.until(lambda h: good(h, "one"))
        line.units[1].fault = "silent"
        await heard.until(lambda h: len([r for r in h.of("one", "c") if r.quality is Quality.BAD]) >= 3, 6)
    times = [r.t for r in heard.of("one", "c")]
    assert times == sorted(set(times))


@WIRES
async def test_driver_stops_at_once_while_a_slow_device_is_waited_for(transport: str) -> None:
    line = Line({1: Unit(fault="silent")})
    async with (
        on_the_line(transport, line) as connection,
        driving(connection, devices(one=SLOW_MS)) as (heard, _),
    ):
        await heard.until(lambda h: bad(h, "one"))
        began = time.monotonic()
    assert time.monotonic() - began < 5
