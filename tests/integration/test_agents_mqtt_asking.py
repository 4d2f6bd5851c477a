"""Devices that must be asked, through a real broker: one request at a time, and events that were missed."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hubwatch_agents.config.load import check
from hubwatch_agents.drivers import contract, registry
from hubwatch_agents.drivers.checkpoints import Checkpoints
from hubwatch_agents.drivers.drops import Cause
from hubwatch_agents.drivers.mqtt import backfill
from hubwatch_agents.drivers.mqtt.driver import MqttDriver
from hubwatch_agents.readings import SensorEvent
from hubwatch_agents.values import pseudonyms
from hubwatch_core.concurrency import drain
from support.agents_rig import Heard, settings_of
from support.agents_transports import Voice
from support.eventually import eventually

CONTROLLER = 405419896
_marks = itertools.count()

Address = tuple[str, int]


@asynccontextmanager
async def agent(broker: Address, devices: list[dict[str, Any]], mark: str, marks: Checkpoints) -> AsyncIterator[Heard]:
    """Run the driver inside the context, with marks of its own; once it listens, the context begins."""
    connection = {"name": "broker", "transport": "mqtt", "host": broker[0], "port": broker[1]}
    settings = settings_of(connection, devices)
    heard, stop = Heard(), asyncio.Event()
    tools = contract.DriverContext(heard, pseudonyms.raw, f"agent-{mark}", heard.drops, marks)
    driver = registry.make(settings.connections[0], check(settings, "test").devices, tools)
    task = asyncio.create_task(driver.run(stop))
    try:
        assert isinstance(driver, MqttDriver)
        await eventually(lambda: driver.listens)
        await asyncio.sleep(0.4)
        yield heard
        assert not task.done(), "the driver ended by itself"
    finally:
        stop.set()
        async with asyncio.timeout(60):
            await task


class Controller:
    """A door controller behind uhppoted-mqtt: it numbers its events, tells them live, and gives them when asked."""

    def __init__(self, broker: Address, mark: str) -> None:
        self.root = f"uhppoted/{mark}"
        self.events: dict[int, dict[str, Any]] = {}
        self.forgotten: set[int] = set()
        self.silent = False
        self.asked: list[Any] = []
        self.retained_requests = 0
        self._voice = Voice(broker, f"controller-{mark}")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Controller]:
        listening = asyncio.create_task(self._voice.run(f"{self.root}/requests/#"))
        answering = asyncio.create_task(self._answer_for_ever())
        try:
            await self._voice.listens()
            yield self
        finally:
            await drain([listening, answering])

    def happens(self, number: int, door: int = 1) -> dict[str, Any]:
        """Something happens, and nobody hears of it."""
        self.events[number] = {
            "device-id": CONTROLLER, "event-id": number, "access-granted": True, "door-id": door, "direction": 1,
            "card-number": 1000 + number, "timestamp": f"2026-11-21 12:00:{number % 60:02}", "event-reason": 1,
        }  # fmt: skip
        return self.events[number]

    async def tells(self, number: int, door: int = 1) -> None:
        """Something happens and is told live."""
        message = {"message": {"event": self.happens(number, door)}}
        await self._voice.say(f"{self.root}/events/live", json.dumps(message).encode())

    async def _answer_for_ever(self) -> None:
        while True:
            message = await self._voice.heard.get()
            request = json.loads(message.payload)["message"]["request"]
            self.asked.append(request["event-index"])
            self.retained_requests += message.retain
            if not self.silent:
                await self._answer(request)

    async def _answer(self, request: dict[str, Any]) -> None:
        index = max(self.events, default=0) if request["event-index"] == "last" else request["event-index"]
        response: dict[str, Any] = {"device-id": request["device-id"]}
        if index in self.events and index not in self.forgotten:
            response["event"] = self.events[index]
        reply = {"message": {"reply": {"request-id": request["request-id"], "response": response}}}
        await self._voice.say(request["reply-to"], json.dumps(reply).encode())


@pytest.fixture
async def controller(mosquitto: Address) -> AsyncIterator[Controller]:
    async with Controller(mosquitto, mark()).running() as one:
        yield one


def mark() -> str:
    return f"{time.time_ns():x}-{next(_marks)}"


def door(controller: Controller, number: int = 1) -> dict[str, Any]:
    parameters = {"root": controller.root, "device": CONTROLLER, "door": number}
    return {"sensor": f"door-{number}", "profile": "uhppoted-door", "parameters": parameters}


def ids(events: list[SensorEvent], *, late: bool) -> list[int]:
    return [each.attrs["event_id"] for each in events if each.type == "access.granted" and each.late is late]


async def test_events_missed_while_the_agent_was_away_are_fetched_after_its_restart(
    controller: Controller, mosquitto: Address, tmp_path: Path
) -> None:
    name = mark()
    async with agent(mosquitto, [door(controller)], name, Checkpoints(tmp_path / "marks.json")) as heard:
        await controller.tells(10)
        await heard.until(lambda h: ids(h.events, late=False) == [10])
    controller.happens(11)
    controller.happens(12)
    async with agent(mosquitto, [door(controller)], name, Checkpoints(tmp_path / "marks.json")) as heard:
        await heard.until(lambda h: sorted(ids(h.events, late=True)) == [11, 12])
        await controller.tells(13)
        await heard.until(lambda h: ids(h.events, late=False) == [13])
    assert all(each.t == each.device for each in heard.events if each.late)
    assert controller.retained_requests == 0


async def test_event_heard_just_before_a_crash_is_fetched_again_and_none_is_skipped(
    controller: Controller, mosquitto: Address, tmp_path: Path
) -> None:
    name, path, crashed = mark(), tmp_path / "marks.json", tmp_path / "crashed.json"
    async with agent(mosquitto, [door(controller)], name, Checkpoints(path)) as heard:
        await controller.tells(10)
        await heard.until(lambda _: path.exists())
        await controller.tells(11)
        await heard.until(lambda h: ids(h.events, late=False) == [10, 11])
        crashed.write_bytes(path.read_bytes())  # what the disk holds if the agent dies now
    async with agent(mosquitto, [door(controller)], name, Checkpoints(crashed)) as heard:
        await heard.until(lambda h: ids(h.events, late=True) == [11])


async def test_first_start_fetches_nothing(controller: Controller, mosquitto: Address) -> None:
    controller.happens(40)
    async with agent(mosquitto, [door(controller)], mark(), Checkpoints()) as heard:
        await controller.tells(41)
        await heard.until(lambda h: ids(h.events, late=False) == [41])
        await controller.tells(42)
        await heard.until(lambda h: ids(h.events, late=False) == [41, 42])
    assert controller.asked == ["last"]
    assert ids(heard.events, late=True) == []


async def test_silent_controller_does_not_stop_live_events_and_is_asked_again(
    controller: Controller, mosquitto: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "MAX_PAUSE_S", 0.1)
    async with agent(mosquitto, [door(controller)], mark(), Checkpoints()) as heard:
        await controller.tells(1)
        controller.silent = True
        controller.happens(2)
        for number in (3, 4, 5):
            await controller.tells(number)
        await heard.until(lambda h: ids(h.events, late=False) == [1, 3, 4, 5])
        await heard.until(lambda _: 2 in controller.asked)
        controller.silent = False
        await heard.until(lambda h: ids(h.events, late=True) == [2])
    assert heard.drops.count("door-1", Cause.NOT_RECOVERED) == 0


async def test_event_the_controller_has_no_more_is_told_as_lost_and_the_others_fetched(
    controller: Controller, mosquitto: Address
) -> None:
    async with agent(mosquitto, [door(controller)], mark(), Checkpoints()) as heard:
        await controller.tells(1)
        controller.happens(2)
        controller.happens(3)
        controller.forgotten.add(2)
        await controller.tells(4)
        await heard.until(lambda h: ids(h.events, late=True) == [3])
    (lost,) = [each for each in heard.events if each.type == backfill.EVENTS_LOST]
    assert (lost.attrs["first"], lost.attrs["last"], lost.attrs["reason"]) == (2, 2, "the device has it no more")
    assert heard.drops.count("door-1", Cause.NOT_RECOVERED) == 1


async def test_doors_of_one_controller_share_the_fetching_and_each_gets_its_own(
    controller: Controller, mosquitto: Address
) -> None:
    async with agent(mosquitto, [door(controller, 1), door(controller, 2)], mark(), Checkpoints()) as heard:
        await controller.tells(1, door=2)
        controller.happens(2, door=1)
        controller.happens(3, door=2)
        await controller.tells(4, door=1)
        await heard.until(lambda h: sorted(ids(h.events, late=True)) == [2, 3])
    found = {each.attrs["event_id"]: each.sensor for each in heard.events}
    assert found == {1: "door-2", 2: "door-1", 3: "door-2", 4: "door-1"}
    assert controller.asked == ["last", 2, 3]


async def test_fetching_is_paced(controller: Controller, mosquitto: Address) -> None:
    async with agent(mosquitto, [door(controller)], mark(), Checkpoints()) as heard:
        await controller.tells(1)
        for number in range(2, 7):
            controller.happens(number)
        began = time.monotonic()
        await controller.tells(7)
        await heard.until(lambda h: ids(h.events, late=True) == [2, 3, 4, 5, 6])
    assert time.monotonic() - began >= 4 * 0.2, "200 ms of quiet between two requests"


async def test_instruments_of_one_server_are_asked_one_at_a_time(mosquitto: Address) -> None:
    name = mark()
    voice, group = Voice(mosquitto, f"server-{name}"), f"sarad-{name}"
    outstanding, most = 0, 0

    async def serve() -> None:
        nonlocal outstanding, most
        async with asyncio.TaskGroup() as answers:
            while True:
                message = await voice.heard.get()
                outstanding += 1
                most = max(most, outstanding)
                answers.create_task(answer(message.topic, json.loads(message.payload)))

    async def answer(topic: str, request: dict[str, Any]) -> None:
        nonlocal outstanding
        await asyncio.sleep(0.05)
        outstanding -= 1
        reply = {"status": 0, "client": request["client"], "value": 7.0}
        await voice.say(topic.replace("/control", "/value"), json.dumps(reply).encode())

    devices = [
        {
            "sensor": f"radon-{i}", "profile": "sarad-regserver-mqtt", "period_ms": 100,
            "parameters": {"group": group, "server": "s", "instrument": f"i{i}"},
        }
        for i in range(3)
    ]  # fmt: skip
    tasks = [asyncio.create_task(voice.run(f"{group}/+/+/control")), asyncio.create_task(serve())]
    try:
        await voice.listens()
        async with agent(mosquitto, devices, name, Checkpoints()) as heard:
            await heard.until(lambda h: all(len(h.of(f"radon-{i}")) >= 3 for i in range(3)))
    finally:
        await drain(tasks)
    assert most == 1
    assert {each.x for each in heard.readings if each.x is not None} == {7.0}
