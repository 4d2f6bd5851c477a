"""The `[commands]` section: whether, what and by whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from hubwatch_core.config import ConfigId, Section
from hubwatch_core.section import Conflict

Account = Annotated[str, Field(min_length=1, max_length=100)]


class AllowedCommand(Section):
    """A command that operators may give."""

    sensor: ConfigId = Field(description="Sensor the device belongs to.")
    command: ConfigId = Field(description="Command of the device's profile.")


class OperatorSection(Section):
    """Somebody who may give commands."""

    user: Account = Field(description="User account on this machine.")
    roles: Annotated[tuple[ConfigId, ...], Field(min_length=1)] = Field(
        description="Roles of this person; none includes another."
    )


class CommandsSection(Section):
    """Commands that operators give to devices through this agent; off unless enabled."""

    enabled: bool = Field(False, description="Listen on the control socket beside the spool.")
    group: Account | None = Field(None, description="Group that may open the socket; unset: only the agent's own user.")
    allow: tuple[AllowedCommand, ...] = Field((), description="What may be given; nothing else is.")
    operators: tuple[OperatorSection, ...] = Field((), description="Who has which roles.")

    def conflicts(self) -> Iterator[Conflict]:
        """Nobody and nothing stands there twice: which entry would count?"""
        for index, each in enumerate(self.operators):
            if each.user in [other.user for other in self.operators[:index]]:
                yield ("operators", index, "user"), f"user {each.user} is there twice"
        for index, allowed in enumerate(self.allow):
            if allowed in self.allow[:index]:
                yield ("allow", index), f"{allowed.sensor} {allowed.command} is there twice"

    def roles_of(self, user: str) -> tuple[str, ...]:
        """Give the roles of a user, () for one who has none."""
        return next((each.roles for each in self.operators if each.user == user), ())

    def allows(self, sensor: str, command: str) -> bool:
        """Tell whether a command may be given at all."""
        return any((each.sensor, each.command) == (sensor, command) for each in self.allow)
