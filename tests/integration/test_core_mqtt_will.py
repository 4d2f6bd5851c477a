"""A last will that is another for each connection."""

from __future__ import annotations

import asyncio
import itertools
import time

from hubwatch_core.concurrency import drain
from hubwatch_core.config import MqttSection
from hubwatch_core.mqtt import MqttLink, MqttSession, Will
from support.eventually import eventually
from support.proxy import Proxy


async def test_will_is_asked_for_at_each_connection(mosquitto: tuple[str, int]) -> None:
    mark = f"{time.time_ns():x}"
    numbers = itertools.count(1)
    told: list[bytes] = []

    def will() -> Will:
        return Will(f"wills/{mark}", str(next(numbers)).encode(), retain=False)

    async def listen(link: MqttLink) -> None:
        await link.subscribe(f"wills/{mark}")
        while True:
            told.extend(message.payload for message in await link.receive(10, 1.0))

    connected = 0

    async def live(_link: MqttLink) -> None:
        nonlocal connected
        connected += 1
        await asyncio.Event().wait()

    async with Proxy(*mosquitto) as proxy:
        host, port = proxy.address
        mortal = MqttSection(host=host, port=port, max_reconnect_s=0.3)
        witness = MqttSection(host=mosquitto[0], port=mosquitto[1])
        tasks = [
            asyncio.create_task(MqttSession(witness, client_id=f"witness-{mark}").run(listen)),
            asyncio.create_task(MqttSession(mortal, client_id=f"mortal-{mark}", will=will).run(live)),
        ]
        try:
            await eventually(lambda: connected == 1)
            proxy.cut()
            await eventually(lambda: told == [b"1"])
            await eventually(lambda: connected == 2)
            proxy.cut()
            await eventually(lambda: told == [b"1", b"2"])
        finally:
            await drain(tasks)
