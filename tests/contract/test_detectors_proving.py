"""What reaches the detectors: what its agent has signed, of sensors that are its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import pytest

from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.message import Message
from hubwatch_core.wire import Birth, Frame
from hubwatch_detectors.proving import MAX_WAITING_OF_AGENT, Proving
from hubwatch_detectors.settings import DetectorsSettings
from hubwatch_store import devices
from hubwatch_store.database import DatabaseSection, connect, open_pool
from hubwatch_store.ingest import Writer
from support.proxy import Proxy
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
        came = [*good, *forged, message(frames[0]), state]
        assert await made.opened(came) == list(zip(came, [*good, None, None, None, None, state], strict=True))
        assert made.left_out == 4
    async with proving(migrated_plain_dsn, signatures="report") as made:
        assert await made.opened([*forged, state]) == [(each, each) for each in [*forged, state]]


@asynccontextmanager
async def proving_over(proxy: Proxy, dsn: str) -> AsyncIterator[Proving]:
    """Require signatures, with a way to the database that can break."""
    url = urlsplit(dsn)
    async with proving(
        urlunsplit(url._replace(netloc=f"{url.username}@{proxy.address[0]}:{proxy.address[1]}")), signatures="require"
    ) as made:
        yield made


def signed(agent: SignedAgent, *seqs: int) -> list[Message]:
    frames = [frame(seq, agent=agent.agent) for seq in seqs]
    return [message(each, proof) for each, proof in zip(frames, agent.proofs(frames), strict=True)]


async def once_there(made: Proving, count: int) -> list[tuple[Message, Message | None]]:
    """Return so many messages that waited."""
    found = await made.opened([])
    while len(found) < count:
        await asyncio.sleep(0.01)
        found += await made.opened([])
    return found


@pytest.fixture
async def proxy(migrated_plain_dsn: str) -> AsyncIterator[Proxy]:
    url = urlsplit(migrated_plain_dsn)
    async with Proxy(str(url.hostname), int(url.port or 5432)) as made:
        yield made


async def test_unknown_key_holds_up_nobody_else_while_the_database_is_away(
    migrated_plain_dsn: str, proxy: Proxy
) -> None:
    known, new, forger = SignedAgent(), SignedAgent(agent="gate-8"), SignedAgent()
    known.enrol(migrated_plain_dsn)
    async with proving_over(proxy, migrated_plain_dsn) as made:
        (first,) = signed(known, 1)
        assert await made.opened([first]) == [(first, first)]
        await proxy.refuse()
        new.enrol(migrated_plain_dsn)
        theirs, ours, forged = signed(new, 1, 2, 3), signed(known, 2, 3, 4), signed(forger, 7)
        for mine, other in zip(ours, theirs, strict=True):
            assert await made.opened([other, *forged, mine]) == [(mine, mine)]
        assert (made.waiting, made.left_out) == (6, 0)
        await proxy.heal()
        expected: list[tuple[Message, Message | None]] = []
        for other in theirs:
            expected += [(other, other), (forged[0], None)]
        assert await once_there(made, 6) == expected, "in the order in which they came"
        assert (made.waiting, made.left_out) == (0, 3)
        (last,) = signed(new, 4)
        assert await made.opened([last]) == [(last, last)]


def state(agent: str, payload: bytes) -> Message:
    return Message(f"{TOPIC}/{agent}/state", payload, 1, False, 1, now_us())


async def test_state_of_an_agent_does_not_pass_what_the_agent_sent_before(
    migrated_plain_dsn: str, proxy: Proxy
) -> None:
    known, new = SignedAgent(), SignedAgent(agent="gate-8")
    known.enrol(migrated_plain_dsn)
    async with proving_over(proxy, migrated_plain_dsn) as made:
        await made.opened(signed(known, 1))
        await proxy.refuse()
        new.enrol(migrated_plain_dsn)
        (theirs,) = signed(new, 1)
        before, after, other = state("gate-8", wire.ONLINE), state("gate-8", wire.OFFLINE), state("gate-7", wire.ONLINE)
        assert await made.opened([before, theirs, after, other]) == [(before, before), (other, other)]
        assert await made.opened([]) == []
        assert made.awaited == {("harbour", "gate-8")}
        await proxy.heal()
        assert await once_there(made, 2) == [(theirs, theirs), (after, after)]
        assert made.awaited == set()


async def test_failure_of_our_own_in_a_question_is_raised(
    migrated_plain_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = SignedAgent()
    agent.enrol(migrated_plain_dsn)
    async with proving(migrated_plain_dsn, signatures="require") as made:
        await made.opened(signed(agent, 1))

        async def broken(*_: object) -> None:
            raise RuntimeError("no failure of the database's")

        monkeypatch.setattr(devices.AgentKeys, "read", broken)
        theirs = signed(SignedAgent(agent="gate-8"), 1)
        with pytest.raises(RuntimeError, match="no failure of the database's"):
            await made.opened(theirs)


async def test_database_that_says_nothing_holds_up_only_unknown_keys(migrated_plain_dsn: str, proxy: Proxy) -> None:
    known, new = SignedAgent(), SignedAgent(agent="gate-8")
    known.enrol(migrated_plain_dsn)
    async with proving_over(proxy, migrated_plain_dsn) as made:
        (first,) = signed(known, 1)
        assert await made.opened([first]) == [(first, first)]
        proxy.stall()
        new.enrol(migrated_plain_dsn)
        for mine, other in zip(signed(known, 2, 3), signed(new, 1, 2), strict=True):
            assert await made.opened([other, mine]) == [(mine, mine)]
        assert made.waiting == 2, "the question has no answer, and nobody has waited for its end"
        await proxy.heal()
        assert [own is not None for _, own in await once_there(made, 2)] == [True, True]


async def test_what_waits_is_bounded_for_each_agent_and_forgotten_with_its_connection(
    migrated_plain_dsn: str, proxy: Proxy
) -> None:
    known, new, flooder = SignedAgent(), SignedAgent(agent="gate-8"), SignedAgent(agent="gate-9")
    known.enrol(migrated_plain_dsn)
    async with proving_over(proxy, migrated_plain_dsn) as made:
        await made.opened(signed(known, 1))
        await proxy.refuse()
        flood = signed(flooder, *range(1, MAX_WAITING_OF_AGENT + 51))
        over = flood[MAX_WAITING_OF_AGENT:]
        assert await made.opened(flood) == [(each, None) for each in over], "these are acknowledged, and left out"
        assert await made.opened(signed(new, 1)) == []
        assert (made.waiting, made.left_out) == (MAX_WAITING_OF_AGENT + 1, len(over))
        assert made.without_room == len(over), "counted apart"
        made.linked()
        assert made.waiting == 0
        await proxy.heal()


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
        own, claim, frames = [own for _, own in await made.opened([message(mine), message(theirs), message(said)])]
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
