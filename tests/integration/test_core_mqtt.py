"""Links of an MQTT session on real Mosquitto: publishing, receiving, acknowledging."""

from __future__ import annotations

import asyncio
import time

import pytest

from hubwatch_core.clock import now_us
from hubwatch_core.errors import Transient
from hubwatch_core.mqtt import Message, MqttLink, MqttSession
from support.eventually import eventually
from support.fix_mqtt import Address
from support.kept_link import kept, reaching, unique
from support.own_mosquitto import OwnMosquitto
from support.proxy import Proxy

SOON_S = 60.0


async def _take(link: MqttLink, count: int) -> list[Message]:
    """Receive all that is there for us, which is exactly `count` messages: a marker sent now comes behind them."""
    marker = unique()
    await link.subscribe(marker)
    await link.publish(marker, b"")
    got: list[Message] = []
    while not got or got[-1].topic != marker:
        more = await link.receive(count + 10, SOON_S)
        assert more, f"only {len(got)} of {count} messages came"
        got += more
    link.ack(got.pop())
    await link.publish(unique(), b"")  # confirmed after the acknowledgement, which went before it
    assert len(got) == count
    return got


async def test_message_published_is_message_received(mosquitto: Address, other: MqttLink) -> None:
    topic = f"{unique()}/a"
    async with kept(MqttSession(reaching(mosquitto), client_id=unique())) as links:
        link = await links.next()
        await link.subscribe(topic)
        before = now_us()
        await other.publish(topic, b"\x00\xff")
        (message,) = await _take(link, 1)
    assert (message.topic, message.payload, message.qos, message.retain) == (topic, b"\x00\xff", 1, False)
    assert before <= message.received <= now_us()


async def test_mqtt_5_is_spoken_unless_told_otherwise(own_mosquitto: OwnMosquitto) -> None:
    address = (own_mosquitto.host, own_mosquitto.port)
    for protocol in ("auto", "5", "3.1.1"):
        async with kept(MqttSession(reaching(address, protocol=protocol), client_id=f"by-{protocol}")) as links:
            await links.next()
    log = own_mosquitto.log.read_text(encoding="utf-8")
    assert "as by-auto (p5, c1, k20)" in log
    assert "as by-5 (p5, c1, k20)" in log
    assert "as by-3.1.1 (p2, c1, k20)" in log


async def test_session_ends_when_its_use_returns(mosquitto: Address) -> None:
    used = []

    async def use(link: MqttLink) -> None:
        used.append(link)

    async with asyncio.timeout(SOON_S):
        await MqttSession(reaching(mosquitto), client_id=unique()).run(use)
    (link,) = used
    with pytest.raises(Transient, match="lost"):
        await link.publish("a", b"")
    with pytest.raises(Transient, match="lost"):
        await link.subscribe("a")
    with pytest.raises(Transient, match="lost"):
        await link.receive(1, 1)


async def test_session_cancelled_at_any_moment_of_connecting_ends(mosquitto: Address) -> None:
    async def use(link: MqttLink) -> None:
        await link.subscribe(unique())
        await asyncio.Event().wait()

    for step in range(120):
        running = asyncio.create_task(MqttSession(reaching(mosquitto), client_id=unique()).run(use))
        # A connect takes some milliseconds here, so that these steps cover all of it.
        await asyncio.sleep(step / 10_000)
        running.cancel()
        _, left = await asyncio.wait([running], timeout=60)
        assert not left, f"cancelled after {step / 10:g} ms, and it went on"


async def test_error_of_the_use_comes_through(mosquitto: Address) -> None:
    async def use(_: MqttLink) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(SOON_S):
            await MqttSession(reaching(mosquitto), client_id=unique()).run(use)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_broker_keeps_the_session_of_a_persistent_client_only(mosquitto: Address, protocol: str) -> None:
    for persistent in (False, True):
        session = MqttSession(reaching(mosquitto, protocol=protocol), client_id=unique(), persistent=persistent)
        present = []
        for _ in range(2):
            async with kept(session) as links:
                present.append((await links.next()).session_present)
        assert present == [False, persistent]


async def test_persistent_client_gets_what_came_while_it_was_away(mosquitto: Address, other: MqttLink) -> None:
    topic, session = unique(), MqttSession(reaching(mosquitto), client_id=unique(), persistent=True)
    async with kept(session) as links:
        await (await links.next()).subscribe(topic)
    for i in range(5):
        await other.publish(topic, b"%d" % i)
    async with kept(session) as links:
        messages = await _take(await links.next(), 5)
    assert [message.payload for message in messages] == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.parametrize("shared", [True, False])
async def test_only_what_was_not_acknowledged_comes_again(proxy: Proxy, other: MqttLink, shared: bool) -> None:
    topic = unique()
    session = MqttSession(reaching(proxy.address), client_id=unique(), persistent=True, manual_ack=True)
    async with kept(session) as links:
        link = await links.next()
        await link.subscribe(f"$share/{unique()}/{topic}" if shared else topic)
        for i in range(10):
            await other.publish(topic, b"%d" % i)
        for message in await _take(link, 10):
            if int(message.payload) % 3:
                link.ack(message)
        await link.publish(unique(), b"")  # confirmed after the acknowledgements
        proxy.cut()
        again = await links.next()
        assert again.session_present
        messages = await _take(again, 4)
        assert sorted(message.payload for message in messages) == [b"0", b"3", b"6", b"9"]
        for message in messages:
            again.ack(message)
        await again.publish(unique(), b"")  # confirmed after the acknowledgements, which went before it
        proxy.cut()
        last = await links.next()
        await other.publish(topic, b"only this")
        assert [message.payload for message in await _take(last, 1)] == [b"only this"]


async def test_without_manual_ack_nothing_comes_again(proxy: Proxy, other: MqttLink) -> None:
    topic = unique()
    async with kept(MqttSession(reaching(proxy.address), client_id=unique(), persistent=True)) as links:
        link = await links.next()
        await link.subscribe(topic)
        await other.publish(topic, b"x")
        (message,) = await _take(link, 1)
        link.ack(message)
        proxy.cut()
        again = await links.next()
        await other.publish(topic, b"only this")
        assert [message.payload for message in await _take(again, 1)] == [b"only this"]


async def test_acknowledging_a_message_of_a_lost_link_does_nothing(proxy: Proxy, other: MqttLink) -> None:
    topic = unique()
    async with kept(MqttSession(reaching(proxy.address), client_id=unique(), manual_ack=True)) as links:
        link = await links.next()
        await link.subscribe(topic)
        await other.publish(topic, b"x")
        (message,) = await _take(link, 1)
        proxy.cut()
        again = await links.next()
        unhandled: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: unhandled.append(what))
        alone = await _bytes_to_publish(again, proxy)
        link.ack(message)
        assert await _bytes_to_publish(again, proxy) == alone, "nothing but the message goes up on the new link"
        assert unhandled == []


async def _bytes_to_publish(link: MqttLink, proxy: Proxy) -> int:
    """Return how much goes up from now until a message is confirmed."""
    before = proxy.flows["up"].passed_bytes
    await link.publish("some/topic", b"x")
    return proxy.flows["up"].passed_bytes - before


async def test_members_of_a_group_share_and_each_message_comes_once(mosquitto: Address, other: MqttLink) -> None:
    topic, group = unique(), unique()
    async with (
        kept(MqttSession(reaching(mosquitto), client_id=unique())) as one,
        kept(MqttSession(reaching(mosquitto), client_id=unique())) as two,
    ):
        members = [await one.next(), await two.next()]
        for member in members:
            await member.subscribe(f"$share/{group}/{topic}")
        for i in range(20):
            await other.publish(topic, b"%d" % i)
        got: list[bytes] = []
        async with asyncio.timeout(SOON_S):
            while len(got) < 20:
                got += [message.payload for member in members for message in await member.receive(20, 0.1)]
    assert sorted(got, key=int) == [b"%d" % i for i in range(20)]


async def test_receive_takes_what_is_there_but_never_more_than_asked(mosquitto: Address, other: MqttLink) -> None:
    topic = unique()
    async with kept(MqttSession(reaching(mosquitto), client_id=unique())) as links:
        link = await links.next()
        await link.subscribe(topic)
        await asyncio.gather(*(other.publish(topic, b"%d" % i) for i in range(25)))
        await eventually(lambda: len(link._client.inbox._messages) == 25)
        batches = [[int(each.payload) for each in await link.receive(10, 1)] for _ in range(3)]
    assert [len(batch) for batch in batches] == [10, 10, 5]
    assert [number for batch in batches for number in batch] == list(range(25))


async def test_receive_waits_as_long_as_told_when_nothing_comes(mosquitto: Address) -> None:
    async with kept(MqttSession(reaching(mosquitto), client_id=unique())) as links:
        link = await links.next()
        began = time.monotonic()
        assert await link.receive(10, 0.3) == []
        assert 0.3 <= time.monotonic() - began < SOON_S


@pytest.mark.parametrize("turns", range(5))
async def test_receive_cancelled_as_a_message_comes_does_not_lose_it(
    mosquitto: Address, other: MqttLink, turns: int
) -> None:
    topic = unique()
    async with kept(MqttSession(reaching(mosquitto), client_id=unique())) as links:
        link = await links.next()
        await link.subscribe(topic)
        await other.publish(topic, b"x")
        inbox = link._client.inbox
        await inbox.filled.wait()
        (message,) = inbox.take(1)
        waiting = asyncio.create_task(link.receive(1, 10))
        await asyncio.sleep(0.05)
        inbox.put(message)  # comes again, and some turns of the loop later the receiver gives up
        for _ in range(turns):
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        (got,) = await link.receive(1, 0.1) if waiting.cancelled() else waiting.result()
        assert got.payload == b"x"


async def test_publish_returns_only_after_the_broker_has_taken_it(proxy: Proxy) -> None:
    async with kept(MqttSession(reaching(proxy.address), client_id=unique())) as links:
        link = await links.next()
        proxy.stall("down")
        down = proxy.flows["down"]
        publishing = asyncio.create_task(link.publish(unique(), b"x"))
        await eventually(lambda: down.came_bytes > down.passed_bytes)  # the broker's answer is there, and held back
        assert not publishing.done()
        await proxy.heal()
        async with asyncio.timeout(SOON_S):
            await publishing


async def test_publish_of_qos_0_waits_for_nothing(proxy: Proxy) -> None:
    async with kept(MqttSession(reaching(proxy.address), client_id=unique())) as links:
        link = await links.next()
        proxy.stall("down")
        async with asyncio.timeout(SOON_S):
            await link.publish(unique(), b"x", qos=0)


async def test_publish_on_its_way_when_the_link_breaks_is_transient(proxy: Proxy) -> None:
    async with kept(MqttSession(reaching(proxy.address), client_id=unique())) as links:
        link = await links.next()
        proxy.stall("down")
        before = proxy.flows["up"].passed_bytes
        publishing = asyncio.create_task(link.publish("some/topic", b"x"))
        await eventually(lambda: proxy.flows["up"].passed_bytes > before)
        proxy.cut()
        with pytest.raises(Transient, match="lost before some/topic was acknowledged"):
            async with asyncio.timeout(SOON_S):
                await publishing


@pytest.mark.parametrize("shared", [True, False])
async def test_publish_is_heard_by_a_session_the_broker_keeps(
    mosquitto: Address, other: MqttLink, shared: bool
) -> None:
    topic, session = unique(), MqttSession(reaching(mosquitto), client_id=unique(), persistent=True)
    async with kept(session) as links:
        await (await links.next()).subscribe(f"$share/{unique()}/{topic}" if shared else topic)
    assert await other.publish(topic, b"x")
    async with kept(session) as links:
        assert [message.payload for message in await _take(await links.next(), 1)] == [b"x"]


async def test_publish_says_that_nobody_hears_until_somebody_has_subscribed(
    mosquitto: Address, other: MqttLink
) -> None:
    topic, client_id = unique(), unique()
    assert other.tells_who_hears
    assert not await other.publish(topic, b"x")
    subscriber = MqttSession(reaching(mosquitto), client_id=client_id, persistent=True, manual_ack=True)
    async with kept(subscriber) as links:
        await (await links.next()).subscribe(topic)
        assert await other.publish(topic, b"present")
    assert await other.publish(topic, b"away")  # the broker keeps it for a session that comes back
    async with kept(subscriber) as links:
        assert [each.payload for each in await _take(await links.next(), 2)] == [b"present", b"away"]


async def test_old_protocol_has_no_word_for_nobody(mosquitto: Address) -> None:
    async with kept(MqttSession(reaching(mosquitto, protocol="3.1.1"), client_id=unique())) as links:
        link = await links.next()
        assert not link.tells_who_hears
        assert await link.publish(unique(), b"x", expires_s=1)


async def test_message_that_has_expired_is_not_delivered(mosquitto: Address, other: MqttLink) -> None:
    topic, session = unique(), MqttSession(reaching(mosquitto), client_id=unique(), persistent=True)
    async with kept(session) as links:
        await (await links.next()).subscribe(topic)
    await other.publish(topic, b"soon stale", expires_s=1)
    await other.publish(topic, b"for long", expires_s=60)
    await asyncio.sleep(2.2)
    async with kept(session) as links:
        assert [each.payload for each in await _take(await links.next(), 1)] == [b"for long"]


async def test_thousand_publishes_at_once_are_all_confirmed_and_arrive(mosquitto: Address, other: MqttLink) -> None:
    topic = unique()
    async with kept(MqttSession(reaching(mosquitto), client_id=unique())) as links:
        link = await links.next()
        await link.subscribe(topic)
        await asyncio.gather(*(other.publish(topic, b"%d" % i) for i in range(1000)))
        assert [int(each.payload) for each in await _take(link, 1000)] == list(range(1000))
