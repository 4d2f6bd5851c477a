"""A simulated MQTT device that answers what it is asked, as a fixture says (see cases/profiles)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from hubwatch_agents.drivers.mqtt import paths
from hubwatch_core.concurrency import drain
from hubwatch_core.config import MqttSection
from hubwatch_core.mqtt import MqttLink, MqttSession
from support.profile_cases import Answer, Case


class Answering:
    """The device; `answers` may be changed while it runs, and what it was asked is kept in `asked`."""

    def __init__(self, topics: set[str]) -> None:
        self.answers: tuple[Answer, ...] = ()
        self.asked: list[Any] = []
        self.ready = asyncio.Event()
        self._topics = topics

    async def speak(self, link: MqttLink) -> None:
        """Answer for ever."""
        await link.subscribe(*sorted(self._topics))
        self.ready.set()
        while True:
            for message in await link.receive(100, 1.0):
                await self._answer(link, message.topic, json.loads(message.payload))

    async def _answer(self, link: MqttLink, topic: str, request: Any) -> None:
        self.asked.append(request)
        for answer in self.answers:
            if answer.asked == topic and all(paths.at(request, key) == value for key, value in answer.where.items()):
                payload = answer.payload.replace("<token>", str(paths.at(request, answer.token)))
                await link.publish(answer.topic, payload.encode())
                return


@asynccontextmanager
async def answering(broker: MqttSection, case: Case) -> AsyncIterator[Answering]:
    """Run the device of a case, where it has one that answers."""
    device = Answering({answer.asked for step in case.steps for answer in step.answers})
    if not any(step.answers for step in case.steps):
        yield device
        return
    device.answers = case.steps[0].answers
    task = asyncio.create_task(MqttSession(broker, client_id="answering", name="answering").run(device.speak))
    try:
        await device.ready.wait()
        yield device
    finally:
        await drain([task])
