"""Every command of every shipped Modbus profile, given to a Modbus server: what it says is what is written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from hubwatch_agents.commands.protocol import CommandResult
from hubwatch_agents.config.library import Library
from hubwatch_agents.connections import TcpConnection
from hubwatch_agents.devices import Device
from hubwatch_agents.drivers import registry
from hubwatch_agents.drivers.contract import DriverContext
from hubwatch_agents.profiles.modbus_schema import Command, ModbusProfile, ReadBack
from hubwatch_agents.settings import DeviceSection
from hubwatch_agents.values.pseudonyms import raw
from support import profile_cases
from support.eventually import eventually
from support.profile_replay import Collected
from support.register_server import RegisterServer

PATIENCE_S = 60.0
LIBRARY = Library()


def whole(profile_id: str) -> ModbusProfile | None:
    """Return a profile with everything optional in it, and the parameters of its fixture."""
    found = LIBRARY.map(profile_id)
    case = profile_cases.load(profile_cases.FOLDER / profile_id / "readings.toml")
    examples = {name: each.example for name, each in found.declared.items() if each.example is not None}
    profile = found.fill({**examples, **case.parameters}, "test", "parameters")
    return profile if isinstance(profile, ModbusProfile) and profile.commands else None


PROFILES = {profile_id: profile for profile_id in LIBRARY.ids() if (profile := whole(profile_id)) is not None}


def confirming(check: ReadBack) -> int:
    """Return a raw value that confirms a command."""
    return (check.one_of[0] if check.one_of else check.equals) << check.shift


def has(profile: ModbusProfile, registers: dict[int, dict[int, int]]) -> dict[int, dict[int, int]]:
    """Return the registers of a fixture, with whatever commands write to and read back."""
    made = {function: dict(registers.get(function, {})) for function in (1, 2, 3, 4)}
    for command in profile.commands:
        for wire in range(command.address, command.address + len(command.values)):
            made[space(command)].setdefault(wire, 0)
        if command.check is not None:
            made[command.check.function].setdefault(command.check.address, 0)
    return made


def space(command: Command) -> int:
    return 1 if command.function in (5, 15) else 3


def written(server: RegisterServer, command: Command) -> Callable[[], bool]:
    """Return whether exactly what a command says stands where it says."""
    wires = range(command.address, command.address + len(command.values))
    return lambda: [server.values[space(command)][wire] for wire in wires] == list(command.values)


@pytest.mark.parametrize("profile_id", PROFILES)
async def test_every_command_is_written_where_and_as_the_profile_says(profile_id: str) -> None:
    profile = PROFILES[profile_id]
    case = profile_cases.load(profile_cases.FOLDER / profile_id / "readings.toml")
    unit = profile.line.unit if case.unit is None else case.unit
    async with RegisterServer(unit, case.most, has(profile, case.steps[0].values)).running() as server:
        way = TcpConnection(transport="tcp", name="line", host="127.0.0.1", port=server.port)
        section = DeviceSection(sensor="it", zone="here", profile=profile_id, connection="line", unit=unit)
        device, sink, stop = Device(section, profile, way), Collected(), asyncio.Event()
        driver = registry.make(way, [device], DriverContext(sink, raw, "commands"))
        task = asyncio.create_task(driver.run(stop))
        await eventually(lambda: sink.readings, PATIENCE_S)
        for command in profile.commands:
            wires = range(command.address, command.address + len(command.values))
            server.change(
                {space(command): {wire: 1 - (value > 0) for wire, value in zip(wires, command.values, strict=True)}}
            )
            server.writable = {(space(command), wire) for wire in wires}
            overlaps = command.check is not None and (command.check.function, command.check.address) in server.writable
            if command.check is not None and not overlaps:
                server.change({command.check.function: {command.check.address: confirming(command.check)}})
            giving = asyncio.create_task(driver.command(device, command))
            await eventually(written(server, command), PATIENCE_S)
            if command.check is not None and overlaps:  # a coil that sets itself back
                server.change({command.check.function: {command.check.address: confirming(command.check)}})
            outcome = await giving
            assert outcome.result is CommandResult.DONE, (command.name, outcome.text)
        stop.set()
        await task
