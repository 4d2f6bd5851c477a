"""A killed Mosquitto forgets shared subscriptions and keeps plain ones: collectors must miss nothing all the same."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from hubwatch_collector.intake import mqtt_filters
from hubwatch_collector.settings import CollectorSettings, IntakeSection
from hubwatch_core import topics
from hubwatch_core.concurrency import drain
from hubwatch_core.config import MqttSection
from hubwatch_core.mqtt import MqttLink, MqttSession
from hubwatch_core.topics import Leaf
from support.agents_modbus_device import Line, Unit
from support.agents_process import Address, AgentProcess, Listener, config_text
from support.collector_answers import answering, note
from support.fix_mqtt import MakeMosquitto

HUB = "harbour"
COLLECTORS = ("collector-a", "collector-b")
DETECTORS = (topics.every(Leaf.FRAME),)
GROUP = mqtt_filters(CollectorSettings(intake=IntakeSection(group="collector", client_id="x")))


@asynccontextmanager
async def subscriber(address: Address, client_id: str, filters: tuple[str, ...], into: Listener) -> AsyncIterator[None]:
    """Take what comes inside the context, in a session the broker keeps; leaves without a word."""
    ready = asyncio.Event()

    async def use(link: MqttLink) -> None:
        await link.subscribe(*filters)
        ready.set()
        async with answering(link) as answers:
            while True:
                messages = await link.receive(1000, 1.0)
                for message in messages:
                    into.take(message.topic, message.payload)
                    link.ack(message)
                if filters is not DETECTORS:
                    note(answers, messages)

    section = MqttSection(host=address[0], port=address[1], max_reconnect_s=0.3)
    session = MqttSession(section, client_id=client_id, persistent=True, manual_ack=True)
    task = asyncio.create_task(session.run(use))
    async with asyncio.timeout(60):
        await ready.wait()
    try:
        yield
    finally:
        await drain([task])


@asynccontextmanager
async def both(address: Address, into: Listener) -> AsyncIterator[None]:
    """Run two collectors of one group inside the context."""
    async with AsyncExitStack() as stack:
        for name in COLLECTORS:
            await stack.enter_async_context(subscriber(address, name, GROUP, into))
        yield


def agent_in(folder: Path, address: Address, line: Line, more: str = "") -> AgentProcess:
    config = folder / "agent.toml"
    config.write_text(config_text(HUB, address, folder / "spool", line.port, more), encoding="utf-8")
    return AgentProcess(config)


def last_number(listener: Listener) -> int:
    return max(frame.seq for frame in listener.frames)


@pytest.mark.parametrize("away_s", [0.0, 4.0], ids=["at once", "later"])
async def test_group_of_collectors_misses_nothing_when_the_broker_is_killed(
    tmp_path: Path, make_mosquitto: MakeMosquitto, away_s: float
) -> None:
    broker = make_mosquitto()
    address = (broker.host, broker.port)
    collected, detected = Listener(), Listener()
    async with Line({1: Unit()}).over_tcp() as line, subscriber(address, "detectors", DETECTORS, detected):
        async with both(address, collected):
            agent = agent_in(tmp_path, address, line)
            await collected.until(lambda heard: len(heard.frames) > 5)
        broker.kill()
        await asyncio.sleep(0.5)
        broker.start()
        seen = len(detected.frames)
        if away_s:
            await asyncio.sleep(away_s)
            await detected.until(lambda heard: len(heard.frames) > seen + 5)  # not blind while collectors are away
        async with both(address, collected):
            try:
                await detected.until(lambda heard: len(heard.frames) > seen + 40)
                here = last_number(detected)
                await collected.until(lambda heard: last_number(heard) >= here and not heard.missing())
            finally:
                assert await agent.stop() == 0, agent.log
    assert not detected.missing()


async def test_agent_that_comes_back_alone_sends_little_again(tmp_path: Path, make_mosquitto: MakeMosquitto) -> None:
    broker = make_mosquitto()
    address = (broker.host, broker.port)
    collected = Listener()
    async with Line({1: Unit()}).over_tcp() as line, both(address, collected):
        agent = agent_in(tmp_path, address, line)
        try:
            await collected.until(lambda heard: len(heard.frames) > 20)
            began = time.monotonic()
            agent.kill()
            agent.restart()
            seen = last_number(collected)
            await collected.until(lambda heard: last_number(heard) > seen + 30 and not heard.missing())
            assert time.monotonic() - began < 15
        finally:
            assert await agent.stop() == 0, agent.log
    again = len(collected.frames) - len({(frame.epoch, frame.seq) for frame in collected.frames})
    assert again <= seen, "what was not settled comes once more, and nothing twice more"
