"""`hubwatch wire cat` at a broker."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

from hubwatch_core import wire
from hubwatch_core.config import MqttSection
from hubwatch_core.mqtt import MqttLink, MqttSession
from hubwatch_core.packed_frame import encode_packed
from support.own_mosquitto import OwnMosquitto
from support.packed_cases import EPOCH, GOLDEN, SENT

PAYLOADS = [wire.encode(wire.Frame(1, "h", "a", EPOCH, 1, SENT)), b"\x80", encode_packed(GOLDEN["device-times"])]


async def test_frames_of_the_broker_are_printed_whatever_their_version(
    own_mosquitto: OwnMosquitto, tmp_path: Path
) -> None:
    config = tmp_path / "collector.toml"
    config.write_text(f'[mqtt]\nhost = "{own_mosquitto.host}"\nport = {own_mosquitto.port}\n[intake]\ngroup = "x"\n')
    # Retained, so that they come whenever the subscription is there.
    topics = [f"hubwatch/1/wire/{name}/frame" for name in ("a", "b", "c")]

    async def publish(link: MqttLink) -> None:
        for topic, payload in zip(topics, PAYLOADS, strict=True):
            await link.publish(topic, payload, retain=True)

    where = MqttSection(host=own_mosquitto.host, port=own_mosquitto.port)
    await MqttSession(where, client_id="wire-test").run(publish)
    command = [sys.executable, "-m", "hubwatch_ops", "wire", "cat", "-c", str(config), "--hub", "wire", "-n", "3"]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    async with asyncio.timeout(60):
        out, said = await process.communicate()
    assert process.returncode == 0, said
    assert sorted("packed" in json.loads(line) for line in out.splitlines()) == [False, True]
    assert b"hubwatch/1/wire/b/frame: Object missing required field `v`" in said
