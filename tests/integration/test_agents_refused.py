"""A broker that refuses a login, a subscription or a message is an outage: it ends no agent and costs nobody else.

Ref: flyte/mqtt-io #363 (a broker says "not authorised" while its user database is away).
"""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.agents_modbus_device import Line, Unit
from support.agents_process import AgentProcess, Listener, config_text, listening
from support.eventually import eventually
from support.fix_mqtt import MakeMosquitto
from support.own_mosquitto import mosquitto_program
from support.refusing_broker import RefusingBroker

PROFILE = """
id = "number"
title = "A number in JSON"
kind = "process"
protocol = "mqtt"
source = ["made for tests"]
confidence = "generic"
[[messages]]
topic = "plant/state"
[[messages.channels]]
name = "x"
unit = "1"
path = "x"
"""
DEVICE = """
[[connections]]
name = "site"
transport = "mqtt"
host = "127.0.0.1"
port = {port}
protocol = "{protocol}"
max_reconnect_s = 0.5
[[devices]]
sensor = "number-1"
zone = "here"
profile = "number"
connection = "site"
"""
LARGEST_GAP_US = 1_500_000
"""The device is read every 100 ms; a busy machine may be late, an agent that has ended is longer away."""

_hubs = itertools.count()


@pytest.fixture
def hub() -> str:
    return f"refused-{time.time_ns():x}-{next(_hubs)}"


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    async with Line({1: Unit()}).over_tcp() as made:
        yield made


def check_read_throughout(listener: Listener) -> None:
    times = sorted(t for t, _ in listener.values("probe-1", "a"))
    assert max(after - before for before, after in itertools.pairwise(times)) < LARGEST_GAP_US
    assert listener.missing() == []


@pytest.mark.parametrize(
    ("protocol", "refusal"),
    [
        ("5", {"login": 0x86}),
        ("5", {"login": 0x87}),
        ("5", {"login": 0x8A}),
        ("3.1.1", {"login": 5}),
        ("3.1.1", {"login": 4}),
        ("5", {"subscription": 0x87}),
        ("5", {"subscription": 0x80}),
        ("3.1.1", {"subscription": 0x80}),
    ],
    ids=str,
)
async def test_refusals_of_a_devices_broker_cost_no_other_device(
    tmp_path: Path, hub: str, mosquitto: tuple[str, int], line: Line, protocol: str, refusal: dict[str, int]
) -> None:
    (tmp_path / "number.toml").write_text(PROFILE, encoding="utf-8")
    config = tmp_path / "agent.toml"
    broker = RefusingBroker("plant/state", b'{"x": 21.5}')
    async with broker.running(), listening(mosquitto, hub) as listener:
        text = config_text(hub, mosquitto, tmp_path / "spool", line.port)
        text = text.replace('profile_folders = ["', f'profile_folders = ["{tmp_path}", "')
        config.write_text(text + DEVICE.format(port=broker.port, protocol=protocol), encoding="utf-8")
        agent = AgentProcess(config)
        try:
            await listener.until(lambda heard: heard.values("number-1", "x") and heard.values("probe-1", "a"))
            for name, code in refusal.items():
                setattr(broker, name, code)
            broker.cut()
            await eventually(lambda: broker.refused >= 3)
            broker.login = broker.subscription = 0
            seen = len(listener.values("number-1", "x"))
            await listener.until(lambda heard: any(x == 21.5 for _, x in heard.values("number-1", "x")[seen:]))
        finally:
            assert await agent.stop() == 0, agent.log
        await listener.until(lambda heard: not heard.missing())
    check_read_throughout(listener)
    assert agent.log.count("connection lost, trying again") == 1
    assert agent.log.count("connection back") == 1


def _password(file: Path, password: str) -> None:
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(file), "gate", password], check=True)


async def test_uplink_that_refuses_the_password_is_waited_for_and_takes_the_new_one(
    tmp_path: Path, hub: str, make_mosquitto: MakeMosquitto, line: Line
) -> None:
    mosquitto_program()
    known, secret, config = tmp_path / "passwords", tmp_path / "secret", tmp_path / "agent.toml"
    _password(known, "first")
    secret.write_text("first\n", encoding="utf-8")
    lines = ["per_listener_settings true", "allow_anonymous false", f"password_file {known}"]
    broker = make_mosquitto(lines)
    text = config_text(hub, (broker.host, broker.port), tmp_path / "spool", line.port)
    text = text.replace("[mqtt]", f'[mqtt]\nusername = "gate"\npassword_file = "{secret}"')
    config.write_text(text, encoding="utf-8")
    agent = AgentProcess(config)
    try:
        await eventually(lambda: "connected" in agent.log)
        _password(known, "second")
        broker.stop()
        broker.start()
        await eventually(lambda: broker.log.read_text(encoding="utf-8").count("not authorised") >= 3)
        assert agent.process.poll() is None, agent.log
        secret.write_text("second\n", encoding="utf-8")
        await eventually(lambda: "connection back" in agent.log)
    finally:
        assert await agent.stop() == 0, agent.log
    assert agent.log.count("connection lost, trying again") == 1


async def test_uplink_that_refuses_messages_gets_them_all_once_it_takes_them(
    tmp_path: Path, hub: str, make_mosquitto: MakeMosquitto, line: Line
) -> None:
    rights = tmp_path / "acl"
    everything, read_only = "topic readwrite #\n", "topic read #\n"
    rights.write_text(everything, encoding="utf-8")
    broker = make_mosquitto(["allow_anonymous true", f"acl_file {rights}"])
    address = (broker.host, broker.port)
    config = tmp_path / "agent.toml"
    config.write_text(config_text(hub, address, tmp_path / "spool", line.port), encoding="utf-8")
    async with listening(address, hub) as listener:
        agent = AgentProcess(config)
        try:
            await listener.until(lambda heard: len(heard.frames) > 5)
            rights.write_text(read_only, encoding="utf-8")
            broker.reload()
            await eventually(lambda: "Not authorized" in agent.log)
            await asyncio.sleep(2)  # some refused tries, and frames that are kept
            assert agent.process.poll() is None, agent.log
            rights.write_text(everything, encoding="utf-8")
            broker.reload()
            seen = len(listener.frames)
            await listener.until(lambda heard: len(heard.frames) > seen + 30 and not heard.missing())
        finally:
            assert await agent.stop() == 0, agent.log
    check_read_throughout(listener)
