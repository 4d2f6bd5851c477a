"""What the agent asks of the Sparkplug B protocol beside its driver."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hubwatch_agents.connections import ConnectionSection
from hubwatch_agents.devices import Device
from hubwatch_agents.drivers.sparkplug.driver import SparkplugDriver as Driver

__all__ = ["Driver", "device_problems", "device_warnings", "problems", "summary"]


def problems(connection: ConnectionSection, devices: Sequence[Device]) -> Iterator[str]:
    """Yield nothing: a broker carries what it is asked to."""
    yield from ()


def device_problems(device: Device) -> Iterator[tuple[str, str]]:
    """Yield nothing: a node tells of its death."""
    yield from ()


def device_warnings(device: Device) -> Iterator[tuple[str, str]]:
    """Yield nothing: the death of a node or device is told by the protocol."""
    yield from ()


def summary(connection: ConnectionSection, devices: Sequence[Device]) -> Iterator[str]:
    """Yield how many devices are behind the broker."""
    yield f"{connection.name}: {connection.transport}, {len(devices)} devices"
