"""A broker that takes only small packets: nothing stands in the way of what it does take."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubwatch_agents.settings import AgentSettings
from hubwatch_core import wire
from support.agents_process import listening
from support.agents_sender import HUB, Sender, sender_settings, sending
from support.eventually import eventually
from support.fix_mqtt import MakeMosquitto

SMALL = 4096
LIMITED = ["allow_anonymous true", f"max_packet_size {SMALL}"]


def settings_at(address: tuple[str, int], folder: Path) -> AgentSettings:
    return sender_settings(folder / "spool", {"host": address[0], "port": address[1]})


async def test_frame_too_large_for_the_broker_is_declared_and_blocks_neither_backlog_nor_live_frames(
    tmp_path: Path, make_mosquitto: MakeMosquitto
) -> None:
    """It was made before the agent knew the broker's limit, which is in the answer to its connect."""
    broker = make_mosquitto(LIMITED)
    address = (broker.host, broker.port)
    before = Sender(settings_at(address, tmp_path))
    before.keep()
    before.keep("r" * 2 * SMALL)
    before.keep()
    before.store.close()
    async with listening(address, HUB) as listener, sending(settings_at(address, tmp_path)) as agent:
        await eventually(lambda: agent.publisher.up)
        agent.keep()
        await listener.until(lambda heard: {1, 3, 4} <= {frame.seq for frame in heard.frames})
        await listener.until(lambda heard: heard.events("agent.evicted"))
        await eventually(lambda: agent.store.spool.waiting == 0)
        assert agent.store.given_up_frames == 1
        assert agent.health.ok
    (event,) = listener.events("agent.evicted")
    assert (event.attrs["first_seq"], event.attrs["last_seq"], event.attrs["readings"]) == (2, 2, 1)
    assert "the broker takes up to" in event.attrs["reason"]


async def test_frame_is_made_no_larger_than_the_broker_takes(tmp_path: Path, make_mosquitto: MakeMosquitto) -> None:
    broker = make_mosquitto(LIMITED)
    address = (broker.host, broker.port)
    async with listening(address, HUB) as listener, sending(settings_at(address, tmp_path)) as agent:
        await eventually(lambda: agent.publisher.up)
        agent.keep_many(500, "r" * 100)
        await listener.until(lambda heard: sum(len(each.x) for frame in heard.frames for each in frame.series) == 500)
        assert agent.store.given_up_frames == 0
        assert max(len(wire.encode(frame)) for frame in listener.frames) <= SMALL


@pytest.mark.parametrize("fault", ["cannot be made", "too large"])
async def test_birth_that_fails_costs_only_the_birth(tmp_path: Path, make_mosquitto: MakeMosquitto, fault: str) -> None:
    broker = make_mosquitto(LIMITED)
    address = (broker.host, broker.port)

    def bad() -> bytes:
        if fault == "cannot be made":
            raise LookupError("no such channel")
        return b"." * 2 * SMALL

    async with listening(address, HUB) as listener, sending(settings_at(address, tmp_path), bad) as agent:
        agent.keep()
        await listener.until(lambda heard: heard.frames and wire.ONLINE in heard.states)
        await eventually(lambda: "'birth': {'ok': False" in str(agent.health.report()))
        assert not listener.births
        agent.bad_birth = None
        await listener.until(lambda heard: heard.births)
        await eventually(lambda: agent.health.ok)
