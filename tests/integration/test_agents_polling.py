"""Polling: one dead unit among many, shared modules, overruns, busy devices, identity, commands of the line."""

from __future__ import annotations

import asyncio
import statistics
import time
from functools import partial
from itertools import pairwise

from hubwatch_agents.drivers.modbus.poller import SILENCES_TO_RECONNECT
from hubwatch_agents.readings import Reading
from hubwatch_core.words import Quality
from support.agents_modbus_device import Line, Unit
from support.agents_rig import Heard, driving
from support.eventually import eventually


def tcp(line: Line, **more: object) -> dict[str, object]:
    return {"name": "line", "transport": "tcp", "host": "127.0.0.1", "port": line.port, **more}


def good(heard: Heard, sensor: str, channel: str = "a") -> list[Reading]:
    return [r for r in heard.of(sensor, channel) if r.quality is Quality.GOOD]


def has_good(heard: Heard, sensor: str, count: int) -> bool:
    return len(good(heard, sensor)) >= count


async def test_units_behind_one_connection_are_never_asked_at_the_same_time() -> None:
    line = Line({unit: Unit(delay_s=0.005) for unit in range(1, 6)})
    async with line.over_tcp():
        devices = [{"sensor": f"s{unit}", "profile": "probe", "unit": unit} for unit in line.units]
        async with driving(tcp(line), devices) as (heard, _):
            await heard.until(lambda h: all(has_good(h, f"s{unit}", 5) for unit in line.units))
    assert (line.connections, line.overlapping) == (1, 0)


async def test_line_notices_requests_that_overlap() -> None:
    line = Line({1: Unit(delay_s=0.05)})
    request = bytes.fromhex("0001 0000 0006 01 03 0000 0001")
    async with line.over_tcp():
        reader, writer = await asyncio.open_connection("127.0.0.1", line.port)
        writer.write(2 * request)
        await reader.readexactly(2 * 11)
        writer.write(request)
        await reader.readexactly(11)
        writer.close()
        await writer.wait_closed()
    assert line.overlapping == 1


async def test_readings_come_on_the_turns_of_the_period() -> None:
    line = Line({1: Unit()})
    async with line.over_tcp(), driving(tcp(line), [{"sensor": "s", "profile": "probe", "unit": 1}]) as (heard, _):
        await heard.until(lambda h: has_good(h, "s", 20))
    times = [r.t for r in good(heard, "s")]
    steps = [after - before for before, after in pairwise(times)]
    assert abs(statistics.median(steps) - 200_000) < 50_000
    # A busy machine delays some; those that are on time are at the same place of their turn, the first as the last.
    places = [t % 200_000 for t in times]
    assert max(sum((other - place) % 200_000 < 40_000 for other in places) for place in places) >= len(places) / 2


async def test_dead_unit_is_probed_beside_the_others_and_blamed_for_their_waiting() -> None:
    line = Line({unit: Unit() for unit in range(1, 9)})
    line.units[4].fault = "silent"
    async with line.over_tcp():
        devices = [{"sensor": f"s{unit}", "profile": "probe", "unit": unit, "timeout_ms": 150} for unit in line.units]
        async with driving(tcp(line), devices) as (heard, driver):
            await heard.until(lambda h: has_good(h, "s1", 10))
            assert driver.delays_s()["s4"] > 0.1

            async def nobody_waits() -> bool:
                driver.delays_s()  # from now on
                heard.readings.clear()
                await heard.until(lambda h: has_good(h, "s1", 10))
                return max(driver.delays_s().values()) < 0.1

            await eventually(nobody_waits)  # it is asked only where it keeps nobody waiting
            line.units[4].fault = "healthy"
            await heard.until(lambda h: has_good(h, "s4", 3))


async def test_two_sensors_on_one_module_cost_one_request() -> None:
    unit = Unit(registers=dict.fromkeys(range(16, 60), 0))
    line = Line({1: unit})
    async with line.over_tcp():
        devices = [
            {"sensor": f"door-{bit}", "profile": "moxa-e1210-door", "unit": 1, "parameters": {"position_bit": bit}}
            for bit in range(4)
        ]
        async with driving(tcp(line), devices) as (heard, _):
            await heard.until(lambda h: all(len(h.of(f"door-{bit}", "position")) >= 5 for bit in range(4)))
            polls, asked = len(heard.of("door-0", "position")), unit.asked
    assert asked <= 2 * (polls + 2), "the inputs and the counters, once each, for all four doors"
    assert [len(heard.of(f"door-{bit}", "position")) for bit in range(4)] == [len(heard.of("door-0", "position"))] * 4


async def test_door_contact_becomes_state_and_events() -> None:
    unit = Unit(registers=dict.fromkeys(range(16, 60), 0) | {48: 0b0001})
    line = Line({1: unit})
    async with line.over_tcp():
        devices = [{"sensor": "door", "profile": "moxa-e1210-door", "unit": 1, "parameters": {"position_bit": 0}}]
        async with driving(tcp(line), devices) as (heard, _):
            await heard.until(lambda h: (r := h.last("door", "position")) and r.x == 0)
            unit.registers[48] = 0
            await heard.until(lambda h: [e.type for e in h.events] == ["door.opened"])
            unit.registers[48] = 1
            await heard.until(lambda h: [e.type for e in h.events] == ["door.opened", "door.closed"])
    assert all("unseen_s" not in event.attrs for event in heard.events)


async def test_door_that_opened_while_nobody_looked_is_told_with_the_gap() -> None:
    unit = Unit(registers=dict.fromkeys(range(16, 60), 0) | {48: 0b0001})
    line = Line({1: unit})
    async with line.over_tcp():
        devices = [{"sensor": "door", "profile": "moxa-e1210-door", "unit": 1, "parameters": {"position_bit": 0}}]
        async with driving(tcp(line, timeout_ms=100), devices) as (heard, _):
            await heard.until(lambda h: (r := h.last("door", "position")) and r.x == 0)
            unit.fault = "silent"
            await asyncio.sleep(1.6)
            unit.registers[48], unit.fault = 0, "healthy"
            await heard.until(lambda h: h.events)
    assert heard.events[0].attrs["unseen_s"] > 1.5


async def test_other_device_than_the_profile_is_for_gives_nothing_good() -> None:
    unit = Unit(registers=dict.fromkeys(range(130), 0))
    line = Line({1: unit})
    devices = [{"sensor": "rpm", "profile": "aspect-rpm", "unit": 1}]
    async with line.over_tcp(), driving(tcp(line), devices) as (heard, _):
        await heard.until(lambda h: h.last("rpm", "gamma.1"))
        await asyncio.sleep(0.5)
    last = heard.last("rpm", "gamma.1")
    assert last is not None
    assert last.x is None
    assert last.reason == "another device than Aspect (Yantar) radiation portal monitor: register 3 is 0 instead of 100"
    assert not good(heard, "rpm", "gamma.1")


async def test_device_slower_than_its_period_skips_turns_and_stays_good() -> None:
    line = Line({1: Unit(delay_s=0.13)})
    async with line.over_tcp(), driving(tcp(line), [{"sensor": "s", "profile": "probe", "unit": 1}]) as (heard, _):
        await heard.until(partial(has_good, sensor="s", count=5))
    assert all(r.quality is Quality.GOOD for r in heard.of("s"))
    steps = [after.t - before.t for before, after in pairwise(good(heard, "s"))]
    assert min(steps) > 250_000, "two requests of 130 ms do not fit into 200 ms: every second turn"


async def test_outage_of_the_device_is_survived_again_and_again() -> None:
    line = Line({1: Unit()})
    async with line.over_tcp():
        port = line.port
    connection = {"name": "line", "transport": "tcp", "host": "127.0.0.1", "port": port, "max_reconnect_s": 0.3}
    async with driving(connection, [{"sensor": "s", "profile": "probe", "unit": 1}]) as (heard, _):
        await heard.until(
            lambda h: (r := h.last("s", "a")) and f"cannot connect to 127.0.0.1:{port}" in (r.reason or "")
        )
        for _ in range(3):
            began = time.monotonic()
            async with line.over_tcp():
                seen = len(good(heard, "s"))
                await heard.until(partial(has_good, sensor="s", count=seen + 3))
            await heard.until(lambda h: (r := h.last("s", "a")) and r.quality is Quality.BAD)
            assert time.monotonic() - began < 10


async def test_what_was_read_before_the_connection_broke_is_kept() -> None:
    unit = Unit(fault="close_on_register", number=5)
    line = Line({1: unit})
    connection_more = {"max_reconnect_s": 0.2}
    async with line.over_tcp():
        devices = [{"sensor": "s", "profile": "probe", "unit": 1}]
        async with driving(tcp(line, **connection_more), devices) as (heard, _):
            await heard.until(partial(has_good, sensor="s", count=3))
            assert not good(heard, "s", "c")
            assert any("closed by the other side" in (r.reason or "") for r in heard.of("s", "c"))
    assert len(good(heard, "s")) == unit.answered


async def test_connection_on_which_somebody_is_only_busy_is_not_doubted() -> None:
    line = Line({1: Unit(fault="silent"), 2: Unit(fault="exception", number=6)})
    devices = [{"sensor": f"s{unit}", "profile": "probe", "unit": unit, "timeout_ms": 20} for unit in line.units]
    async with line.over_tcp(), driving(tcp(line), devices):
        await eventually(lambda: line.units[1].asked > SILENCES_TO_RECONNECT)
    assert line.connections == 1


async def test_line_on_which_nobody_answers_is_not_hammered() -> None:
    line = Line({unit: Unit(fault="silent") for unit in range(1, 7)})
    async with line.over_tcp():
        devices = [{"sensor": f"s{unit}", "profile": "probe", "unit": unit, "timeout_ms": 20} for unit in line.units]
        async with driving(tcp(line), devices) as (heard, _):
            await heard.until(lambda h: all((r := h.last(f"s{unit}", "a")) and r.x is None for unit in line.units))
            await asyncio.sleep(2)
            asked = sum(unit.asked for unit in line.units.values())
            await asyncio.sleep(4)
            more = sum(unit.asked for unit in line.units.values()) - asked
    # At 2, 4 and 8 s pauses each unit has at most two turns in the 4 s, and one more on a new connection.
    assert more <= 3 * len(line.units)
