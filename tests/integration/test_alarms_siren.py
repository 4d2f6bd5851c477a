"""The MQTT route against a real broker: what a siren hears, and what is no delivery."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.message import AlarmMessage
from hubwatch_alarms.notify.siren import MqttRoute, MqttRouteSection
from hubwatch_core.alarm import Action
from hubwatch_core.delivery import DeliveryOutcome, DeliveryResult
from hubwatch_core.mqtt import MqttSession
from hubwatch_core.words import AlarmState
from support.alarms_examples import START_US, alarm
from support.kept_link import kept, reaching, unique
from support.ports import free_port

TAKEN = DeliveryOutcome(DeliveryResult.DELIVERED)


def message(hub: str, state: AlarmState = AlarmState.UNACKNOWLEDGED) -> AlarmMessage:
    about = replace(alarm(state=state), hub=hub)
    instruction = Instructions.load().of("radiation.gamma")
    return AlarmMessage("01JD3Z00000000000000000009", Action.OPENED, START_US, "system", None, about, instruction)


def section(address: tuple[str, int], **more: Any) -> MqttRouteSection:
    return MqttRouteSection(name="siren", kind="mqtt", client_id=unique(), mqtt=reaching(address), **more)


def session(address: tuple[str, int]) -> MqttSession:
    return MqttSession(reaching(address), client_id=unique())


async def delivered(route: MqttRoute, what: AlarmMessage) -> DeliveryOutcome:
    """Deliver, again while the session is only about to connect."""
    async with asyncio.timeout(60):
        while True:
            outcome = await route.deliver(what)
            if outcome.error is None or "not connected" not in outcome.error:
                return outcome
            await asyncio.sleep(0.02)


async def test_siren_hears_how_the_alarm_stands_also_when_it_comes_later(mosquitto: tuple[str, int]) -> None:
    hub = unique()
    topic = f"hubwatch/1/{hub}/alarms/41"
    async with AsyncExitStack() as stack:
        siren = await stack.enter_async_context(kept(session(mosquitto)))
        link = await siren.next()
        await link.subscribe(f"hubwatch/1/{hub}/alarms/+")
        route = await stack.enter_async_context(section(mosquitto).open())
        assert await delivered(route, message(hub)) == TAKEN
        (heard,) = await link.receive(1, 20)
        body = json.loads(heard.payload)
        assert (heard.topic, body["sound"], body["alarm"]["priority"]) == (topic, True, 1)
        later = await (await stack.enter_async_context(kept(session(mosquitto)))).next()
        await later.subscribe(topic)
        (kept_word,) = await later.receive(1, 20)
        assert json.loads(kept_word.payload)["sound"] is True
        assert await route.deliver(message(hub, AlarmState.NORMAL)) == TAKEN
        last = [each.payload for _ in range(2) for each in await link.receive(1, 20)]
        assert json.loads(last[0])["sound"] is False
        assert last[1] == b""


async def test_alarm_that_no_siren_hears_is_not_delivered(mosquitto: tuple[str, int]) -> None:
    hub = unique()
    async with section(mosquitto).open() as route:
        outcome = await delivered(route, message(hub))
        assert outcome == DeliveryOutcome(
            DeliveryResult.TRANSIENT, error=f"nobody has subscribed to hubwatch/1/{hub}/alarms/41"
        )
        await route.deliver(message(hub, AlarmState.NORMAL))  # takes the kept word away


async def test_broker_that_is_away_is_tried_again() -> None:
    async with section(("127.0.0.1", free_port())).open() as route:
        outcome = await route.deliver(message("rotterdam"))
    assert (outcome.result, outcome.error) == (DeliveryResult.TRANSIENT, "not connected yet")
