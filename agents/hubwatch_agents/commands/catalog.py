"""Every command there is behind an agent, in words and as data: what it does, who may give it, what cannot be. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubwatch_agents.commands.protocol import CommandRequest
from hubwatch_agents.control_socket import path_of
from hubwatch_agents.profiles.command import OWN_ROLE, BaseCommand
from hubwatch_agents.settings import CommandsSection
from hubwatch_core.config import Partial
from hubwatch_core.errors import Problem

if TYPE_CHECKING:
    from hubwatch_agents.devices import Configuration, Device
    from hubwatch_agents.settings import AgentSettings


@dataclass(frozen=True, slots=True)
class DeviceCommand:
    """One command of one device."""

    device: Device
    command: BaseCommand

    @property
    def sensor(self) -> str:
        """Sensor it belongs to."""
        return self.device.sensor

    @property
    def unit(self) -> int | None:
        """Modbus unit it is written to; None where the protocol has none."""
        own, default = self.device.section.unit, self.device.profile.default_unit()
        return default if default is None or own is None else own

    def digest(self) -> str:
        """Return a digest of everything that decides what is sent, and where."""
        whole = {
            "sensor": self.sensor,
            "profile": self.device.profile.id,
            "connection": self.device.connection.model_dump(mode="json", exclude={"password"}),
            "unit": self.unit,
            "command": self.command.model_dump(mode="json"),
        }
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def entries(devices: Iterable[Device]) -> Iterator[DeviceCommand]:
    """Return every command of every device."""
    for device in devices:
        for command in device.profile.all_commands():
            yield DeviceCommand(device, command)


def find(devices: Iterable[Device], sensor: str, command: str) -> DeviceCommand | None:
    """Give a command by its names, None when there is none."""
    return next((each for each in entries(devices) if (each.sensor, each.command.name) == (sensor, command)), None)


def problems(settings: Partial[AgentSettings], devices: Sequence[Device], where: str) -> list[Problem]:
    """Find what is allowed and cannot be given."""
    commands: CommandsSection | None = settings.get("commands")
    known = {device.sensor for device in devices}
    named = {entry.get("sensor") for _, entry in settings.every("devices")}
    every_device_is_right = len(devices) == len(settings.every("devices")) and "devices" not in settings.wrong
    found: list[Problem] = []
    for index, allowed in enumerate(commands.allow if commands is not None else ()):
        if allowed.sensor not in known and (allowed.sensor in named or not every_device_is_right):
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


def refusal(entry: DeviceCommand | None, section: CommandsSection, request: CommandRequest, user: str) -> str | None:
    """Return why a request is refused; None when it is permitted."""
    if not section.enabled:
        return "commands are off here"
    if entry is None:
        return f"sensor {request.sensor} has no command {request.command}"
    if not section.allows(request.sensor, request.command):
        return f"{request.command} of {request.sensor} is not on the list of allowed commands"
    roles, needed = section.roles_of(user), entry.command.role
    if needed not in roles:
        has = f"has {', '.join(roles)}" if roles else "has no role here"
        return f"{request.command} needs the role {needed}, {user} {has}"
    if request.shown != entry.digest():
        return "the agent would send something else than was shown: is its configuration another, or not in force yet?"
    return None


def listing(checked: Configuration) -> Iterator[str]:
    """Return every command there is, whether it may be given, and by whom."""
    section = checked.settings.commands
    found = list(entries(checked.devices))
    width = max((len(each.sensor) for each in found), default=0)
    for each in found:
        command, state = each.command, _state(checked.settings, each)
        yield f"{each.sensor:{width}}  {command.name:26} {state:16} {command.role:12} {command.description}"
    if not found:
        yield "no device here has a command"
    elif not section.enabled:
        yield "commands of operators are off: [commands] enabled = false"
    else:
        yield f"control socket {path_of(checked.settings.spool.directory)}, open to " + (
            f"the group {section.group}" if section.group else "the agent's own user only"
        )
    for operator in section.operators:
        yield f"{operator.user} has the roles {', '.join(operator.roles)}"


def details(entry: DeviceCommand) -> Iterator[str]:
    """Return exactly what a command will do."""
    device, command = entry.device, entry.command
    unit = f", unit {entry.unit}" if entry.unit is not None else ""
    yield f"sensor      {entry.sensor}, in zone {device.section.zone}"
    yield f"device      {device.profile.title} (profile {device.profile.id})"
    yield f"connection  {device.connection.name}: {device.connection.transport} {device.connection.leads_to}{unit}"
    yield f"command     {command.name}: {command.description}"
    for step, text in command.effect():
        yield f"{step:12}{text}"
    yield f"role        {command.role}"


def _state(settings: AgentSettings, entry: DeviceCommand) -> str:
    name = entry.command.name
    if entry.command.role == OWN_ROLE:
        return "by the agent" if name in entry.device.section.allow_commands else "off"
    if not settings.commands.allows(entry.sensor, name):
        return "not allowed"
    return "enabled" if settings.commands.enabled else "allowed, but off"
