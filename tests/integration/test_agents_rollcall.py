"""The roll call on a real Mosquitto: what the agent knows of the collectors, and which frames go out again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hubwatch_agents.uplink import collectors
from hubwatch_agents.uplink.collectors import Collectors, CollectorState
from hubwatch_agents.uplink.frame_store import FrameState, FrameStore, KeptFrame
from hubwatch_agents.uplink.frames import Batch
from hubwatch_core import topics
from hubwatch_core.answers import Answer, StoredRange, encode_answer
from hubwatch_core.health import Health
from hubwatch_core.mqtt import MqttLink, MqttSession
from support.agents_sender import AGENT, HUB, sender_settings
from support.collector_answers import answering, note
from support.eventually import eventually
from support.fix_mqtt import Address, MakeMosquitto
from support.kept_link import kept, reaching, unique
from support.own_mosquitto import OwnMosquitto

SHARED = f"$share/collector/{topics.rollcall(HUB, AGENT)}"


class Rig:
    """A store, and what its agent knows of the collectors."""

    def __init__(self, folder: Path) -> None:
        settings = sender_settings(folder / "spool", {})
        self.health = Health()
        self.store = FrameStore(settings, self.health)
        self.collectors = Collectors(settings, self.store, self.health)

    def sent_one(self) -> KeptFrame:
        """Keep a frame, and say that the broker has acknowledged it."""
        (frame,) = self.store.keep(Batch([], [], 0, late=False))
        self.store.sending(frame)
        self.store.sent(frame)
        return frame

    @property
    def said(self) -> str:
        """What health has to say."""
        return str(self.health.report())


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def mosquitto(own_mosquitto: OwnMosquitto) -> Address:
    """A broker of our own: on the shared one sessions of other tests' collectors live on."""
    return own_mosquitto.host, own_mosquitto.port


@pytest.fixture
async def agent(mosquitto: Address) -> AsyncIterator[MqttLink]:
    async with kept(MqttSession(reaching(mosquitto), client_id=unique())) as links:
        yield await links.next()


@pytest.fixture
async def collector(mosquitto: Address) -> AsyncIterator[MqttLink]:
    async with kept(MqttSession(reaching(mosquitto), client_id=unique())) as links:
        yield await links.next()


async def answer(collector: MqttLink, **content: object) -> None:
    """Publish an answer to the agent."""
    await collector.publish(topics.answer(HUB, AGENT), encode_answer(Answer(1, HUB, AGENT, **content)))  # type: ignore[arg-type]


async def test_without_a_collector_health_says_so_and_nothing_waits_for_an_answer(rig: Rig, agent: MqttLink) -> None:
    frame = rig.sent_one()
    await rig.collectors.begin(agent)
    assert rig.collectors.state is CollectorState.NOT_SUBSCRIBED
    assert "no collector is subscribed" in rig.said
    assert not rig.collectors.subscribed
    assert frame.state is FrameState.SPOOLED


async def test_collector_that_answers_the_roll_call_is_known_at_once(
    rig: Rig, agent: MqttLink, collector: MqttLink
) -> None:
    await collector.subscribe(SHARED)
    async with answering(collector) as answers:
        await rig.collectors.begin(agent)
        assert "no collector has answered" not in rig.said
        assert not rig.collectors.storing.is_set(), "subscribed is not heard"
        watching = asyncio.create_task(rig.collectors.watch(agent))
        try:
            note(answers, await collector.receive(10, 10))
            await eventually(rig.collectors.storing.is_set)
        finally:
            watching.cancel()
    assert rig.collectors.state is CollectorState.STORING
    assert rig.health.ok


async def test_listener_to_everything_is_no_collector(rig: Rig, agent: MqttLink, collector: MqttLink) -> None:
    await collector.subscribe(f"{topics.ROOT}/#")
    await rig.collectors.begin(agent)
    assert rig.collectors.state is CollectorState.NOT_SUBSCRIBED


async def test_subscriber_that_never_answers_is_told_and_costs_no_frame(
    rig: Rig, agent: MqttLink, collector: MqttLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collectors, "SILENT_AFTER_S", 0.5)
    await collector.subscribe(SHARED)
    frame = rig.sent_one()
    await rig.collectors.begin(agent)
    watching = asyncio.create_task(rig.collectors.watch(agent))
    try:
        await eventually(lambda: rig.collectors.state is CollectorState.SILENT)
        assert "no collector answers" in rig.said
        assert frame.state is FrameState.SENT, "it may have come"
        await answer(collector, stored=[StoredRange(*frame.number, frame.number.seq)])
        await eventually(lambda: rig.collectors.state is CollectorState.STORING)
        assert (frame.state, rig.store.spool.waiting) == (FrameState.STORED, 0)
    finally:
        watching.cancel()


async def test_answer_with_another_nonce_or_for_another_agent_says_nothing(
    rig: Rig, agent: MqttLink, collector: MqttLink
) -> None:
    await collector.subscribe(SHARED)
    await rig.collectors.begin(agent)
    watching = asyncio.create_task(rig.collectors.watch(agent))
    try:
        frame = rig.sent_one()
        forged = Answer(1, HUB, "another", stored=[StoredRange(*frame.number, frame.number.seq)])
        for payload in (encode_answer(forged), b"{", b"\xff", b"", b"[" * 100_000):
            await collector.publish(topics.answer(HUB, AGENT), payload)
        await answer(collector, nonce="0" * 26)
        assert rig.collectors.state is CollectorState.UNKNOWN
        await answer(collector, stored=[StoredRange(*frame.number, frame.number.seq)])
        await eventually(lambda: rig.collectors.state is CollectorState.STORING)
        assert frame.state is FrameState.STORED
    finally:
        watching.cancel()


async def test_frames_go_out_again_when_the_collector_is_found_gone(
    rig: Rig, agent: MqttLink, collector: MqttLink
) -> None:
    await collector.subscribe(SHARED)
    await rig.collectors.begin(agent)
    frame = rig.sent_one()
    await collector.unsubscribe(SHARED)
    await rig.collectors.call(agent)
    assert (rig.collectors.state, frame.state) == (CollectorState.NOT_SUBSCRIBED, FrameState.SPOOLED)


async def test_frames_just_acknowledged_go_out_again_when_the_connection_is_lost(rig: Rig) -> None:
    frame = rig.sent_one()
    rig.collectors.connection_lost()
    assert frame.state is FrameState.SPOOLED


async def test_refused_roll_call_is_told(rig: Rig, make_mosquitto: MakeMosquitto, tmp_path: Path) -> None:
    rights = tmp_path / "acl"
    rights.write_text("topic write hubwatch/1/#\n", encoding="utf-8")
    broker = make_mosquitto(["allow_anonymous true", f"acl_file {rights}"])
    async with kept(MqttSession(reaching((broker.host, broker.port)), client_id=unique())) as links:
        await rig.collectors.begin(await links.next())
    assert rig.collectors.state is CollectorState.CHECK_REFUSED
    assert f"must be allowed to write {topics.rollcall(HUB, AGENT)}" in rig.said


async def test_old_protocol_waits_for_the_answer_to_a_frame(rig: Rig, mosquitto: Address, collector: MqttLink) -> None:
    async with kept(MqttSession(reaching(mosquitto, protocol="3.1.1"), client_id=unique())) as links:
        link = await links.next()
        await rig.collectors.begin(link)
        assert rig.collectors.state is CollectorState.UNKNOWN
        watching = asyncio.create_task(rig.collectors.watch(link))
        try:
            frame = rig.sent_one()
            await answer(collector, stored=[StoredRange(*frame.number, frame.number.seq)])
            await eventually(lambda: rig.collectors.state is CollectorState.STORING)
        finally:
            watching.cancel()
    assert rig.health.ok
