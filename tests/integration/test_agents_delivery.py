"""From a device to the broker and through every break between: nothing lost, nothing twice, live before backlog."""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from hubwatch_core import wire
from support.agents_modbus_device import Line, Unit
from support.agents_process import AgentProcess, Listener, config_text, listening
from support.eventually import eventually
from support.fix_mqtt import MakeMosquitto
from support.own_mosquitto import OwnMosquitto
from support.proxy import Proxy

_hubs = itertools.count()


@pytest.fixture
def hub() -> str:
    return f"delivery-{time.time_ns():x}-{next(_hubs)}"


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    async with Line({1: Unit()}).over_tcp() as made:
        yield made


def configured(tmp_path: Path, hub: str, address: tuple[str, int], line: Line, more: str = "") -> Path:
    config = tmp_path / "agent.toml"
    config.write_text(config_text(hub, address, tmp_path / "spool", line.port, more), encoding="utf-8")
    return config


def agent_in(tmp_path: Path, hub: str, address: tuple[str, int], line: Line, more: str = "") -> AgentProcess:
    return AgentProcess(configured(tmp_path, hub, address, line, more))


def whole(listener: Listener) -> bool:
    return bool(listener.frames) and not listener.missing()


def shows(listener: Listener, value: int) -> bool:
    return listener.values("probe-1", "a")[-1][1] == value


def numbers(listener: Listener) -> tuple[int, int]:
    """Return how many frames came in version 1, and how many packed."""
    return len(listener.frames) - listener.packed, listener.packed


def five_more(listener: Listener, than: tuple[int, int], packed: bool) -> bool:
    """Tell whether five more came as the agent writes them now: first comes what it had on its disk."""
    return numbers(listener)[packed] >= than[packed] + 5


def no_value_twice(listener: Listener) -> bool:
    unique = {(frame.epoch, frame.seq): frame for frame in listener.frames}
    seen = [
        (series.sensor, series.channel, series.t0 + dt)
        for frame in unique.values()
        for series in frame.series
        for dt in series.dt
    ]
    return len(seen) == len(set(seen))


async def test_birth_state_and_frames_come_in_order(
    tmp_path: Path, hub: str, mosquitto: tuple[str, int], line: Line
) -> None:
    async with listening(mosquitto, hub) as listener:
        agent = agent_in(tmp_path, hub, mosquitto, line)
        try:
            await listener.until(lambda heard: len(heard.values("probe-1", "a")) > 5)
        finally:
            assert await agent.stop() == 0, agent.log
        await listener.until(lambda heard: heard.states[-1:] == [wire.OFFLINE])
    (birth,) = listener.births
    assert [sensor.sensor for sensor in birth.inventory] == ["box", "probe-1"]
    assert [channel.name for channel in birth.inventory[1].channels] == ["a", "b", "c"]
    assert listener.states == [wire.ONLINE, wire.OFFLINE]
    assert [frame.seq for frame in listener.frames] == list(range(1, len(listener.frames) + 1))
    assert {frame.epoch for frame in listener.frames} == {birth.epoch}
    marks = {str(mark) for frame in listener.frames for s in frame.series if s.sensor == "probe-1" for mark in s.q}
    assert {x for _, x in listener.values("probe-1", "a")} == {10}, marks
    assert not any(frame.late for frame in listener.frames)


async def test_register_change_is_published_within_poll_and_publish_interval(
    tmp_path: Path, hub: str, mosquitto: tuple[str, int], line: Line
) -> None:
    async with listening(mosquitto, hub) as listener:
        agent = agent_in(tmp_path, hub, mosquitto, line)
        try:
            await listener.until(lambda heard: heard.values("probe-1", "a"))
            delays = []
            for value in range(1000, 1010):
                line.units[1].registers[1], began = value, time.monotonic()
                await listener.until(partial(shows, value=value))
                delays.append(time.monotonic() - began)
                await asyncio.sleep(0.013 * (value % 7))
        finally:
            await agent.stop()
    # 200 ms poll and 100 ms publish interval; the rest is for two processes on a busy machine.
    assert statistics.median(delays) < 3


async def test_killed_agent_loses_nothing_it_had_cut_and_numbers_go_on(
    tmp_path: Path, hub: str, mosquitto: tuple[str, int], line: Line
) -> None:
    async with listening(mosquitto, hub) as listener:
        agent = agent_in(tmp_path, hub, mosquitto, line)
        try:
            for life in range(3):
                await listener.until(partial(five_more, than=numbers(listener), packed=life % 2 == 1))
                agent.kill()
                # The other version from here on: what is on the disk goes out as it was written.
                configured(tmp_path, hub, mosquitto, line, 'wire = "packed"' if life % 2 == 0 else "")
                agent.restart()
            await listener.until(partial(five_more, than=numbers(listener), packed=True))
        finally:
            assert await agent.stop() == 0, agent.log
        await listener.until(whole)
    assert 10 <= listener.packed <= len(listener.frames) - 10
    assert len({frame.epoch for frame in listener.frames}) == 1
    assert wire.OFFLINE in listener.states, "the last will was sent"
    assert no_value_twice(listener)


async def test_cut_link_makes_backlog_that_comes_late_after_live_frames(
    tmp_path: Path, hub: str, mosquitto: tuple[str, int], line: Line
) -> None:
    async with listening(mosquitto, hub) as listener, Proxy(*mosquitto) as proxy:
        agent = agent_in(tmp_path, hub, proxy.address, line, 'wire = "packed"')
        try:
            await listener.until(lambda heard: len(heard.frames) > 5)
            await proxy.refuse()
            await asyncio.sleep(4)
            cut = len(listener.frames)
            await proxy.heal()
            await listener.until(lambda heard: any(frame.late for frame in heard.frames))
            await listener.until(whole)
        finally:
            await agent.stop()
    assert listener.packed == len(listener.frames)
    late = [frame for frame in listener.frames if frame.late]
    assert len(late) >= 10, "four seconds of 100 ms, less the two that still count as live"
    assert not listener.frames[cut].late or not listener.frames[cut + 1].late, "live frames are not held up"
    assert no_value_twice(listener)
    gaps = [b - a for (a, _), (b, _) in itertools.pairwise(sorted(set(listener.values("probe-1", "a"))))]
    assert max(gaps) < 3_000_000, "reading went on while the link was down"


async def test_killed_broker_costs_nothing(tmp_path: Path, hub: str, make_mosquitto: MakeMosquitto, line: Line) -> None:
    broker: OwnMosquitto = make_mosquitto()
    address = (broker.host, broker.port)
    async with listening(address, hub) as listener:
        agent = agent_in(tmp_path, hub, address, line)
        try:
            await listener.until(lambda heard: len(heard.frames) > 5)
            broker.kill()
            await asyncio.sleep(1)
            broker.start()
            seen = len(listener.frames)
            await listener.until(lambda heard: len(heard.frames) > seen + 10)
            await listener.until(whole)
        finally:
            await agent.stop()
    assert no_value_twice(listener)


async def test_unreachable_broker_fills_the_spool_and_the_bound_is_declared(
    tmp_path: Path, hub: str, mosquitto: tuple[str, int], line: Line
) -> None:
    config = tmp_path / "agent.toml"
    text = config_text(hub, ("127.0.0.1", 9), tmp_path / "spool", line.port)
    small = text.replace("[spool]", "[spool]\nmax_bytes = 1_048_576\nsegment_bytes = 65_536")
    config.write_text(small.replace("publish_interval_ms = 100", "publish_interval_ms = 20"), encoding="utf-8")
    line.units[1].registers.update({1: 1, 2: 2, 5: 5})
    agent = AgentProcess(config)
    try:
        await eventually(lambda: "connection lost" in agent.log)
        await asyncio.sleep(2)
        assert agent.process.poll() is None, agent.log
    finally:
        assert await agent.stop() == 0, agent.log
    assert "connection lost" in agent.log
    assert sum(file.stat().st_size for file in (tmp_path / "spool").iterdir()) <= 1_048_576
    async with listening(mosquitto, hub) as listener:
        again = AgentProcess(config, "--host", mosquitto[0], "--port", str(mosquitto[1]))
        try:
            await listener.until(lambda heard: any(frame.late for frame in heard.frames))
            await listener.until(whole)
        finally:
            await again.stop()


async def test_agent_with_nothing_to_say_sends_a_frame_every_ten_seconds(
    tmp_path: Path, hub: str, mosquitto: tuple[str, int]
) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(
        f'hub = "{hub}"\nagent = "idle"\n[mqtt]\nhost = "{mosquitto[0]}"\nport = {mosquitto[1]}\n'
        f'[spool]\ndirectory = "{tmp_path / "spool"}"\n',
        encoding="utf-8",
    )
    async with listening(mosquitto, hub) as listener:
        agent = AgentProcess(config)
        try:
            await listener.until(lambda heard: len(heard.frames) >= 3, 60)
        finally:
            await agent.stop()
    sent = [frame.sent for frame in listener.frames]
    assert max(b - a for a, b in itertools.pairwise(sent)) < 11_000_000


async def test_reload_takes_up_a_good_change_and_keeps_the_last_good_on_a_bad_one(
    tmp_path: Path, hub: str, mosquitto: tuple[str, int], line: Line
) -> None:
    config, last_good = tmp_path / "agent.toml", tmp_path / "state" / "last-good.toml"
    text = config_text(hub, mosquitto, tmp_path / "spool", line.port)
    config.write_text(text, encoding="utf-8")
    async with listening(mosquitto, hub) as listener:
        agent = AgentProcess(config, "--last-good", str(last_good))
        try:
            await listener.until(lambda heard: heard.values("probe-1", "a"))
            config.write_text(text.replace('"probe-1"', '"probe-2"'), encoding="utf-8")
            await listener.until(lambda heard: heard.values("probe-2", "a"))
            assert [sensor.sensor for sensor in listener.births[-1].inventory] == ["box", "probe-2"]
            config.write_text("this is no TOML", encoding="utf-8")
            await asyncio.sleep(1.5)
            seen = len(listener.values("probe-2", "a"))
            await listener.until(lambda heard: len(heard.values("probe-2", "a")) > seen + 3)
            assert "last good one stays in force" in agent.log
            agent.kill()
            agent.restart()
            await listener.until(lambda heard: "started with the last good one" in agent.log)
            seen = len(listener.values("probe-2", "a"))
            await listener.until(lambda heard: len(heard.values("probe-2", "a")) > seen + 3)
        finally:
            await agent.stop()


async def test_heartbeat_tells_of_the_agent_itself(
    tmp_path: Path, hub: str, mosquitto: tuple[str, int], line: Line
) -> None:
    async with listening(mosquitto, hub) as listener:
        agent = agent_in(tmp_path, hub, mosquitto, line)
        try:
            await listener.until(lambda heard: len(heard.values("box", "rss")) >= 3)
        finally:
            await agent.stop()
    assert 20 < (listener.values("box", "rss")[-1][1] or 0) < 120
    assert listener.values("box", "spool_hours")[-1][1]
    assert listener.values("box", "delay.probe-1")
    assert json.loads(wire.encode(listener.births[0]))["inventory"][0]["kind"] == "process"
