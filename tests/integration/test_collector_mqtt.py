"""The collector against a real Mosquitto and a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from hubwatch_collector.retirement import retire
from hubwatch_collector.service import parts
from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.config import MqttSection
from hubwatch_core.errors import Permanent
from hubwatch_core.mqtt import MqttLink, MqttSession
from hubwatch_core.process import Context
from hubwatch_store.ownership import NameTaken
from support.eventually import eventually
from support.own_mosquitto import OwnMosquitto
from support.proxy import Proxy
from support.store_collector import running_collector, settings_for
from support.store_examples import birth, event, frame, one, rows, series

TOPIC = "hubwatch/1/harbour/gate-7"


@pytest.fixture
def address(own_mosquitto: OwnMosquitto) -> tuple[str, int]:
    return own_mosquitto.host, own_mosquitto.port


@pytest.fixture
def dsn(migrated_plain_dsn: str) -> str:
    """One engine will do: that the writer works on both is for the contract tests to show."""
    return migrated_plain_dsn


@asynccontextmanager
async def publisher(address: tuple[str, int]) -> AsyncIterator[MqttLink]:
    """A link of an agent's kind."""
    linked: asyncio.Future[MqttLink] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def use(link: MqttLink) -> None:
        linked.set_result(link)
        await done.wait()

    session = MqttSession(MqttSection(host=address[0], port=address[1]), client_id="agent-test")
    task = asyncio.create_task(session.run(use))
    yield await linked
    done.set()
    await task


@asynccontextmanager
async def proxied(dsn: str) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy before the database, and the DSN that goes through it."""
    parts = urlsplit(dsn)
    async with Proxy(str(parts.hostname), int(parts.port or 5432)) as proxy:
        host, port = proxy.address
        yield proxy, parts._replace(netloc=f"{parts.username}@{host}:{port}").geturl()


async def send(link: MqttLink, *frames: wire.Frame) -> None:
    for each in frames:
        await link.publish(f"hubwatch/1/{each.hub}/{each.agent}/frame", wire.encode(each))


def seqs(dsn: str) -> list[int]:
    return [seq for (seq,) in rows(dsn, "SELECT seq FROM frames ORDER BY seq")]


def count(dsn: str, table: str) -> int:
    number: int = one(dsn, f"SELECT count(*) FROM {table}")
    return number


async def test_what_agents_send_is_in_the_public_views(address: tuple[str, int], dsn: str) -> None:
    async with running_collector(settings_for(address, dsn)), publisher(address) as link:
        await link.publish(f"{TOPIC}/birth", wire.encode(birth()), retain=True)
        await link.publish(f"{TOPIC}/state", wire.ONLINE, retain=True)
        await send(link, frame(1, events=[event("door.forced")]))
        await eventually(lambda: count(dsn, "frames") == 1)
        assert rows(dsn, "SELECT hub, sensor, channel, value FROM readings ORDER BY time") == [
            ("harbour", "rpm-2", "gamma.1", 1.0),
            ("harbour", "rpm-2", "gamma.1", 1.5),
        ]
        assert rows(dsn, "SELECT sensor, type FROM events") == [("door-3", "door.forced")]
        await eventually(lambda: rows(dsn, "SELECT agent, state FROM agents") == [("gate-7", "online")])


async def test_a_collector_that_comes_later_learns_what_is_retained(address: tuple[str, int], dsn: str) -> None:
    async with publisher(address) as link:
        await link.publish(f"{TOPIC}/birth", wire.encode(birth()), retain=True)
    async with running_collector(settings_for(address, dsn)):
        await eventually(lambda: count(dsn, "sensors") == 1)


async def test_poison_goes_to_dead_letters_and_stops_nothing(address: tuple[str, int], dsn: str) -> None:
    async with running_collector(settings_for(address, dsn)) as context, publisher(address) as link:
        await send(link, frame(1))
        await link.publish(f"{TOPIC}/frame", b"\xffnot json")
        await link.publish(f"{TOPIC}/frame", wire.encode(frame(2, hub="airport")))
        await link.publish(f"{TOPIC}/birth", b"{}")
        await link.publish(f"{TOPIC}/state", b"maybe")
        await link.publish("hubwatch/1/Harbour/gate-7/frame", wire.encode(frame(3)))
        await link.publish(f"{TOPIC}/frame", bytes(wire.MAX_FRAME_BYTES + 1))
        await send(link, frame(4, events=[event("a", attrs={"n": 1})]))
        await eventually(lambda: seqs(dsn) == [1, 4])
        await eventually(lambda: count(dsn, "dead_letters") == 6)
        await eventually(lambda: context.registry.get_sample_value("hubwatch_collector_dead_letters_total") == 6)
    assert one(dsn, "SELECT octet_length(payload) FROM dead_letters ORDER BY 1 DESC") == wire.MAX_FRAME_BYTES + 1


async def test_what_was_stored_is_not_delivered_again_after_a_restart(
    own_mosquitto: OwnMosquitto, address: tuple[str, int], dsn: str
) -> None:
    settings = settings_for(address, dsn)
    async with publisher(address) as link:
        async with running_collector(settings):
            await send(link, *(frame(seq) for seq in range(1, 51)))
        # A broker that saves every change to the disk takes a while to read what we sent last.
        await eventually(lambda: "Client collector-test disconnected" in own_mosquitto.log.read_text())
        await send(link, frame(51))
        async with running_collector(settings) as context:
            await eventually(lambda: seqs(dsn) == list(range(1, 52)))
            assert context.registry.get_sample_value("hubwatch_collector_duplicate_frames_total") == 0


async def test_frames_that_come_while_there_is_no_collector_wait_for_it(address: tuple[str, int], dsn: str) -> None:
    settings = settings_for(address, dsn)
    async with running_collector(settings):
        pass
    async with publisher(address) as link:
        await send(link, *(frame(seq) for seq in range(1, 201)))
    async with running_collector(settings):
        await eventually(lambda: count(dsn, "frames") == 200)


async def test_two_collectors_share_the_frames(address: tuple[str, int], dsn: str) -> None:
    first, second = (settings_for(address, dsn, f"collector-{name}") for name in "ab")
    async with running_collector(first) as one_, running_collector(second) as two, publisher(address) as link:
        await send(link, *(frame(seq) for seq in range(1, 101)))
        await eventually(lambda: count(dsn, "frames") == 100)
        # What is stored is counted right after, not in the same moment.
        await eventually(lambda: sum(taken(each) for each in (one_, two)) == 100)
        assert all(taken(each) for each in (one_, two)), "each took some"


def taken(context: Context) -> float:
    """Return how many frames a collector has counted as stored."""
    return context.registry.get_sample_value("hubwatch_collector_frames_total") or 0.0


async def test_a_link_that_is_cut_again_and_again_loses_and_doubles_nothing(address: tuple[str, int], dsn: str) -> None:
    async with (
        Proxy(*address) as proxy,
        publisher(address) as link,
        running_collector(settings_for(proxy.address, dsn)),
    ):
        for first in range(1, 301, 30):
            await send(link, *(frame(seq) for seq in range(first, first + 30)))
            proxy.cut()
            await asyncio.sleep(0.05)
        await eventually(lambda: seqs(dsn) == list(range(1, 301)))
    assert count(dsn, "readings") == 600


async def test_a_database_that_goes_away_is_waited_for(address: tuple[str, int], dsn: str) -> None:
    async with (
        proxied(dsn) as (proxy, through),
        publisher(address) as link,
        running_collector(settings_for(address, through)) as context,
    ):
        await send(link, frame(1))
        await eventually(lambda: seqs(dsn) == [1])
        await proxy.refuse()
        await send(link, *(frame(seq) for seq in range(2, 100)))
        await eventually(lambda: not context.health.ok)
        assert seqs(dsn) == [1]
        await proxy.heal()
        await eventually(lambda: seqs(dsn) == list(range(1, 100)))
        await eventually(lambda: context.health.ok)
    assert count(dsn, "readings") == 198


async def test_more_than_memory_may_hold_waits_at_the_broker(address: tuple[str, int], dsn: str) -> None:
    async with proxied(dsn) as (proxy, through), publisher(address) as link:
        settings = settings_for(address, through, max_held_bytes=1 << 20)
        settings = settings.model_copy(update={"mqtt": settings.mqtt.model_copy(update={"max_in_flight": 100})})
        async with running_collector(settings) as context:
            await proxy.refuse()
            big = [series(now_us(), [1.5] * 2000)]
            await send(link, *(frame(seq, series=big) for seq in range(1, 301)))
            held = context.registry.get_sample_value("hubwatch_collector_held_messages")
            assert held is not None
            assert held <= 100
            await proxy.heal()
            await eventually(lambda: count(dsn, "frames") == 300, 120)


async def test_a_database_without_the_schema_ends_the_collector_with_one_line(
    address: tuple[str, int], plain_dsn: str
) -> None:
    part = parts(settings_for(address, plain_dsn), Context.make("collector"))[0]
    with pytest.raises(Permanent, match="run `hubwatch db migrate`"):
        await part.run(asyncio.Event())


async def test_a_stop_without_a_database_leaves_everything_with_the_broker(
    address: tuple[str, int], dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubwatch_collector.service.DRAIN_S", 0.5)
    async with (
        proxied(dsn) as (proxy, through),
        publisher(address) as link,
        running_collector(settings_for(address, through)),
    ):
        await proxy.refuse()
        await send(link, frame(1), frame(2))
        await asyncio.sleep(0.2)
    async with running_collector(settings_for(address, dsn)):
        await eventually(lambda: seqs(dsn) == [1, 2])


async def test_one_that_is_gone_for_good_keeps_nothing_back_once_retired(address: tuple[str, int], dsn: str) -> None:
    gone, stays = (settings_for(address, dsn, f"collector-{name}") for name in ("gone", "stays"))
    async with running_collector(stays), publisher(address) as link:
        async with running_collector(gone):
            pass
        await send(link, *(frame(seq) for seq in range(1, 101)))

        async def the_other_is_done() -> bool:
            before = count(dsn, "frames")
            await asyncio.sleep(1)
            return 0 < before == count(dsn, "frames")

        await eventually(the_other_is_done)
        waiting = 100 - count(dsn, "frames")
        assert waiting > 0, "the broker goes on giving the other its share"
        assert await retire(gone) >= waiting
        assert seqs(dsn) == list(range(1, 101))
        await send(link, *(frame(seq) for seq in range(101, 151)))
        await eventually(lambda: seqs(dsn) == list(range(1, 151)))


async def test_one_that_runs_is_not_retired(address: tuple[str, int], dsn: str) -> None:
    settings = settings_for(address, dsn)
    async with running_collector(settings), publisher(address) as link:
        await send(link, frame(1))
        await eventually(lambda: seqs(dsn) == [1])
        with pytest.raises(NameTaken, match="Stop that one first"):
            await retire(settings)
        await send(link, frame(2))
        await eventually(lambda: seqs(dsn) == [1, 2])


async def test_retiring_one_that_never_was_finds_nothing(address: tuple[str, int], dsn: str) -> None:
    assert await retire(settings_for(address, dsn, "collector-nobody")) == 0
