"""Commands as lines for a person: all there are, and exactly what one will do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hubwatch_agents.commands.catalog import Entry, entries
from hubwatch_agents.commands.socket_file import path_of
from hubwatch_agents.connections import Connection, RtuWay
from hubwatch_agents.profiles.command import OWN_ROLE
from hubwatch_agents.profiles.modbus_schema import Command

if TYPE_CHECKING:
    from hubwatch_agents.checked import Checked
    from hubwatch_agents.config import Settings


def listing(checked: Checked) -> Iterator[str]:
    """Give every command there is, whether it may be given, and by whom."""
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


def details(entry: Entry) -> Iterator[str]:
    """Give exactly what a command will do."""
    device, command = entry.device, entry.command
    unit = f", unit {entry.unit}" if entry.unit is not None else ""
    yield f"sensor      {entry.sensor}, in zone {device.section.zone}"
    yield f"device      {device.profile.title} (profile {device.profile.id})"
    yield f"connection  {device.connection.name}: {_way(device.connection)}{unit}"
    yield f"command     {command.name}: {command.description}"
    if isinstance(command, Command):
        yield f"writes      {_written(command)}, once"
        if command.check is not None:
            yield f"reads back  {_read_back(command)}"
    else:
        yield f"publishes   {command.payload!r} to {command.topic}, once, not retained"
    yield f"role        {command.role}"


def _state(settings: Settings, entry: Entry) -> str:
    name = entry.command.name
    if entry.command.role == OWN_ROLE:
        return "by the agent" if name in entry.device.section.allow_commands else "off"
    if not settings.commands.allows(entry.sensor, name):
        return "not allowed"
    return "enabled" if settings.commands.enabled else "allowed, but off"


def _way(way: Connection) -> str:
    place = way.port if isinstance(way, RtuWay) else f"{way.host}:{way.port}"
    return f"{way.transport} {place}"


def _written(command: Command) -> str:
    what = "coils" if command.function in (5, 15) else "registers"
    values = ", ".join(f"{value} ({value:#06x})" if what == "registers" else str(value) for value in command.values)
    return f"{values} to {what} from wire address {command.wire} (function {command.function})"


def _read_back(command: Command) -> str:
    check = command.check
    assert check is not None
    mask = f", bits {check.mask:#x}" if check.mask is not None else ""
    codes = f", one of {list(check.one_of)}" if check.one_of else f", must be {check.equals}"
    after = f", after {check.after_ms} ms" if check.after_ms else ""
    return f"wire address {check.wire} (function {check.function}, {check.type}{mask}){after}{codes}"
