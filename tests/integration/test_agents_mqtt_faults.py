"""Every MQTT pitfall as messages of a device, through a real broker and the real driver.

A case is a file: what the device says (`say`, with `before` the agent has come; `repeat` puts in what is too long to
write), how it answers (`answer`), and what must come of it (`expect`): a channel's last reading, that there is `none`,
an event and how often, or how many messages were `dropped` and why.
"""

from __future__ import annotations

import asyncio
import json
import time
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hubwatch_agents.drivers.drops import Cause
from hubwatch_agents.drivers.mqtt.driver import MqttDriver
from hubwatch_core.clock import to_us
from hubwatch_core.concurrency import drain
from hubwatch_core.words import Quality
from support.agents_rig import Heard, driving
from support.agents_transports import Voice
from support.eventually import eventually

CASES = sorted((Path(__file__).parents[1] / "cases" / "agents_faults" / "mqtt").glob("*.toml"))
SENSOR = "talker-1"


def case_of(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def as_expected(heard: Heard, expected: dict[str, Any]) -> bool:
    if "event" in expected:
        return events_as_expected(heard, expected)
    if "dropped" in expected:
        count = heard.drops.count(SENSOR, Cause(expected["dropped"]))
        return count >= int(expected["at_least"]) if "at_least" in expected else count == int(expected["times"])
    if "none" in expected:
        return not heard.of(SENSOR, expected["channel"])
    return reading_as_expected(heard, expected)


def reading_as_expected(heard: Heard, expected: dict[str, Any]) -> bool:
    channel = expected.get("channel", "x")
    last = heard.last(SENSOR, channel)
    device = expected.get("device")
    return bool(
        last is not None
        and last.x == expected.get("value")
        and last.quality is Quality[expected["quality"].upper()]
        and expected.get("reason", "") in (last.reason or "")
        and (device is None or last.device == moment(device))
        and len(heard.of(SENSOR, channel)) == expected.get("times", len(heard.of(SENSOR, channel)))
    )


def events_as_expected(heard: Heard, expected: dict[str, Any]) -> bool:
    found = [each for each in heard.events if each.type == expected["event"]]
    wanted = expected.get("attrs", {})
    chars = expected.get("attrs_chars", {})
    return len(found) == int(expected["times"]) and all(
        {name: each.attrs.get(name) for name in wanted} == wanted
        and {name: len(each.attrs[name]) for name in chars} == chars
        and ("device" not in expected or each.device == moment(expected["device"]))
        and ("subject" not in expected or (each.subject or "") == expected["subject"])
        for each in found
    )


def moment(text: str) -> int | None:
    return None if text == "none" else to_us(datetime.fromisoformat(text))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
async def test_pitfall_is_seen_for_what_it_is(path: Path, mosquitto: tuple[str, int]) -> None:
    case = case_of(path)
    says = case.get("say", [])
    mark = f"{time.time_ns():x}"
    root = f"talker/{mark}"
    connection = {"name": "broker", "transport": "mqtt", "host": mosquitto[0], "port": mosquitto[1]}
    parameters = {"root": root, **case.get("parameters", {})}
    devices = [{"sensor": SENSOR, "profile": case.get("profile", "talker"), "parameters": parameters}]
    async with device_of(case, mosquitto, mark, root) as voice:
        for each in (each for each in says if each.get("before")):
            await say(voice, each, root)
        async with driving(connection, devices, f"driver-{mark}") as (heard, driver):
            assert isinstance(driver, MqttDriver)
            await eventually(lambda: driver.listens)  # the rest is live
            for each in (each for each in says if not each.get("before")):
                await say(voice, each, root)
            for expected in case["expect"]:
                await heard.until(partial(as_expected, expected=expected))
            await asyncio.sleep(0.2)
            assert all(as_expected(heard, expected) for expected in case["expect"]), "and it stays so"


@asynccontextmanager
async def device_of(case: dict[str, Any], broker: tuple[str, int], mark: str, root: str) -> AsyncIterator[Voice]:
    """Return the voice of the device, which answers where the case says so; takes back what it has retained."""
    voice = Voice(broker, f"voice-{mark}")
    tasks = [asyncio.create_task(voice.run(f"{root}/ask"))]
    if "answer" in case:
        tasks.append(asyncio.create_task(answer_for_ever(voice, case["answer"], f"{root}/reply")))
    try:
        await voice.listens()
        yield voice
    finally:
        for each in case.get("say", []):
            if each.get("retain"):
                await voice.say(each["topic"].format(root=root), b"", retain=True)
        await drain(tasks)


async def answer_for_ever(voice: Voice, answer: dict[str, Any], topic: str) -> None:
    while True:
        asked = json.loads((await voice.heard.get()).payload)
        await asyncio.sleep(answer.get("after_s", 0))
        reply = {"mark": answer.get("mark", asked["mark"]["is"]), "x": answer.get("x")}
        if answer.get("nothing"):
            del reply["x"]
        payload = json.dumps(reply).encode()
        await voice.say(topic, payload[: len(payload) // 2] if answer.get("cut") else payload)


async def say(voice: Voice, each: dict[str, Any], root: str) -> None:
    await asyncio.sleep(each.get("pause_s", 0))
    text = each.get("payload", "")
    for place, (what, times) in each.get("repeat", {}).items():
        text = text.replace(place, what * times)
    payload = bytes.fromhex(each["hex"]) if "hex" in each else text.encode()
    await voice.say(each["topic"].format(root=root), payload, retain=each.get("retain", False))
