"""Commands from the command line through a running agent to a Modbus server; their record arrives at a real broker."""

from __future__ import annotations

import asyncio
import re
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from hubwatch_core import wire
from support.agents_command_device import Talker
from support.agents_command_rig import MAPS, ME, say, section, short_folder
from support.agents_process import Address, AgentProcess, Listener, listening
from support.eventually import eventually
from support.own_mosquitto import OwnMosquitto
from support.store_collector import running_collector, settings_for

PATIENCE_S = 60.0
HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "operate-devices.md"
HUBWATCH = str(Path(sys.executable).parent / "hubwatch")


@dataclass
class Said:
    """What a command line said and how it ended."""

    code: int | None
    out: str
    err: str


@dataclass
class Scene:
    """An agent, its device, its configuration and what the broker delivers."""

    config: Path
    device: Talker
    agent: AgentProcess
    heard: Listener

    @property
    def socket(self) -> Path:
        return self.config.with_name("spool.control")

    async def hubwatch(self, *arguments: str, type_in: str = "") -> Said:
        """Run `hubwatch agent …` on the agent's configuration."""
        process = await asyncio.create_subprocess_exec(
            HUBWATCH,
            "agent",
            arguments[0],
            "-c",
            str(self.config),
            *arguments[1:],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(type_in.encode())
        return Said(process.returncode, out.decode(), err.decode())

    def change(self, commands: str) -> None:
        """Have another `[commands]` in the configuration."""
        text = self.config.read_text(encoding="utf-8")
        self.config.write_text(text[: text.index("[commands]")] + commands, encoding="utf-8")

    async def told(self, kind: str) -> wire.Event:
        """Return the last event of a type, once it has come from the broker."""
        await self.heard.until(lambda heard: heard.events(kind), PATIENCE_S)
        return self.heard.events(kind)[-1]


@asynccontextmanager
async def scene(broker: Address, commands: str) -> AsyncIterator[Scene]:
    """Run everything inside the context."""
    hub = f"cmd-{uuid.uuid4().hex[:8]}"
    with short_folder() as folder:
        async with Talker().running() as device, listening(broker, hub) as heard:
            config = folder / "agent.toml"
            config.write_text(_config(hub, broker, folder, device.port) + commands, encoding="utf-8")
            agent = AgentProcess(config)
            made = Scene(config, device, agent, heard)
            try:
                await heard.until(lambda heard: heard.values("gas-1", "mode"), PATIENCE_S)
                yield made
            finally:
                assert await agent.stop() == 0, agent.log


def _config(hub: str, broker: Address, folder: Path, port: int) -> str:
    return f"""
hub = "{hub}"
agent = "box"
profile_folders = ["{MAPS}"]
[mqtt]
host = "{broker[0]}"
port = {broker[1]}
[telemetry]
[spool]
directory = "{folder / "spool"}"
[[connections]]
name = "line"
transport = "tcp"
host = "127.0.0.1"
port = {port}
[[devices]]
sensor = "gas-1"
zone = "here"
profile = "talker"
connection = "line"
"""


async def test_command_is_listed_shown_confirmed_written_once_and_its_record_arrives(mosquitto: Address) -> None:
    async with scene(mosquitto, section("gas-1/reset", "gas-1/inhibit")) as at:
        listed = (await at.hubwatch("commands")).out
        rows = {line.split()[1]: line for line in listed.splitlines() if line.startswith("gas-1")}
        assert "enabled" in rows["reset"]
        assert "technician" in rows["reset"]
        assert "supervisor" in rows["inhibit"]
        assert "not allowed" in rows["beep"]
        assert f"{ME} has the roles technician" in listed
        said = await at.hubwatch("command", "gas-1", "reset", "--note", "gas is gone", type_in="gas-1\n")
        assert said.code == 0, said
        for shown in ("unit 1", "350 (0x015e), 13862 (0x3626)", "address 20", "127.0.0.1", "Resets alarms"):
            assert shown in said.out
        assert "done: the device has taken it" in said.out
        event = await at.told("command.executed")
        assert (event.sensor, event.attrs["by"], event.attrs["role"]) == ("gas-1", ME, "technician")
        assert (event.attrs["command"], event.attrs["note"]) == ("reset", "gas is gone")
        assert at.device.writes == [(16, 20, (0x15E, 0x3626))]
        assert "operator command" in at.agent.log


async def test_query_on_the_page_finds_who_gave_which_command_and_why(
    own_mosquitto: OwnMosquitto, migrated_plain_dsn: str
) -> None:
    address = (own_mosquitto.host, own_mosquitto.port)
    query = re.findall(r"```sql\n(.*?)```", HOWTO.read_text(encoding="utf-8"), re.DOTALL)[0]
    async with (
        running_collector(settings_for(address, migrated_plain_dsn)),
        scene(address, section("gas-1/beep", "gas-1/inhibit")) as at,
    ):
        assert (await at.hubwatch("command", "gas-1", "beep", "--yes", "--note", "which one is it?")).code == 0
        assert (await at.hubwatch("command", "gas-1", "inhibit", type_in="gas-1\n")).code == 1
        with psycopg.connect(migrated_plain_dsn, autocommit=True) as database:
            await eventually(lambda: len(database.execute(query).fetchall()) == 2, PATIENCE_S)
            refused, executed = [row[1:] for row in database.execute(query)]
    assert executed == ("gas-1", "command.executed", ME, "beep", "the device has taken it", "which one is it?")
    why = f"inhibit needs the role supervisor, {ME} has technician"
    assert refused == ("gas-1", "command.refused", ME, "inhibit", why, None)


async def test_command_that_is_not_confirmed_is_never_sent(mosquitto: Address) -> None:
    async with scene(mosquitto, section("gas-1/reset", "gas-1/beep")) as at:
        for arguments, typed in (
            (("reset",), "y\n"),
            (("reset", "--yes"), ""),
            (("beep",), "\n"),
            (("beep",), "n\n"),
        ):
            said = await at.hubwatch("command", "gas-1", *arguments, type_in=typed)
            assert said.code == 1
            assert "not confirmed, nothing was sent" in said.err
        assert at.device.writes == []
        assert (await at.hubwatch("command", "gas-1", "beep", "--yes")).code == 0
        assert len(at.device.writes) == 1


async def test_refusals_have_a_reason_write_nothing_and_are_told(mosquitto: Address) -> None:
    async with scene(mosquitto, section("gas-1/beep", "gas-1/inhibit")) as at:
        said = await at.hubwatch("command", "gas-1", "inhibit", type_in="gas-1\n")
        assert (said.code, "needs the role supervisor" in said.out) == (1, True)
        assert (await at.told("command.refused")).attrs["command"] == "inhibit"
        said = await at.hubwatch("command", "gas-1", "lamp", "--yes")
        assert (said.code, "not on the list" in said.out) == (1, True)
        said = await at.hubwatch("command", "gas-1", "explode", "--yes")
        assert (said.code, "has no command explode" in said.err) == (1, True)
        assert at.device.writes == []


async def test_change_of_the_operators_is_in_force_without_a_restart_and_off_is_off(mosquitto: Address) -> None:
    async with scene(mosquitto, section("gas-1/beep", roles=("visitor",))) as at:
        assert (await at.hubwatch("command", "gas-1", "beep", "--yes")).code == 1
        at.change(section("gas-1/beep"))
        await eventually(lambda: "new configuration in force" in at.agent.log, PATIENCE_S)
        assert (await at.hubwatch("command", "gas-1", "beep", "--yes")).code == 0
        at.change(section("gas-1/beep", enabled=False))
        await eventually(lambda: not at.socket.exists(), PATIENCE_S)
        assert "allowed, but off" in (await at.hubwatch("commands")).out
        said = await at.hubwatch("command", "gas-1", "beep", "--yes")
        assert (said.code, "no agent listens" in said.err) == (1, True)
        assert len(at.device.writes) == 1


async def test_bad_configuration_ends_with_2_and_every_mistake(mosquitto: Address) -> None:
    async with scene(mosquitto, section("gas-1/beep")) as at:
        at.change(section("gas-1/explode", "gas-9/beep"))
        for command in (("commands",), ("command", "gas-1", "beep", "--yes")):
            said = await at.hubwatch(*command)
            assert said.code == 2
            assert "commands.allow[0].command: sensor gas-1 has no command explode; it has reset, beep," in said.err
            assert "commands.allow[1].sensor: there is no sensor gas-9" in said.err
        await eventually(lambda: "configuration refused" in at.agent.log, PATIENCE_S)


async def test_silent_device_leaves_it_unknown_and_hostile_callers_leave_the_agent_at_work(mosquitto: Address) -> None:
    async with scene(mosquitto, section("gas-1/beep")) as at:
        at.device.on_write = "silent"
        said = await at.hubwatch("command", "gas-1", "beep", "--yes")
        assert (said.code, "unknown: unknown whether it took effect: no answer" in said.out) == (1, True)
        assert (await at.told("command.unknown")).attrs["outcome"] == "unknown"
        assert len(at.device.writes) == 1
        for data in (b"", b"\0\xff" * 5000, b"half a line", b'{"v":1,"sensor":"gas-1","values":[1]}\n'):
            await asyncio.to_thread(say, at.socket, data)
        assert (await at.told("command.refused")).sensor == "box"
        at.device.on_write = "answers"
        assert (await at.hubwatch("command", "gas-1", "beep", "--yes")).code == 0
        assert len(at.device.writes) == 2
        seen = len(at.heard.values("gas-1", "mode"))
        await at.heard.until(lambda heard: len(heard.values("gas-1", "mode")) > seen + 10, PATIENCE_S)


async def test_socket_of_a_killed_agent_is_taken_over_by_the_next(mosquitto: Address) -> None:
    async with scene(mosquitto, section("gas-1/beep")) as at:
        at.agent.kill()
        assert at.socket.exists()
        said = await at.hubwatch("command", "gas-1", "beep", "--yes")
        assert (said.code, "no agent listens" in said.err) == (1, True)
        at.agent.restart()
        await eventually(lambda: at.agent.log.count("operators may give commands") == 2, PATIENCE_S)
        await at.heard.until(lambda heard: len({frame.epoch for frame in heard.frames}) >= 1, PATIENCE_S)
        for _ in range(20):
            said = await at.hubwatch("command", "gas-1", "beep", "--yes")
            if said.code == 0:
                break
            await asyncio.sleep(0.5)
        assert said.code == 0, said
        assert len(at.device.writes) == 1


@pytest.mark.parametrize("words", [("commands",), ("command", "gas-1", "beep")])
async def test_missing_configuration_is_one_line_and_2(words: tuple[str, ...], tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        HUBWATCH, "agent", words[0], "-c", str(tmp_path / "none.toml"), *words[1:], stderr=asyncio.subprocess.PIPE
    )
    _, err = await process.communicate()
    assert process.returncode == 2
    assert b"cannot be read" in err
