"""The agent as the primary host application of Sparkplug nodes, through a real broker."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from hubwatch_core.concurrency import drain
from hubwatch_core.mqtt import Message
from hubwatch_core.words import Quality
from support.agents_rig import driving
from support.agents_transports import Voice, sparkplug_metric, sparkplug_payload
from support.eventually import eventually
from support.proxy import Proxy

Address = tuple[str, int]
_numbers = itertools.count()


class Watcher:
    """A client that follows what is said of a host, as an edge node does."""

    def __init__(self, broker: Address, host_id: str) -> None:
        self.topic = f"spBv1.0/STATE/{host_id}"
        self.voice = Voice(broker, f"watcher-{host_id}")
        self.told: list[Message] = []

    @property
    def states(self) -> list[dict[str, Any]]:
        """Everything that was said of the host, in order."""
        return [json.loads(message.payload) for message in self.told]

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[Watcher]:
        tasks = [asyncio.create_task(self.voice.run(self.topic)), asyncio.create_task(self._collect())]
        try:
            await self.voice.listens()
            yield self
            await self.voice.say(self.topic, b"", retain=True)
        finally:
            await drain(tasks)

    async def until(self, *online: bool) -> list[dict[str, Any]]:
        """Wait until so much was said."""
        await eventually(lambda: [state["online"] for state in self.states] == list(online))
        return self.states

    async def _collect(self) -> None:
        while True:
            message = await self.voice.heard.get()
            if message.payload:
                self.told.append(message)


@pytest.fixture
async def watcher(mosquitto: Address) -> AsyncIterator[Watcher]:
    async with Watcher(mosquitto, f"host-{time.time_ns():x}-{next(_numbers)}").watching() as one:
        yield one


def connection(address: Address, host_id: str | None) -> dict[str, Any]:
    more = {"host_id": host_id} if host_id is not None else {}
    return {
        "name": "n",
        "transport": "sparkplug",
        "host": address[0],
        "port": address[1],
        "max_reconnect_s": 0.3,
        **more,
    }


def devices(node: str) -> list[dict[str, Any]]:
    return [{"sensor": "one", "profile": "rig-sparkplug", "parameters": {"node": node, "device": "d"}}]


async def be_born(watcher: Watcher) -> None:
    """Say what a node with one device says first, for the host that is watched."""
    host = host_of(watcher)
    births = [
        (f"spBv1.0/rig/NBIRTH/{host}", [sparkplug_metric(name="bdSeq", datatype=4, whole=1)]),
        (f"spBv1.0/rig/DBIRTH/{host}/d", [sparkplug_metric(name="X", alias=1, datatype=3, whole=42)]),
    ]
    for seq, (topic, metrics) in enumerate(births):
        await watcher.voice.say(topic, sparkplug_payload(seq, metrics), qos=0)


def host_of(watcher: Watcher) -> str:
    return watcher.topic.rsplit("/", 1)[1]


async def test_host_is_online_while_the_agent_runs_and_offline_after_an_ordered_stop(
    watcher: Watcher, mosquitto: Address
) -> None:
    host = host_of(watcher)
    before = time.time_ns() // 1_000_000
    async with driving(connection(mosquitto, host), devices(host), f"agent-{host}"):
        (birth,) = await watcher.until(True)
        assert before <= birth["timestamp"] <= time.time_ns() // 1_000_000
    states = await watcher.until(True, False)
    assert states[0]["timestamp"] == states[1]["timestamp"]
    assert [message.qos for message in watcher.told] == [1, 1]


async def test_state_is_retained_for_nodes_that_come_later(watcher: Watcher, mosquitto: Address) -> None:
    host = host_of(watcher)
    async with driving(connection(mosquitto, host), devices(host), f"agent-{host}"):
        await watcher.until(True)
        late = Voice(mosquitto, f"late-{host}")
        task = asyncio.create_task(late.run(watcher.topic))
        async with asyncio.timeout(60):
            message = await late.heard.get()
        await drain([task])
        assert (message.retain, json.loads(message.payload)["online"]) == (True, True)


async def test_lost_agent_is_offline_by_its_will_and_its_return_has_a_later_time(
    watcher: Watcher, mosquitto: Address
) -> None:
    host = host_of(watcher)
    async with Proxy(*mosquitto) as proxy, driving(connection(proxy.address, host), devices(host), f"agent-{host}"):
        await watcher.until(True)
        proxy.cut()
        first, will, again = await watcher.until(True, False, True)
    assert first["timestamp"] == will["timestamp"] < again["timestamp"]


async def test_without_a_name_nothing_is_said(watcher: Watcher, mosquitto: Address) -> None:
    host = host_of(watcher)
    async with driving(connection(mosquitto, None), devices(host), f"agent-{host}") as (heard, _):
        while heard.last("one", "x") is None:
            await be_born(watcher)
            await asyncio.sleep(0.05)
        await watcher.voice.say(watcher.topic, b'{"online": "marker"}')
        await eventually(lambda: watcher.states)
    assert watcher.states == [{"online": "marker"}]


async def test_late_death_of_an_earlier_connection_is_contradicted(watcher: Watcher, mosquitto: Address) -> None:
    host = host_of(watcher)
    async with driving(connection(mosquitto, host), devices(host), f"agent-{host}"):
        (birth,) = await watcher.until(True)
        old = {"online": False, "timestamp": birth["timestamp"] - 60_000}
        await watcher.voice.say(watcher.topic, json.dumps(old).encode(), retain=True)
        states = await watcher.until(True, False, True)
        assert states[2] == birth


async def test_another_host_of_the_same_name_is_told_and_not_shouted_down(watcher: Watcher, mosquitto: Address) -> None:
    host = host_of(watcher)
    with capture_logs() as logs:
        async with driving(connection(mosquitto, host), devices(host), f"agent-{host}"):
            (birth,) = await watcher.until(True)
            for online in (True, False, True, False):
                other = {"online": online, "timestamp": birth["timestamp"] + 1000}
                await watcher.voice.say(watcher.topic, json.dumps(other).encode(), retain=True)
            # Our own late death is contradicted, and that alone: the answer to what came before would be there, too.
            death = {"online": False, "timestamp": birth["timestamp"]}
            await watcher.voice.say(watcher.topic, json.dumps(death).encode(), retain=True)
            await watcher.until(True, True, False, True, False, False, True)
    errors = [log for log in logs if log["log_level"] == "error"]
    assert len(errors) == 1
    assert "another host application" in errors[0]["event"]


async def test_node_that_waits_for_its_primary_host_then_speaks(watcher: Watcher, mosquitto: Address) -> None:
    host = host_of(watcher)
    born: list[bool] = []

    async def node() -> None:
        """Be born when the host is online, as Sparkplug 3.0 asks of nodes with a primary host."""
        await eventually(lambda: any(state["online"] for state in watcher.states))
        born.append(bool(watcher.states))
        await be_born(watcher)

    waiting = asyncio.create_task(node())
    await watcher.voice.say(watcher.topic, b'{"online": false}')
    await watcher.until(False)  # the node has heard this, too
    assert born == []
    async with driving(connection(mosquitto, host), devices(host), f"agent-{host}") as (heard, _):
        await heard.until(lambda h: (r := h.last("one", "x")) and (r.x, r.quality) == (42, Quality.GOOD))
    await drain([waiting])
