"""What a whole agent drops is scraped from it, and what its drivers must remember stands beside its spool."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

from prometheus_client import generate_latest

from hubwatch_agents.agent import Agent
from hubwatch_agents.config.load import check
from hubwatch_core.concurrency import drain
from hubwatch_core.process import Context
from support.agents_rig import settings_of
from support.agents_transports import Voice
from support.eventually import eventually


async def test_repeated_event_is_counted_for_its_sensor_and_its_number_kept(
    mosquitto: tuple[str, int], tmp_path: Path
) -> None:
    root = f"drops/{time.time_ns():x}"
    broker = {"host": mosquitto[0], "port": mosquitto[1]}
    door = {"sensor": "door-1", "profile": "uhppoted-door", "parameters": {"root": root, "device": 9, "door": 1}}
    settings = settings_of(
        {"name": "b", "transport": "mqtt", **broker}, [door], spool={"directory": str(tmp_path)}, mqtt=broker
    )
    context, stop = Context.make("test"), asyncio.Event()
    agent = Agent(check(settings, "test"), context)
    voice = Voice(mosquitto, f"voice-{root.replace('/', '-')}")
    driving, speaking = asyncio.create_task(agent.drive(stop)), asyncio.create_task(voice.run())
    event = {"device-id": 9, "event-id": 7, "door-id": 1, "card-number": 1, "access-granted": True, "event-reason": 1}

    async def counted() -> bool:
        await voice.say(f"{root}/events/live", json.dumps({"message": {"event": event}}).encode())
        page = generate_latest(context.registry).decode()
        return 'hubwatch_agents_dropped_total{cause="repeated",sensor="door-1"}' in page

    try:
        await eventually(counted)
    finally:
        stop.set()
        await driving
        await drain([speaking])
        agent.uplink.store.close()
    kept = json.loads((tmp_path / "marks.json").read_text())
    assert kept[f"events {root} 9"]["last"] == 7
    again = Agent(check(settings, "test"), Context.make("test"))
    again.uplink.store.close()
