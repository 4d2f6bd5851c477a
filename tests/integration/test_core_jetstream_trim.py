"""What is removed from the stream, and what must not be: against a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

import nats
import pytest
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig

from hubwatch_core import topics
from hubwatch_core.errors import Transient
from hubwatch_core.health import Health
from hubwatch_core.jetstream import link
from hubwatch_core.jetstream.link import JetStreamLink
from hubwatch_core.jetstream.stream import STREAM
from hubwatch_core.jetstream.trim import ANNOUNCEMENTS, LIST_MOST, WORTH, Trimmer
from hubwatch_core.topics import Leaf
from support.eventually import eventually
from support.jetstream_session import frames, kept, linked, publish, section, taken
from support.own_nats import OwnNats

MANY = 2 * WORTH
BIRTH = "hubwatch/1/harbour/gate-7/birth"


@pytest.fixture
async def connection(own_nats: OwnNats) -> AsyncIterator[Client]:
    """A connection of the test's own."""
    connection = await nats.connect(own_nats.url)
    yield connection
    await connection.close()


async def acknowledged(link: JetStreamLink, count: int) -> None:
    """Take so many messages and acknowledge them."""
    for message in await taken(link, count):
        link.ack(message)


async def floor(connection: Client, place: int, durable: str = "test") -> None:
    """Wait until a consumer has acknowledged up to a place."""

    async def there() -> bool:
        found = (await connection.jetstream().consumer_info(STREAM, durable)).ack_floor
        return found is not None and found.stream_seq >= place

    await eventually(there)


async def test_frames_go_when_every_consumer_is_done_with_them_and_births_stay(
    own_nats: OwnNats, connection: Client
) -> None:
    async with linked(section(own_nats)) as one, linked(section(own_nats, ack_wait_s=60), durable="slow") as slow:
        await publish(own_nats, (BIRTH, b"b"), *frames(1, MANY), retain=True)
        await acknowledged(one, MANY + 1)
        held = await taken(slow, MANY + 1)
        await floor(connection, MANY + 1)
        await Trimmer().trim(connection)
        assert await kept(own_nats) == MANY + 1  # one consumer still needs them
        for message in held:
            slow.ack(message)
        await floor(connection, MANY + 1, "slow")
        await Trimmer().trim(connection)
        assert await kept(own_nats) == 1
    async with linked(section(own_nats), durable="newcomer") as link:
        assert [each.payload for each in await taken(link, 1)] == [b"b"]


@pytest.mark.parametrize("others", [frames(MANY + 1, MANY + 6), [(BIRTH, b"b")] * (ANNOUNCEMENTS + 6)])
async def test_what_a_killed_collector_held_while_the_stream_was_trimmed_goes_to_another(
    own_nats: OwnNats, connection: Client, others: list[tuple[str, bytes]]
) -> None:
    settings = section(own_nats, ack_wait_s=1)
    async with linked(settings) as killed:
        await publish(own_nats, *frames(1, MANY))
        await acknowledged(killed, MANY)
        await publish(own_nats, *others)
        await taken(killed, len(others))
        await floor(connection, MANY)
        await Trimmer().trim(connection)
        assert await kept(own_nats) == len(others)
        killed._held.clear()  # it gives nothing back, as a killed process does not
    async with linked(settings) as other:
        again = await taken(other, len(others))
    assert sorted(each.payload for each in again) == sorted(payload for _, payload in others)


async def test_what_is_still_to_be_delivered_is_passed_over_by_no_trimming(
    own_nats: OwnNats, connection: Client
) -> None:
    settings = section(own_nats)
    async with linked(settings) as link:
        await publish(own_nats, *frames(1, MANY))
        await acknowledged(link, MANY)
        await floor(connection, MANY)
    others = [(BIRTH, b"b"), *frames(MANY + 1, MANY + 4)]
    await publish(own_nats, *others)
    await Trimmer().trim(connection)
    assert await kept(own_nats) == len(others)
    async with linked(settings) as link:
        assert [each.payload for each in await taken(link, len(others))] == [payload for _, payload in others]


async def test_of_births_the_newest_of_each_agent_stay_once_everybody_has_them(
    own_nats: OwnNats, connection: Client
) -> None:
    births = [(f"hubwatch/1/harbour/gate-{i % 2}/birth", b"%d" % i) for i in range(4 * ANNOUNCEMENTS)]
    async with linked(section(own_nats)) as link:
        await publish(own_nats, *births)
        held = await taken(link, len(births))
        await Trimmer().trim(connection)
        assert await kept(own_nats) == len(births)
        for message in held:
            link.ack(message)
        await floor(connection, len(births))
        await Trimmer().trim(connection)
    async with linked(section(own_nats), durable="newcomer") as link:
        left = [each.payload for each in await taken(link, 2 * ANNOUNCEMENTS)]
    assert left == [b"%d" % i for i in range(2 * ANNOUNCEMENTS, 4 * ANNOUNCEMENTS)]


async def test_hub_whose_detectors_are_away_or_silent_keeps_its_own_frames_only(
    own_nats: OwnNats, connection: Client
) -> None:
    hubs = ("away", "silent", "busy")
    async with linked(section(own_nats)) as collector:
        for hub in ("away", "silent"):
            async with linked(section(own_nats), topics.every(Leaf.FRAME, hub), durable=f"detectors-{hub}"):
                pass
        await publish(own_nats, *frames(1, MANY, "away"), *frames(1, MANY, "busy"))
        await acknowledged(collector, 2 * MANY)
        await floor(connection, 2 * MANY)
        await Trimmer().trim(connection)
        info = await connection.jetstream().stream_info(STREAM, subjects_filter=">")
    counts = {hub: (info.state.subjects or {}).get(f"$MQTT.msgs.hubwatch.1.{hub}.gate-7.frame", 0) for hub in hubs}
    assert counts == {"away": MANY, "silent": 0, "busy": 0}


async def test_consumer_beyond_the_first_page_of_the_list_is_heeded(own_nats: OwnNats, connection: Client) -> None:
    async with linked(section(own_nats)) as collector:
        api = connection.jetstream()
        for number in range(LIST_MOST):
            elsewhere = ConsumerConfig(
                durable_name=f"a{number}",
                filter_subject=f"$MQTT.msgs.hubwatch.1.hub-{number}.>",
                ack_policy=AckPolicy.EXPLICIT,
            )
            await api.add_consumer(STREAM, elsewhere)
        async with linked(section(own_nats), topics.every(Leaf.FRAME, "harbour"), durable="zz"):
            await publish(own_nats, *frames(1, MANY))
            await acknowledged(collector, MANY)
            await floor(connection, MANY)
            await Trimmer().trim(connection)
            assert await kept(own_nats) == MANY


async def test_stream_that_fills_is_told_with_who_holds_it_up(
    own_nats: OwnNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "TRIM_EVERY_S", 0.2)
    health = Health()
    big = [(topic, bytes(100_000)) for topic, _ in frames(1, 9)]
    async with linked(section(own_nats, max_bytes=1 << 20), health=health):
        await publish(own_nats, *big)
        await eventually(lambda: not health.ok)
        check = health.report()["checks"]["nats-stream"]  # type: ignore[index]
        assert check["detail"] == "stream is 86% full, most waits for consumer test (9 messages)"
        await eventually(lambda: _emptied(own_nats, health))


async def _emptied(server: OwnNats, health: Health) -> bool:
    connection = await nats.connect(server.url)
    await connection.jetstream().purge_stream(STREAM)
    await connection.close()
    return health.ok


async def test_detectors_away_for_too_long_are_forgotten_and_their_frames_go(
    own_nats: OwnNats, connection: Client, capfd: pytest.CaptureFixture[str]
) -> None:
    trimmer = Trimmer()
    settings = section(own_nats, forget_after_s=2)
    async with linked(settings) as collector:
        async with linked(settings, durable="detectors", alone=True) as detectors:
            await publish(own_nats, *frames(1, MANY))
            await acknowledged(collector, MANY)
            await floor(connection, MANY)
            for _ in range(30):  # who asks is not forgotten, although it acknowledges nothing
                await detectors.receive(1, 0.1)
            await trimmer.trim(connection)
            assert await kept(own_nats) == MANY

        async def trimmed() -> bool:
            with suppress(Transient):  # the servers may be removing it just now
                await trimmer.trim(connection)
            return await kept(own_nats) == 0

        await eventually(trimmed)
    assert "consumer is gone" in "".join(capfd.readouterr())
