"""What the agent asks of the Modbus protocol beside its driver."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hubwatch_agents.connections import ConnectionSection, ModbusConnection
from hubwatch_agents.devices import Device
from hubwatch_agents.drivers.modbus import line_load
from hubwatch_agents.drivers.modbus.driver import ModbusDriver as Driver
from hubwatch_agents.drivers.modbus.jobs import jobs_of, profile_of
from hubwatch_agents.values import pseudonyms

__all__ = ["Driver", "device_problems", "device_warnings", "problems", "summary"]


def problems(connection: ConnectionSection, devices: Sequence[Device]) -> Iterator[str]:
    """Yield why the line cannot carry what is asked of it."""
    yield from line_load.problems(_line(connection), jobs_of(_line(connection), devices, pseudonyms.raw))


def device_problems(device: Device) -> Iterator[tuple[str, str]]:
    """Yield the key of a device, and what is wrong at it."""
    if device.connection.transport not in profile_of(device).line.transports:
        yield "connection", f"profile {device.profile.id} cannot be read over {device.connection.transport}"


def device_warnings(device: Device) -> Iterator[tuple[str, str]]:
    """Yield nothing: a device that is polled and does not answer is bad."""
    yield from ()


def summary(connection: ConnectionSection, devices: Sequence[Device]) -> Iterator[str]:
    """Yield what is asked of the line: units, requests, and how busy they keep it."""
    jobs = jobs_of(_line(connection), devices, pseudonyms.raw)
    busy = line_load.load(_line(connection), jobs)
    requests = sum(len(job.plan) for job in jobs)
    units = len({job.unit.number for job in jobs})
    yield (
        f"{connection.name}: {connection.transport}, {units} units, {requests} requests a round, "
        f"{busy.requests_per_s:.1f} requests/s, busy {busy.share:.0%}"
    )


def _line(connection: ConnectionSection) -> ModbusConnection:
    assert isinstance(connection, ModbusConnection)
    return connection
