"""Every MQTT pitfall as messages of a device, through a real broker and the real driver."""

from __future__ import annotations

import asyncio
import time
import tomllib
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hubwatch_agents.tasks import end
from hubwatch_core.clock import to_us
from hubwatch_core.words import Quality
from support.agents_rig import Heard, driving
from support.agents_transports import Voice

CASES = sorted((Path(__file__).parents[1] / "cases" / "agents_faults" / "mqtt").glob("*.toml"))


def case_of(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def as_expected(heard: Heard, expected: dict[str, Any]) -> bool:
    if "event" in expected:
        return [h.type for h in heard.happenings].count(expected["event"]) == int(expected["times"])
    channel = expected.get("channel", "x")
    last = heard.last("talker-1", channel)
    device = expected.get("device")
    return bool(
        last is not None
        and last.x == expected.get("value")
        and last.quality is Quality[expected["quality"].upper()]
        and expected.get("reason", "") in (last.reason or "")
        and (device is None or last.device == to_us(datetime.fromisoformat(device)))
        and len(heard.of("talker-1", channel)) == expected.get("times", len(heard.of("talker-1", channel)))
    )


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
async def test_pitfall_is_seen_for_what_it_is(path: Path, mosquitto: tuple[str, int]) -> None:
    case = case_of(path)
    mark = f"{time.time_ns():x}"
    root = f"talker/{mark}"
    voice = Voice(mosquitto, f"voice-{mark}")
    speaking = asyncio.create_task(voice.run())
    try:
        for each in (each for each in case["say"] if each.get("before")):
            await say(voice, each, root)
        connection = {"name": "broker", "transport": "mqtt", "host": mosquitto[0], "port": mosquitto[1]}
        devices = [{"sensor": "talker-1", "profile": "talker", "parameters": {"root": root}}]
        async with driving(connection, devices, f"driver-{mark}") as (heard, _):
            await asyncio.sleep(0.3)  # subscribed: what is retained has come, the rest is live
            for each in (each for each in case["say"] if not each.get("before")):
                await say(voice, each, root)
            for expected in case["expect"]:
                await heard.until(partial(as_expected, expected=expected), 3)
            await asyncio.sleep(0.2)
            assert all(as_expected(heard, expected) for expected in case["expect"]), "and it stays so"
    finally:
        for each in case["say"]:
            if each.get("retain"):
                await voice.say(each["topic"].format(root=root), b"", retain=True)
        await end(speaking)


async def say(voice: Voice, each: dict[str, Any], root: str) -> None:
    payload = bytes.fromhex(each["hex"]) if "hex" in each else each["payload"].encode()
    await voice.say(each["topic"].format(root=root), payload, retain=each.get("retain", False))
