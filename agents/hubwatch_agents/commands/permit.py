"""May this person give this command here and now? Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hubwatch_agents.commands.catalog import Entry, find
from hubwatch_agents.commands.config import CommandsSection
from hubwatch_agents.commands.protocol import Request

if TYPE_CHECKING:
    from hubwatch_agents.devices import Device


def refusal(entry: Entry | None, section: CommandsSection, request: Request, user: str) -> str | None:
    """Say why a request is refused; None when it is permitted."""
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


def sought(devices: Sequence[Device], request: Request) -> Entry | None:
    """Give the command a request names, None when there is none."""
    return find(devices, request.sensor, request.command)
