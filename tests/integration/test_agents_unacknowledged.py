"""A broker that takes messages, answers pings, and acknowledges nothing: the uplink is not held up for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hubwatch_agents.uplink import publisher
from hubwatch_core.mqtt import MqttSession
from support.agents_sender import sender_settings, sending
from support.eventually import eventually
from support.kept_link import kept, reaching, unique
from support.refusing_broker import RefusingBroker

LEFT = "the broker has acknowledged no message for"


async def test_agent_connects_anew_also_before_it_has_said_hello(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient_s = publisher.ACKNOWLEDGED_S
    monkeypatch.setattr(publisher, "LOOK_S", 0.05)
    monkeypatch.setattr(publisher, "ACKNOWLEDGED_S", 0.2)
    broker = RefusingBroker("said", b"x", acknowledges=False)
    async with broker.running():
        settings = sender_settings(tmp_path / "spool", {"host": "127.0.0.1", "port": broker.port})
        async with sending(settings) as sender:
            await eventually(lambda: sender.says(LEFT))
            broker.acknowledges = True
            monkeypatch.setattr(publisher, "ACKNOWLEDGED_S", patient_s)
            sender.keep()
            await eventually(lambda: sender.publisher.up and sender.publisher.sent + sender.publisher.sent_late >= 1)
            broker.acknowledges = False
            monkeypatch.setattr(publisher, "ACKNOWLEDGED_S", 0.2)
            sender.keep()
            await eventually(lambda: not sender.publisher.up and sender.says(LEFT))


async def test_broker_owes_nothing_since_its_last_acknowledgement() -> None:
    broker = RefusingBroker("said", b"x", acknowledges=False)
    loop = asyncio.get_running_loop()
    async with broker.running():
        session = MqttSession(reaching(("127.0.0.1", broker.port)), client_id=unique())
        async with kept(session) as links:
            link = await links.next()
            assert link.owing_s == 0
            began = loop.time()
            waiting = asyncio.create_task(link.publish("t", b"never acknowledged"))
            await eventually(lambda: broker.unacknowledged == 1)
            assert 0 < link.owing_s <= loop.time() - began
            broker.acknowledges = True
            began = loop.time()
            await link.publish("t", b"acknowledged")
            assert 0 < link.owing_s <= loop.time() - began, "for the first message, and only since the second"
            waiting.cancel()
            await asyncio.wait([waiting])
            assert link.owing_s == 0
