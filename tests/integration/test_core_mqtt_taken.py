"""A broker that says that another connection has our client id, as Mosquitto since 2.0.15 and EMQX do."""

from __future__ import annotations

import asyncio
import socket

from hubwatch_core.config import MqttSection
from hubwatch_core.mqtt import MqttLink, MqttSession
from support.eventually import eventually

CONNACK = bytes([0x20, 3, 0, 0, 0])
TAKEN_OVER = bytes([0xE0, 2, 0x8E, 0])


async def test_name_taken_by_another_process_is_said_in_words() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(CONNACK)
        await asyncio.sleep(0.2)  # after the session has begun to use the link
        writer.write(TAKEN_OVER)
        await writer.drain()
        writer.close()

    async def use(_: MqttLink) -> None:
        await asyncio.Event().wait()

    server = await asyncio.start_server(speak, "127.0.0.1", 0, family=socket.AF_INET)
    async with server:
        settings = MqttSection(host="127.0.0.1", port=server.sockets[0].getsockname()[1], protocol="5")
        session = MqttSession(settings, client_id="hubwatch-detectors")
        running = asyncio.create_task(session.run(use))
        try:
            await eventually(lambda: "another process took the name hubwatch-detectors" in str(session.reason))
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
