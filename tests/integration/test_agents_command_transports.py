"""A command over every kind of Modbus connection: written once, and unknown where nothing comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hubwatch_agents.commands.protocol import CommandResult
from support.agents_command_rig import commanded
from support.agents_modbus_device import Line, Unit
from support.agents_tls import server_context, write_authority

TRANSPORTS = ["tcp", "rtu", "rtu_over_tcp", "tls"]


@asynccontextmanager
async def connected(line: Line, transport: str, folder: Path) -> AsyncIterator[dict[str, Any]]:
    """Stand a line up behind a transport; gives the connection to it."""
    way: dict[str, Any] = {"name": "line", "transport": transport, "flush_ms": 20, "max_reconnect_s": 0.5}
    if transport == "rtu":
        async with line.over_pty():
            yield way | {"port": line.path, "baudrate": 115200}
        return
    authority = write_authority(folder) if transport == "tls" else None
    context = server_context(authority) if authority is not None else None
    async with line.over_tcp(rtu=transport == "rtu_over_tcp", context=context):
        secured = {"tls": authority.client_section()} if authority is not None else {}
        yield way | {"host": "127.0.0.1", "port": line.port, **secured}


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_command_goes_over_every_transport(transport: str, tmp_path: Path) -> None:
    unit = Unit(registers={0: 0, 9: 77, 22: 0}, spaces={1: {4: 0}})
    async with connected(Line({1: unit}), transport, tmp_path) as way, commanded(connections=[way]) as rig:
        await rig.heard.until(lambda heard: (last := heard.last("gas-1", "mode")) and last.x == 0)
        assert await rig.give("beep") == (CommandResult.DONE, "the device has taken it")
        assert unit.registers[22] == 1
        assert (await rig.give("lamp")).result is CommandResult.DONE
        assert unit.spaces[1][4] == 1
        result, text = await rig.give("inhibit")
        assert (result, text.endswith("reads back 2, as it should")) == (CommandResult.DONE, True)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_silence_is_unknown_over_every_transport_and_reading_recovers(transport: str, tmp_path: Path) -> None:
    unit = Unit(registers={0: 0, 9: 77, 22: 0})
    async with connected(Line({1: unit}), transport, tmp_path) as way, commanded(connections=[way]) as rig:
        await rig.heard.until(lambda heard: (last := heard.last("gas-1", "mode")) and last.x == 0)
        unit.fault = "silent"
        results = {(await rig.give("beep")).result for _ in range(2)}
        assert results <= {CommandResult.UNKNOWN, CommandResult.FAILED}
        assert unit.registers[22] == 0
        unit.fault, unit.registers[0] = "healthy", 3
        await rig.heard.until(lambda heard: (last := heard.last("gas-1", "mode")) and last.x == 3)
        unit.registers[0] = 4
        await rig.heard.until(lambda heard: (last := heard.last("gas-1", "mode")) and last.x == 4)
        assert unit.registers[22] == 0, "nothing is sent again"
        assert (await rig.give("beep")).result is CommandResult.DONE
