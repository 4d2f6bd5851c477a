"""The session on JetStream against a real server: what is kept, shared, given back and survived."""

from __future__ import annotations

import asyncio
from functools import partial

import nats
import pytest
from nats.js.errors import NotFoundError
from structlog.testing import capture_logs

from hubwatch_core import topics
from hubwatch_core.config import MqttSection
from hubwatch_core.health import Health
from hubwatch_core.jetstream import JetStreamSession
from hubwatch_core.jetstream.link import JetStreamLink
from hubwatch_core.jetstream.stream import STREAM
from hubwatch_core.mqtt import Message, MqttLink, MqttSession
from hubwatch_core.topics import Leaf
from support.eventually import eventually
from support.jetstream_session import FRAME, ask, frames, kept, linked, publish, section, taken
from support.kept_link import outage
from support.own_nats import OwnNats
from support.ports import free_port


async def test_births_states_and_frames_come_in_the_order_they_were_confirmed(own_nats: OwnNats) -> None:
    async with linked(section(own_nats)) as link:
        sent = [("hubwatch/1/harbour/gate-7/birth", b"b"), ("hubwatch/1/harbour/gate-7/state", b"s"), *frames(1, 300)]
        await publish(own_nats, *sent)
        assert [(each.topic, each.payload) for each in await taken(link, 302)] == sent


async def test_what_comes_before_the_first_consumer_is_kept_for_it(own_nats: OwnNats) -> None:
    async with linked(section(own_nats), durable="other"):
        pass
    await publish(own_nats, *frames(1, 20))
    async with linked(section(own_nats)) as link:
        assert [each.payload for each in await taken(link, 20)] == [b"%d" % n for n in range(1, 21)]


async def test_stream_a_server_made_with_nobody_on_it_is_made_anew_under_connected_agents(own_nats: OwnNats) -> None:
    await publish(own_nats, *frames(1, 1))  # confirmed and thrown away: retention by interest
    assert await kept(own_nats) == 0
    async with linked(section(own_nats)) as link:
        await publish(own_nats, *frames(2, 3))
        assert [each.payload for each in await taken(link, 2)] == [b"2", b"3"]
    info = await ask(own_nats, lambda api: api.stream_info(STREAM))
    assert (info.config.retention, info.config.discard) == ("limits", "new")


async def test_only_what_was_not_acknowledged_goes_to_another_and_at_once(own_nats: OwnNats) -> None:
    patient = section(own_nats, ack_wait_s=60)
    async with linked(patient) as two:
        async with linked(patient) as one:
            await publish(own_nats, *frames(1, 10))
            for message in (await taken(one, 10))[:4]:
                one.ack(message)
            assert await two.receive(10, 0.3) == []  # asks, so that what is given back finds somebody waiting
        assert {each.payload for each in await taken(two, 6, within_s=30)} == {b"%d" % n for n in range(5, 11)}


async def test_what_a_dead_process_held_goes_to_another_after_a_while(own_nats: OwnNats) -> None:
    async with linked(section(own_nats)) as one:
        await publish(own_nats, *frames(1, 10))
        began = asyncio.get_running_loop().time()
        await taken(one, 10)
        async with linked(section(own_nats)) as two:
            one.receive = None  # type: ignore[method-assign,assignment]  # it takes nothing more, as a dead one
            again = await taken(two, 10)
            assert asyncio.get_running_loop().time() - began > 1
            for message in again:
                two.ack(message)


async def test_message_that_is_held_and_comes_again_is_not_given_twice(own_nats: OwnNats) -> None:
    async with linked(section(own_nats, ack_wait_s=1)) as link:
        await publish(own_nats, *frames(1, 5))
        held = await taken(link, 5)
        with pytest.raises(TimeoutError):
            await taken(link, 1, within_s=3)
        for message in held:
            link.ack(message)
        await asyncio.sleep(1.5)  # what was not acknowledged would come again meanwhile
        await publish(own_nats, *frames(6, 6))
        assert [(each.topic, each.payload) for each in await taken(link, 1)] == frames(6, 6)


async def test_two_of_one_name_share_and_another_name_gets_everything(own_nats: OwnNats) -> None:
    async with (
        linked(section(own_nats, ack_wait_s=60)) as one,
        linked(section(own_nats, ack_wait_s=60)) as two,
        linked(section(own_nats, ack_wait_s=60), durable="detectors") as other,
    ):
        got: dict[JetStreamLink, list[Message]] = {one: [], two: [], other: []}

        async def take(link: JetStreamLink) -> None:
            while True:
                got[link] += await link.receive(20, 0.1)

        taking = [asyncio.create_task(take(each)) for each in got]
        await publish(own_nats, *frames(1, 200))
        await eventually(lambda: len(got[one]) + len(got[two]) == 200 and len(got[other]) == 200)
        for task in taking:
            task.cancel()
        assert got[one]
        assert got[two]


async def test_who_is_alone_gets_what_it_left_behind_in_order_before_what_is_newer(own_nats: OwnNats) -> None:
    patient = section(own_nats, ack_wait_s=60)
    async with linked(patient, alone=True) as link:
        await publish(own_nats, *frames(1, 10))
        for message in await taken(link, 10):
            if message.payload in {b"1", b"2", b"7"}:
                link.ack(message)
    await publish(own_nats, *frames(11, 12))
    for _ in range(2):  # also a second time, under the other of its two names
        async with linked(patient, alone=True) as link:
            came = await taken(link, 10)
            assert [each.payload for each in came] == [b"%d" % n for n in range(3, 13)]
    consumers = await ask(own_nats, lambda api: api.stream_info(STREAM))
    assert consumers.state.consumer_count == 1


async def test_hubs_are_partitions_each_with_a_consumer(own_nats: OwnNats) -> None:
    north, south = topics.every(Leaf.FRAME, "north"), topics.every(Leaf.FRAME, "south")
    async with (
        linked(section(own_nats), north, topics.every(Leaf.BIRTH, "north"), durable="a") as first,
        linked(section(own_nats), south, topics.every(Leaf.FRAME, "west"), durable="b") as second,
    ):
        await publish(own_nats, *frames(1, 3, "north"), *frames(4, 6, "south"), *frames(7, 9, "west"))
        assert [each.payload for each in await taken(first, 3)] == [b"1", b"2", b"3"]
        assert {each.payload for each in await taken(second, 6)} == {b"%d" % n for n in range(4, 10)}
        assert await first.receive(10, 0.3) == []


async def test_message_confirmed_by_a_server_killed_that_moment_is_there(own_nats: OwnNats) -> None:
    async with linked(section(own_nats)):
        pass
    mqtt = MqttSection(host="127.0.0.1", port=own_nats.mqtt_port, protocol="3.1.1", max_reconnect_s=0.3)
    for number in range(1, 9):

        async def use(link: MqttLink, topic: str, payload: bytes) -> None:
            await link.publish(topic, payload)
            own_nats.kill()

        ((topic, payload),) = frames(number, number)
        async with asyncio.timeout(60):
            await MqttSession(mqtt, client_id="agent").run(partial(use, topic=topic, payload=payload))
        own_nats.start()
        await asyncio.to_thread(own_nats.await_healthy, 1)
    async with linked(section(own_nats)) as link:
        assert {each.payload for each in await taken(link, 8)} == {b"%d" % n for n in range(1, 9)}


async def test_server_killed_is_come_back_to_and_what_was_taken_before_is_acknowledged(own_nats: OwnNats) -> None:
    health = Health()
    async with linked(section(own_nats, ack_wait_s=30), health=health) as link:
        await publish(own_nats, *frames(1, 10))
        before = await taken(link, 10)
        own_nats.kill()
        await eventually(lambda: not health.ok)
        for message in before:
            link.ack(message)
        own_nats.start()
        await asyncio.to_thread(own_nats.await_healthy, 1)
        await eventually(lambda: health.ok)
        await publish(own_nats, *frames(11, 12))
        assert [each.payload for each in await taken(link, 2)] == [b"11", b"12"]
    async with linked(section(own_nats)) as link:  # 1 to 10 are acknowledged, though the connection was another
        assert {each.payload for each in await taken(link, 2)} == {b"11", b"12"}
        assert await link.receive(10, 0.5) == []


async def _is_kept(server: OwnNats, count: int) -> bool:
    return await kept(server) == count


async def test_full_stream_takes_nothing_more_and_loses_nothing(own_nats: OwnNats) -> None:
    big = [(FRAME.format(hub="harbour"), bytes(100_000)) for _ in range(30)]
    async with linked(section(own_nats, max_bytes=1 << 20)) as link:
        sending = asyncio.create_task(publish(own_nats, *big))
        await eventually(lambda: _is_kept(own_nats, 10))
        await asyncio.sleep(0.5)
        assert not sending.done()  # the agent keeps what is not confirmed
        assert len(await taken(link, 10)) == 10
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def test_server_away_at_the_start_is_waited_for_and_said(own_nats: OwnNats) -> None:
    health = Health()
    gone = f"nats://127.0.0.1:{free_port()}"
    settings = section(own_nats, servers=(gone, own_nats.url))
    async with linked(settings, health=health):
        assert health.ok


@pytest.mark.parametrize("server", ["nobody", "wrong"])
async def test_refused_credentials_are_an_outage_told_in_one_line(own_nats: OwnNats, server: str) -> None:
    config = own_nats.folder / "nats.conf"
    own_nats.stop()
    config.write_text(config.read_text() + 'authorization { user: "u", password: "right" }\n')
    own_nats.start()
    await asyncio.to_thread(own_nats.await_healthy, 1)
    who = {} if server == "nobody" else {"username": "u", "password": "wrong"}
    health = Health()
    session = JetStreamSession(section(own_nats, **who), durable="test", health=health)
    with capture_logs() as logged:
        await outage(session.run(_let_in), health, "refuses us")
    assert [line["event"] for line in logged] == ["stream lost, trying again"]


async def _let_in(_: JetStreamLink) -> None:
    raise AssertionError("let in")


async def test_stream_that_is_deleted_is_made_again_and_nothing_is_taken_for_what_was_there_before(
    own_nats: OwnNats,
) -> None:
    """Places in the new stream begin at 1: what is still held of the old one must not be confused with them."""
    health = Health()
    async with linked(section(own_nats), health=health) as link, linked(section(own_nats), durable="other") as other:
        await publish(own_nats, *frames(1, 3))
        held = await taken(link, 3)
        assert numbers(await taken(other, 3)) == [1, 2, 3]
        connection = await nats.connect(own_nats.url)
        try:
            await connection.jetstream().delete_stream(STREAM)
            reading = asyncio.create_task(taken(link, 3, 25)), asyncio.create_task(taken(other, 3, 25))
            await eventually(lambda: _is_there(own_nats))
            await publish(own_nats, *frames(4, 6))
            assert [numbers(await each) for each in reading] == [[4, 5, 6], [4, 5, 6]]
            for message in held:  # of the stream that is no more: acknowledges nothing in the new one
                link.ack(message)
            await asyncio.sleep(0)
            waiting = await connection.jetstream().consumer_info(STREAM, "test")
            assert waiting.num_ack_pending == 3
        finally:
            await connection.close()
        assert health.ok, health.report()


def numbers(messages: list[Message]) -> list[int]:
    return [int(each.payload) for each in messages]


async def _is_there(own_nats: OwnNats) -> bool:
    try:
        await ask(own_nats, lambda api: api.stream_info(STREAM))
    except NotFoundError:
        return False
    return True
