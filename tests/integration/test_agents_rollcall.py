"""The roll call on a real Mosquitto: when a frame counts, and when it goes out again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hubwatch_agents.rollcall import RollCall
from hubwatch_agents.settling import Settling
from hubwatch_agents.spool.disk import Disk
from hubwatch_agents.spool.record import Lane
from hubwatch_agents.spool.spool import Entry, Spool
from hubwatch_core import topics
from hubwatch_core.health import Health
from hubwatch_core.mqtt import Link, Session
from support.fix_mqtt import Address, MakeMosquitto
from support.kept_link import kept, reaching, unique
from support.own_mosquitto import OwnMosquitto

CONFIRM_S = 0.3


class Rig:
    """A spool with a roll call of its own agent."""

    def __init__(self, folder: Path) -> None:
        self.spool = Spool(Disk(folder / "spool"), max_bytes=1 << 20, segment_bytes=1 << 16)
        self.settling = Settling(self.spool, CONFIRM_S)
        self.health = Health()
        self.topic = topics.rollcall("test", unique())
        self.rollcall = RollCall(self.topic, self.settling, self.health)

    def confirm_one(self) -> Entry:
        """Keep a frame, and say that the broker has confirmed it."""
        entry = self.spool.append(Lane.BULK, lambda _epoch, _seq: b"frame", 1, 0)
        self.settling.taken(entry)
        return entry

    @property
    def said(self) -> str:
        """What health has to say of the collectors."""
        return json.dumps(self.health.report()["checks"])

    @property
    def to_send(self) -> int:
        """Frames that would go out again."""
        return len(list(self.spool.backlog()))


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


@pytest.fixture
def mosquitto(own_mosquitto: OwnMosquitto) -> Address:
    """A broker of our own: on the shared one sessions of other tests' collectors live on."""
    return own_mosquitto.host, own_mosquitto.port


@pytest.fixture
async def agent(mosquitto: Address) -> AsyncIterator[Link]:
    async with kept(Session(reaching(mosquitto), client_id=unique())) as links:
        yield await links.next()


@pytest.fixture
async def collector(mosquitto: Address) -> AsyncIterator[Link]:
    async with kept(Session(reaching(mosquitto), client_id=unique())) as links:
        yield await links.next()


async def test_without_a_collector_nothing_counts_and_health_says_so(rig: Rig, agent: Link) -> None:
    await rig.rollcall.call(agent)
    assert rig.rollcall.spell is None
    assert not rig.health.ok
    assert "none has subscribed" in rig.said


async def test_collector_that_subscribes_is_found_and_counts_from_then_on(
    rig: Rig, agent: Link, collector: Link
) -> None:
    await rig.rollcall.call(agent)
    calling = asyncio.create_task(rig.rollcall.call_for_ever(agent))
    try:
        await collector.subscribe(f"$share/{unique()}/{rig.topic}")
        async with asyncio.timeout(3):
            await rig.rollcall.collected.wait()
    finally:
        calling.cancel()
    assert rig.rollcall.spell == 1
    assert rig.health.ok


async def test_listener_to_everything_is_no_collector(rig: Rig, agent: Link, collector: Link) -> None:
    await collector.subscribe(f"{topics.ROOT}/#")
    await rig.rollcall.call(agent)
    assert rig.rollcall.spell is None


async def test_frames_go_out_again_when_the_collector_is_found_gone(rig: Rig, agent: Link, collector: Link) -> None:
    shared = f"$share/{unique()}/{rig.topic}"
    await collector.subscribe(shared)
    await rig.rollcall.call(agent)
    rig.confirm_one()
    assert rig.to_send == 0
    await collector.unsubscribe(shared)
    await rig.rollcall.call(agent)
    assert (rig.rollcall.spell, rig.to_send) == (None, 1)
    await collector.subscribe(shared)
    await rig.rollcall.call(agent)
    assert rig.rollcall.spell == 2, "what was under way over the break does not count"


async def test_frame_is_given_up_by_a_call_long_enough_after_its_confirmation(
    rig: Rig, agent: Link, collector: Link
) -> None:
    await collector.subscribe(f"$share/{unique()}/{rig.topic}")
    await rig.rollcall.call(agent)
    rig.confirm_one()
    await rig.rollcall.call(agent)
    assert rig.spool.waiting == 1, "the broker may not have saved it yet"
    await asyncio.sleep(CONFIRM_S)
    assert rig.spool.waiting == 1, "time alone does not show that the broker lives"
    await rig.rollcall.call(agent)
    assert rig.spool.waiting == 0


async def test_old_protocol_counts_everything_and_settles_by_later_confirmations(rig: Rig, mosquitto: Address) -> None:
    async with kept(Session(reaching(mosquitto, protocol="3.1.1"), client_id=unique())) as links:
        link = await links.next()
        await rig.rollcall.call(link)
        assert rig.rollcall.spell == 1
        rig.confirm_one()
        await asyncio.sleep(CONFIRM_S)
        await rig.rollcall.call(link)
        assert rig.spool.waiting == 1
        rig.confirm_one()
        await rig.rollcall.call(link)
        assert rig.spool.waiting == 1, "the first is settled by the second"


async def test_refused_roll_call_is_told_and_does_not_stop_frames(
    rig: Rig, make_mosquitto: MakeMosquitto, tmp_path: Path
) -> None:
    rights = tmp_path / "acl"
    rights.write_text("topic write hubwatch/1/#\n", encoding="utf-8")
    broker = make_mosquitto(["allow_anonymous true", f"acl_file {rights}"])
    async with kept(Session(reaching((broker.host, broker.port)), client_id=unique())) as links:
        await rig.rollcall.call(await links.next())
    assert rig.rollcall.spell == 1
    assert not rig.health.ok
    assert "ACL" in rig.said


async def test_old_broker_is_no_failure(rig: Rig, mosquitto: Address) -> None:
    async with kept(Session(reaching(mosquitto, protocol="3.1.1"), client_id=unique())) as links:
        await rig.rollcall.call(await links.next())
    assert rig.health.ok


async def test_settling_holds_no_payload_in_memory(rig: Rig) -> None:
    for _ in range(3):
        rig.confirm_one()
    assert [entry.payload for _, entry in rig.settling._taken] == [b""] * 3
    rig.rollcall.absent()
    assert [entry.payload for entry in rig.spool.backlog()] == [b"frame"] * 3
