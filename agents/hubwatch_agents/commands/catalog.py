"""Every command there is behind an agent, what exactly it does, and what of the configuration cannot be. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubwatch_agents.profiles.command import OWN_ROLE
from hubwatch_agents.profiles.modbus_schema import Command, ModbusProfile
from hubwatch_agents.profiles.mqtt_schema import MqttCommand, MqttProfile
from hubwatch_core.errors import Problem

if TYPE_CHECKING:
    from hubwatch_agents.config import Settings
    from hubwatch_agents.devices import Device


@dataclass(frozen=True, slots=True)
class Entry:
    """One command of one device."""

    device: Device
    command: Command | MqttCommand

    @property
    def sensor(self) -> str:
        """Sensor it belongs to."""
        return self.device.sensor

    @property
    def unit(self) -> int | None:
        """Modbus unit it is written to."""
        profile = self.device.profile
        if not isinstance(profile, ModbusProfile):
            return None
        return self.device.section.unit if self.device.section.unit is not None else profile.line.unit

    def digest(self) -> str:
        """Give a digest of everything that decides what is sent, and where."""
        whole = {
            "sensor": self.sensor,
            "profile": self.device.profile.id,
            "connection": self.device.connection.model_dump(mode="json", exclude={"password"}),
            "unit": self.unit,
            "command": self.command.model_dump(mode="json"),
        }
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def entries(devices: Iterable[Device]) -> Iterator[Entry]:
    """Give every command of every device."""
    for device in devices:
        if isinstance(device.profile, ModbusProfile | MqttProfile):
            for command in device.profile.commands:
                yield Entry(device, command)


def find(devices: Iterable[Device], sensor: str, command: str) -> Entry | None:
    """Give a command by its names, None when there is none."""
    return next((each for each in entries(devices) if (each.sensor, each.command.name) == (sensor, command)), None)


def problems(settings: Settings, devices: Sequence[Device], where: str) -> list[Problem]:
    """Find what is allowed and cannot be given."""
    known = {device.sensor for device in devices}
    named = {section.sensor for section in settings.devices}
    found = []
    for index, allowed in enumerate(settings.commands.allow):
        if allowed.sensor in named and allowed.sensor not in known:
            continue  # the device has a mistake of its own, told already
        key = f"commands.allow[{index}]"
        here = [each for each in entries(devices) if each.sensor == allowed.sensor]
        chosen = [each for each in here if each.command.name == allowed.command]
        if allowed.sensor not in named:
            found.append(Problem(where, f"{key}.sensor", f"there is no sensor {allowed.sensor}"))
        elif not chosen:
            names = ", ".join(each.command.name for each in here) or "none"
            text = f"sensor {allowed.sensor} has no command {allowed.command}; it has {names}"
            found.append(Problem(where, f"{key}.command", text))
        elif len(chosen) > 1:
            text = f"two devices of sensor {allowed.sensor} have a command {allowed.command}: part them"
            found.append(Problem(where, f"{key}.command", text))
        elif chosen[0].command.role == OWN_ROLE:
            text = f"{allowed.command} is for the agent itself: see allow_commands of the device"
            found.append(Problem(where, f"{key}.command", text))
    return found
