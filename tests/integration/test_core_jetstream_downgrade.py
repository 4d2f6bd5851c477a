"""A NATS server that offers no encryption, or somebody in between, is told nothing where TLS is demanded."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from hubwatch_core.config import NatsSection
from hubwatch_core.health import Health
from hubwatch_core.jetstream import JetStreamSession
from support.certificates import Certificates
from support.kept_link import outage

GREETING = {"server_id": "x", "version": "2.9.10", "max_payload": 1048576, "auth_required": True, "proto": 1}


@pytest.mark.parametrize("scheme", ["nats", "tls"])
async def test_greeting_without_tls_gets_no_password(scheme: str, tmp_path: Path) -> None:
    heard: list[bytes] = []

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"INFO " + json.dumps(GREETING).encode() + b"\r\n")
        heard.append(await reader.read(4096))
        writer.close()

    async def nothing(_: object) -> None:
        raise AssertionError("let in")

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        values: dict[str, object] = {
            "servers": [f"{scheme}://127.0.0.1:{port}"],
            "username": "hub",
            "password": "hunter2",
        }
        if scheme == "nats":
            values["tls"] = {"ca_file": Certificates(tmp_path).ca}
        health = Health()
        session = JetStreamSession(NatsSection.model_validate(values), durable="x", health=health)
        await outage(session.run(nothing), health, "offers no encryption")
    assert set(heard) == {b""}
