"""Serves fixtures of device profiles and runs the agent's drivers on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hubwatch_agents.config.library import Library
from hubwatch_agents.connections import ConnectionSection, TcpConnection
from hubwatch_agents.devices import Device
from hubwatch_agents.drivers import registry
from hubwatch_agents.drivers.contract import DriverContext
from hubwatch_agents.profiles.modbus_schema import ModbusProfile
from hubwatch_agents.profiles.profile import Profile
from hubwatch_agents.readings import Reading, SensorEvent
from hubwatch_agents.settings import DeviceSection
from hubwatch_agents.values.pseudonyms import raw
from support.profile_cases import Case
from support.register_server import RegisterServer

LIBRARY = Library()


class Collected:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.events: list[SensorEvent] = []

    def emit(self, item: Reading | SensorEvent) -> None:
        if isinstance(item, Reading):
            self.readings.append(item)
        else:
            self.events.append(item)

    def of(self, sensor: str) -> list[Reading]:
        return [reading for reading in self.readings if reading.sensor == sensor]

    def clear(self) -> None:
        self.readings.clear()
        self.events.clear()


def filled(case: Case) -> Profile:
    """Return the profile of a case with the parameters the fixture states."""
    return LIBRARY.map(case.profile).fill(case.parameters, str(case), "parameters")


@asynccontextmanager
async def running(connection: ConnectionSection, devices: list[Device], sink: Collected) -> AsyncIterator[None]:
    """Run the agent's driver of a connection."""
    stop = asyncio.Event()
    driver = asyncio.create_task(registry.make(connection, devices, DriverContext(sink, raw, "replay")).run(stop))
    try:
        yield
    finally:
        stop.set()
        await driver


def modbus_device(case: Case, profile: Profile, port: int, *, period_ms: int | None = None) -> Device:
    assert isinstance(profile, ModbusProfile)
    way = TcpConnection(transport="tcp", name="line", host="127.0.0.1", port=port)
    section = DeviceSection(
        sensor="it", zone="here", profile=case.profile, connection="line", unit=case.unit, period_ms=period_ms
    )
    return Device(section, profile, way)


@asynccontextmanager
async def served(case: Case) -> AsyncIterator[tuple[RegisterServer, ModbusProfile]]:
    """Serve the registers of a case's first step; those of later steps must be among them."""
    profile = filled(case)
    assert isinstance(profile, ModbusProfile)
    unit = profile.line.unit if case.unit is None else case.unit
    async with RegisterServer(unit, case.most, case.steps[0].values).running() as server:
        yield server, profile
