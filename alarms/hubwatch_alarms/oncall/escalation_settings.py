"""Settings of escalations: who is told at once, and who next while nobody acknowledges."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any

from pydantic import Field

from hubwatch_alarms.oncall.matching import MatchingSection
from hubwatch_core.clock import SECOND_US
from hubwatch_core.config import ConfigId, Conflict, Partial, Section

Names = Annotated[tuple[ConfigId, ...], Field(max_length=100)]


class StepSection(Section):
    """Who is told at one step."""

    after_s: Annotated[float, Field(ge=0, le=86_400)] = Field(
        0, description="So many seconds after the alarm began to wait for a person; 0 is at once.", examples=[0]
    )
    rotas: Names = Field((), description="Whoever is on call then.", examples=[["duty"]])
    people: Names = Field((), description="People, whoever is on call.")
    routes: Names = Field((), description="Routes that lead to nobody in particular, such as a siren.")

    def conflicts(self) -> Iterator[Conflict]:
        """A step tells somebody."""
        if not (self.rotas or self.people or self.routes):
            yield ("rotas",), "the step tells nobody: name rotas, people or routes"


class EscalationSection(MatchingSection):
    """Who is told of some alarms, step after step, until a person acknowledges."""

    name: ConfigId = Field(description="Name of the escalation in records.", examples=["duty"])
    repeat_last_s: Annotated[float, Field(ge=60, le=86_400)] = Field(
        900.0, description="Seconds after which the last step is told again, and so on until somebody has the alarm."
    )
    steps: Annotated[tuple[StepSection, ...], Field(max_length=20)] = Field(
        description="Who is told when, one table for each step, in order."
    )

    def conflicts(self) -> Iterator[Conflict]:
        """Steps follow one another, and the first is at once."""
        if not self.steps:
            yield ("steps",), "needs at least one step"
        elif self.steps[0].after_s != 0:
            yield ("steps", 0, "after_s"), "must be 0: somebody is told at once"
        for index, (before, step) in enumerate(pairwise(self.steps), start=1):
            if step.after_s < before.after_s:
                yield ("steps", index, "after_s"), "must not be earlier than the step before"

    def step(self, number: int) -> StepSection:
        """Return a step by its number, from 0; beyond the last it is the last, again."""
        return self.steps[min(number, len(self.steps) - 1)]

    def due(self, number: int, began: int, now: int) -> int:
        """Return when a step is due, in microseconds, of an alarm that began to wait at `began`."""
        if number < len(self.steps):
            return began + int(self.steps[number].after_s * SECOND_US)
        return now + int(self.repeat_last_s * SECOND_US)


def conflicts_of_escalations(parts: Partial[Any]) -> Iterator[Conflict]:
    """Yield names in escalations that nothing has; `parts` is the whole configuration."""
    known = {
        table: {name for _, each in parts.every(table) if (name := each.get("name")) is not None}
        for table in ("rotas", "people", "routes")
    }
    addressed = {route.name for _, route in parts.entries("routes") if route.needs_person}
    for index, escalation in parts.entries("escalations"):
        for place, step in enumerate(escalation.steps):
            for table, names in known.items():
                for at, name in enumerate(getattr(step, table)):
                    path = ("escalations", index, "steps", place, table, at)
                    if name not in names:
                        yield path, f"there is none called {name} in [[{table}]]"
                    elif table == "routes" and name in addressed:
                        yield path, f"{name} leads to people only: name a person who has it among their ways"
