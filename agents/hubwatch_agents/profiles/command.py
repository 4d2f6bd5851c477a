"""What a profile says about every command, whatever protocol carries it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import Field

from hubwatch_core.config import ConfigId, Section

OWN_ROLE = "agent"
"""Role of commands that the agent gives by itself, where a device allows them; no person has it."""


class BaseCommand(Section):
    """Something a device can be told. Never, unless an installation allows it by name."""

    name: ConfigId = Field(description="What the command is called.")
    description: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        description="What it does, in one sentence for the person who gives it."
    )
    role: ConfigId = Field("technician", description="Role a person needs; `agent`: given by the agent itself only.")
    confirm: bool = Field(True, description="True: the person types the sensor's name; false: a yes is enough.")

    def effect(self) -> Iterator[tuple[str, str]]:
        """Return exactly what it does: each step's name, and the step."""
        yield from ()


def check_names(commands: Sequence[BaseCommand]) -> None:
    """Raise ValueError for commands that have the same name."""
    names = Counter(command.name for command in commands)
    twice = sorted(name for name, count in names.items() if count > 1)
    if twice:
        raise ValueError(f"command {', '.join(twice)} is there twice")
