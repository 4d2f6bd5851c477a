"""Pitfalls of Sparkplug nodes, through a real broker and the real driver."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from hubwatch_core.concurrency import drain
from hubwatch_core.words import Quality
from support.agents_rig import Heard, driving
from support.agents_transports import Voice, sparkplug_metric, sparkplug_payload
from support.fix_mqtt import Address

DOUBLE = 10


class EdgeNode:
    """A node whose messages are written by the test; it answers no rebirth by itself."""

    def __init__(self, voice: Voice, group: str) -> None:
        self.voice = voice
        self.group = group

    async def say(self, kind: str, seq: int | None, *metrics: bytes, device: str = "", retain: bool = False) -> None:
        topic = f"spBv1.0/{self.group}/{kind}/n{device and '/' + device}"
        await self.voice.say(topic, sparkplug_payload(seq, list(metrics)), retain=retain)

    async def born(self, bd_seq: int, *, retain: bool = False) -> None:
        await self.say("NBIRTH", 0, sparkplug_metric(name="bdSeq", datatype=8, whole=bd_seq), retain=retain)
        values = [sparkplug_metric(name=name, datatype=DOUBLE, double=20.0) for name in ("Temperature", "Humidity")]
        await self.say("DBIRTH", 1, *values, device="d", retain=retain)

    async def forget(self) -> None:
        for topic in ("NBIRTH/n", "DBIRTH/n/d"):
            await self.voice.say(f"spBv1.0/{self.group}/{topic}", b"", retain=True)


@asynccontextmanager
async def speaking(broker: Address) -> AsyncIterator[EdgeNode]:
    group = f"g{time.time_ns():x}"
    voice = Voice(broker, f"node-{group}")
    task = asyncio.create_task(voice.run(f"spBv1.0/{group}/NCMD/n"))
    try:
        await voice.listens()
        yield EdgeNode(voice, group)
    finally:
        await drain([task])


def reading(node: EdgeNode, broker: Address) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
    connection = {"name": "b", "transport": "sparkplug", "host": broker[0], "port": broker[1]}
    parameters = {"group": node.group, "node": "n", "device": "d"}
    devices = [{"sensor": "s", "profile": "generic.sparkplug-environment", "parameters": parameters}]
    return connection, devices, f"driver-{node.group}"


def bad(heard: Heard, reason: str) -> bool:
    last = heard.last("s", "temperature")
    return last is not None and last.quality is Quality.BAD and reason in str(last.reason)


async def test_births_that_the_broker_had_kept_are_never_good(mosquitto: Address) -> None:
    async with speaking(mosquitto) as node:
        await node.born(0, retain=True)
        try:
            async with driving(*reading(node, mosquitto)) as (heard, _):
                await heard.until(lambda it: bad(it, "no NBIRTH since it was asked"))
                first = heard.of("s", "temperature")[0]
                assert (first.x, first.quality) == (20.0, Quality.UNCERTAIN)
                assert "retained" in str(first.reason)
                assert Quality.GOOD not in {each.quality for each in heard.of("s")}
        finally:
            await node.forget()


async def test_death_of_another_session_is_a_death_where_no_birth_follows(mosquitto: Address) -> None:
    async with speaking(mosquitto) as node, driving(*reading(node, mosquitto)) as (heard, _):
        await node.voice.heard.get()  # it listens, and has asked for the births
        await node.born(1)
        await heard.until(lambda it: it.of("s", "temperature"))
        await node.say("NDEATH", None, sparkplug_metric(name="bdSeq", datatype=8, whole=0))
        async with asyncio.timeout(60):
            await node.voice.heard.get()
        await heard.until(lambda it: bad(it, "NDEATH of session 0, and no birth since"))


async def test_message_without_a_number_is_number_0(mosquitto: Address) -> None:
    async with speaking(mosquitto) as node, driving(*reading(node, mosquitto)) as (heard, _):
        await node.voice.heard.get()
        await node.born(0)
        for seq in range(2, 300):
            value = sparkplug_metric(name="Temperature", double=float(seq))
            await node.say("DDATA", seq % 256 or None, value, device="d")
        await heard.until(lambda it: 299.0 in {each.x for each in it.of("s", "temperature")})
        values = [each.x for each in heard.of("s", "temperature")]
        assert values[values.index(20.0) :] == [20.0, *map(float, range(2, 300))]
        assert node.voice.heard.empty(), "nobody has asked for a rebirth"
