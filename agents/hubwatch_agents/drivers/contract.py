"""What every driver keeps to, and what it gets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hubwatch_agents.commands.protocol import CommandOutcome
from hubwatch_agents.connections import ConnectionSection
from hubwatch_agents.devices import Device
from hubwatch_agents.drivers.checkpoints import Checkpoints
from hubwatch_agents.drivers.drops import DropCounters
from hubwatch_agents.profiles.command import BaseCommand
from hubwatch_agents.readings import Sink
from hubwatch_agents.values.pseudonyms import Pseudonym


class Driver(Protocol):
    """Reads every device behind one connection.

    It hands over each reading once, with the time it was read and a quality that says whether it may be believed; a
    device that does not answer, or answers wrongly, gives bad readings with the reason and hurts no other device;
    no outage ends it.
    """

    async def run(self, stop: asyncio.Event) -> None:
        """Read until `stop` is set. Raises only what no waiting mends (Permanent)."""
        ...

    def delays_s(self) -> Mapping[str, float]:
        """Give, for each sensor, the longest others have waited for it since the last call, in seconds."""
        ...

    def figures(self) -> Mapping[str, float]:
        """Return what has been counted since the start, by the names of `self_report/metrics.py`."""
        ...

    async def command(self, device: Device, command: BaseCommand) -> CommandOutcome:
        """Give a command to a device, once; never raises for what the device or the line does."""
        ...


@dataclass(frozen=True, slots=True)
class DriverContext:
    """What every driver gets: where readings go, who makes pseudonyms, and whose agent this is.

    `drops` counts what is not used of what devices say; `marks` holds what must be known after a restart.
    """

    sink: Sink
    pseudonym: Pseudonym
    client_id: str
    drops: DropCounters = field(default_factory=DropCounters)
    marks: Checkpoints = field(default_factory=Checkpoints)


class DriverModule(Protocol):
    """What the module of a protocol has."""

    Driver: Callable[[ConnectionSection, Sequence[Device], DriverContext], Driver]

    def problems(self, connection: ConnectionSection, devices: Sequence[Device]) -> Iterable[str]:
        """Return why a connection cannot carry what its devices ask of it."""
        ...

    def device_problems(self, device: Device) -> Iterable[tuple[str, str]]:
        """Return what is wrong with a device: the key of its entry, and why."""
        ...

    def device_warnings(self, device: Device) -> Iterable[tuple[str, str]]:
        """Return what works and is seldom meant: the key to add to the device's entry, and why."""
        ...

    def summary(self, connection: ConnectionSection, devices: Sequence[Device]) -> Iterable[str]:
        """Return what is asked of a connection, in lines for a person."""
        ...
