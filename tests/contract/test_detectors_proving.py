"""What reaches the detectors: what its agent has signed, of sensors that are its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.message import Message
from hubwatch_core.wire import Birth, Frame
from hubwatch_detectors.proving import Proving
from hubwatch_detectors.settings import DetectorsSettings
from hubwatch_store import devices
from hubwatch_store.database import DatabaseSection, connect, open_pool
from hubwatch_store.ingest import Writer
from support.signed_agent import SignedAgent
from support.store_examples import OTHER_EPOCH, birth, event, frame, offer, series

TOPIC = "hubwatch/1/harbour"


@asynccontextmanager
async def proving(dsn: str, **more: str) -> AsyncIterator[Proving]:
    settings = DetectorsSettings.model_validate({"database": {"dsn": dsn}} | more)
    async with open_pool(settings.database, "test") as pool:
        made = Proving(settings, pool)
        yield made
        await made.close()


def message(content: Frame | Birth, proof: str | None = None) -> Message:
    leaf = "birth" if isinstance(content, Birth) else "frame"
    topic = f"{TOPIC}/{content.agent}/{leaf}"
    return Message(topic, wire.encode(content), 1, leaf == "birth", 1, now_us(), proof=proof)


async def test_what_is_not_signed_by_its_agent_is_left_out(migrated_plain_dsn: str) -> None:
    agent, stranger = SignedAgent(), SignedAgent()
    agent.enrol(migrated_plain_dsn)
    frames = [frame(seq) for seq in range(1, 4)]
    good = [message(each, proof) for each, proof in zip(frames, agent.proofs(frames), strict=True)]
    forged = [message(each, proof) for each, proof in zip(frames, stranger.proofs(frames), strict=True)]
    state = Message(f"{TOPIC}/gate-7/state", wire.ONLINE, 1, True, 1, now_us())
    async with proving(migrated_plain_dsn, signatures="require") as made:
        opened = await made.opened([*good, *forged, message(frames[0]), state])
        assert opened == [*good, None, None, None, None, state]
        assert made.left_out == 4
    async with proving(migrated_plain_dsn, signatures="report") as made:
        assert None not in await made.opened([*forged, state])


@pytest.fixture
async def writer(migrated_plain_dsn: str) -> AsyncIterator[Writer]:
    made = Writer(DatabaseSection(dsn=migrated_plain_dsn), rules=devices.SayingRules(own=True))
    yield made
    await made.close()


def inventory(content: Message | None) -> list[str]:
    assert content is not None
    return [each.sensor for each in wire.decode_birth(content.payload).inventory]


async def test_what_is_anothers_to_say_is_left_out_until_a_person_moves_it(
    writer: Writer, migrated_plain_dsn: str
) -> None:
    mine = birth()
    other = wire.Sensor(sensor="door-3", kind=mine.inventory[0].kind, zone="gate-2")
    theirs = birth(agent="gate-8", epoch=OTHER_EPOCH, inventory=[*mine.inventory, other])
    said = frame(1, agent="gate-8", epoch=OTHER_EPOCH, series=[series(now_us(), [1.0])], events=[event("door.closed")])
    await writer.write([offer(mine)])
    await writer.write([offer(theirs)])
    async with proving(migrated_plain_dsn, claims="refuse") as made:
        own, claim, frames = await made.opened([message(mine), message(theirs), message(said)])
        assert inventory(own) == ["rpm-2"]
        assert inventory(claim) == ["door-3"]
        assert frames is not None
        rest = wire.decode_frame(frames.payload)
        assert (len(rest.series), len(rest.events)) == (0, 1)
        assert await made.changed(now_us()) == [], "nobody has moved anything"
        async with await connect(DatabaseSection(dsn=migrated_plain_dsn), "test") as connection:
            await devices.give(connection, "harbour", "rpm-2", "gate-8", "chief", "gate-7 burnt out")
        made.look_at_once()
        again = await made.changed(now_us())
        assert {each.topic: inventory(each) for each in again} == {
            f"{TOPIC}/gate-7/birth": [],
            f"{TOPIC}/gate-8/birth": ["rpm-2", "door-3"],
        }
        assert all(wire.decode_birth(each.payload).sent > theirs.sent for each in again)
