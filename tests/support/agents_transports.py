"""One device behind every kind of connection a driver can have, so that the same checks run over all of them."""

from __future__ import annotations

import asyncio
import json
import ssl
import struct
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from hubwatch_core.concurrency import drain
from hubwatch_core.config import MqttSection
from hubwatch_core.mqtt import Message, MqttLink, MqttSession
from support.agents_modbus_device import HEALTHY, Line, Unit
from support.agents_tls import server_context, write_authority
from support.proxy import Proxy

Address = tuple[str, int]


class Rig(Protocol):
    """Two sensors, `one` and `two`, with the channel `x`; the device of `one` can be changed, silenced and cut off."""

    connection: dict[str, Any]
    devices: list[dict[str, Any]]
    proxy: Proxy | None

    async def set(self, value: int) -> None:
        """Make the device of `one` give another value."""

    async def silence(self) -> None:
        """Make the device of `one` say nothing more, or say that it is gone."""

    async def speak(self) -> None:
        """Let it speak again."""


class ModbusRig:
    """Two units on one Modbus line."""

    def __init__(self, line: Line, connection: dict[str, Any], proxy: Proxy | None) -> None:
        self._line = line
        self.proxy = proxy
        self.connection = connection
        self.devices = [
            {"sensor": "one", "profile": "rig-modbus", "unit": 1},
            {"sensor": "two", "profile": "rig-modbus", "unit": 2},
        ]

    async def set(self, value: int) -> None:
        self._line.units[1].registers[1] = value

    async def silence(self) -> None:
        self._line.units[1].fault = "silent"

    async def speak(self) -> None:
        self._line.units[1].fault = HEALTHY


@asynccontextmanager
async def modbus_rig(transport: str, folder: Path) -> AsyncIterator[ModbusRig]:
    """Stand up two Modbus units behind one of the four transports."""
    line = Line({1: Unit(), 2: Unit()})
    connection: dict[str, Any] = {"name": "line", "transport": transport, "flush_ms": 20, "max_reconnect_s": 0.5}
    proxy: Proxy | None = None
    async with AsyncExitStack() as stack:
        if transport == "rtu":
            await stack.enter_async_context(line.over_pty())
            connection |= {"port": line.path, "baudrate": 115200}
        else:
            authority = write_authority(folder) if transport == "tls" else None
            context: ssl.SSLContext | None = server_context(authority) if authority is not None else None
            await stack.enter_async_context(line.over_tcp(rtu=transport == "rtu_over_tcp", context=context))
            proxy = await stack.enter_async_context(Proxy("127.0.0.1", line.port))
            connection |= {"host": proxy.address[0], "port": proxy.address[1]}
            if authority is not None:
                connection["tls"] = authority.client_section()
        yield ModbusRig(line, connection, proxy)


class Voice:
    """A client of the broker that speaks for devices."""

    def __init__(self, address: Address, client_id: str) -> None:
        self._session = MqttSession(MqttSection(host=address[0], port=address[1]), client_id=client_id)
        self._link: asyncio.Future[MqttLink] = asyncio.get_running_loop().create_future()
        self.heard: asyncio.Queue[Message] = asyncio.Queue()

    async def run(self, *filters: str) -> None:
        """Stay connected, and listen to what is sent to the devices."""

        async def use(link: MqttLink) -> None:
            if filters:
                await link.subscribe(*filters)
            if not self._link.done():
                self._link.set_result(link)
            while True:
                for message in await link.receive(100, 1.0):
                    self.heard.put_nowait(message)

        await self._session.run(use)

    async def listens(self) -> None:
        """Wait until it is subscribed: what a driver asks before that is lost, and asked again seconds later."""
        async with asyncio.timeout(60):
            await asyncio.shield(self._link)

    async def say(self, topic: str, payload: bytes, *, retain: bool = False, qos: int = 1) -> None:
        """Publish."""
        await (await self._link).publish(topic, payload, retain=retain, qos=qos)


class MqttRig:
    """Two devices that publish JSON ten times a second, with an availability topic."""

    def __init__(self, voice: Voice, connection: dict[str, Any], root: str, proxy: Proxy) -> None:
        self._voice = voice
        self.proxy: Proxy | None = proxy
        self._root = root
        self.connection = connection
        self.devices = [
            {"sensor": name, "profile": "rig-mqtt", "parameters": {"root": f"{root}/{name}"}} for name in ("one", "two")
        ]
        self._values = {"one": 10, "two": 10}
        self._silent: set[str] = set()

    async def publish_for_ever(self) -> None:
        while True:
            for name in ("one", "two"):
                if name not in self._silent:
                    await self._voice.say(f"{self._root}/{name}/sensor", json.dumps({"x": self._values[name]}).encode())
            await asyncio.sleep(0.1)

    async def set(self, value: int) -> None:
        self._values["one"] = value

    async def silence(self) -> None:
        self._silent.add("one")

    async def speak(self) -> None:
        self._silent.clear()


class SparkplugRig:
    """Two devices behind one edge node, that answers a call for rebirth."""

    def __init__(self, voice: Voice, connection: dict[str, Any], node: str, proxy: Proxy) -> None:
        self._voice = voice
        self.proxy: Proxy | None = proxy
        self._node = node
        self.connection = connection
        self.devices = [
            {
                "sensor": name,
                "profile": "rig-sparkplug",
                "parameters": {"node": node, "device": name},
            }
            for name in ("one", "two")
        ]
        self._values = {"one": 10, "two": 10}
        self._dead: set[str] = set()
        self._seq = 0
        self.births = 0
        self._turn = asyncio.Lock()

    async def publish_for_ever(self) -> None:
        while True:
            async with self._turn:
                await self._answer()
                for name in self._values:
                    if self.births and name not in self._dead:
                        await self._data(name)
            await asyncio.sleep(0.1)

    async def _answer(self) -> None:
        while not self._voice.heard.empty():
            if b"Node Control/Rebirth" in self._voice.heard.get_nowait().payload:
                await self._birth()

    async def _birth(self) -> None:
        self.births += 1
        self._seq = 0
        await self._say("NBIRTH", None, [sparkplug_metric(name="bdSeq", datatype=4, whole=1)])
        for alias, name in enumerate(self._values, start=1):
            if name not in self._dead:
                metric = sparkplug_metric(name="X", alias=alias, datatype=3, whole=self._values[name])
                await self._say("DBIRTH", name, [metric])

    async def _data(self, name: str) -> None:
        alias = list(self._values).index(name) + 1
        await self._say("DDATA", name, [sparkplug_metric(alias=alias, whole=self._values[name])])

    async def _say(self, kind: str, device: str | None, metrics: list[bytes]) -> None:
        topic = f"spBv1.0/rig/{kind}/{self._node}" + (f"/{device}" if device else "")
        await self._voice.say(topic, sparkplug_payload(self._seq, metrics), qos=0)
        self._seq = (self._seq + 1) % 256

    async def set(self, value: int) -> None:
        self._values["one"] = value

    async def silence(self) -> None:
        async with self._turn:
            self._dead.add("one")
            await self._say("DDEATH", "one", [])

    async def speak(self) -> None:
        async with self._turn:
            self._dead.clear()
            await self._say(
                "DBIRTH", "one", [sparkplug_metric(name="X", alias=1, datatype=3, whole=self._values["one"])]
            )


@asynccontextmanager
async def broker_rig(transport: str, address: Address, mark: str) -> AsyncIterator[MqttRig | SparkplugRig]:
    """Stand up two devices behind a real broker; `mark` keeps the topics of tests apart."""
    voice = Voice(address, f"rig-{mark}")
    async with Proxy(*address) as proxy:
        host, port = proxy.address
        connection = {"name": "line", "transport": transport, "host": host, "port": port, "max_reconnect_s": 0.5}
        filters = [f"spBv1.0/rig/NCMD/{mark}"] if transport == "sparkplug" else []
        rig: MqttRig | SparkplugRig
        if transport == "mqtt":
            rig = MqttRig(voice, connection, f"rig/{mark}", proxy)
        else:
            rig = SparkplugRig(voice, connection, mark, proxy)
        tasks = [asyncio.create_task(voice.run(*filters)), asyncio.create_task(rig.publish_for_ever())]
        try:
            await voice.listens()
            yield rig
        finally:
            await drain(tasks)


def sparkplug_payload(seq: int | None, metrics: list[bytes]) -> bytes:
    """Encode a Sparkplug message (fields 1 timestamp, 2 metrics, 3 seq)."""
    body = b"\x08" + _varint(time.time_ns() // 1_000_000)
    for metric in metrics:
        body += b"\x12" + _varint(len(metric)) + metric
    return body + (b"\x18" + _varint(seq) if seq is not None else b"")


def sparkplug_metric(
    *,
    name: str | None = None,
    alias: int | None = None,
    datatype: int | None = None,
    whole: int | None = None,
    double: float | None = None,
    historical: bool = False,
    timestamp_ms: int | None = None,
) -> bytes:
    """Encode one metric (1 name, 2 alias, 3 timestamp, 4 datatype, 5 historical, 10 whole number, 13 double)."""
    body = b"\x0a" + _varint(len(name)) + name.encode() if name is not None else b""
    body += b"\x10" + _varint(alias) if alias is not None else b""
    body += b"\x18" + _varint(timestamp_ms or time.time_ns() // 1_000_000)
    body += b"\x20" + _varint(datatype) if datatype is not None else b""
    body += b"\x28\x01" if historical else b""
    body += b"\x50" + _varint(whole & 0xFFFFFFFF) if whole is not None else b""
    return body + (b"\x69" + struct.pack("<d", double) if double is not None else b"")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])
