"""Where a map comes from and how far it may be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from hubwatch_agents.profiles.command import BaseCommand
from hubwatch_core.config import ConfigId, Section
from hubwatch_core.words import SensorKind


class Parameter(Section):
    """Something an installation must or may say about its device."""

    renamed: ClassVar[Mapping[str, str]] = {"minimum": "min", "maximum": "max"}

    type: Literal["int", "text", "bool", "number"] = Field("int", description="What kind of value it takes.")
    description: str = Field(min_length=1, description="One sentence for the person who fills it in.")
    default: int | float | str | bool | None = Field(None, description="Taken when the installation says nothing.")
    optional: bool = Field(False, description="May be left out; what depends on it is then left out too.")
    example: int | float | str | bool | None = Field(None, description="Used by `profiles check` and `profiles show`.")
    min: int | None = Field(None, description="Least whole number allowed.")
    max: int | None = Field(None, description="Largest whole number allowed.")
    choices: tuple[str, ...] = Field((), description="Texts allowed; empty: any.")

    def problem(self, value: object) -> str | None:
        """Say what is wrong with `value`, None when nothing is."""
        kinds: dict[str, tuple[type, ...]] = {"int": (int,), "text": (str,), "bool": (bool,), "number": (int, float)}
        if not isinstance(value, kinds[self.type]) or (isinstance(value, bool) and self.type != "bool"):
            return f"must be {'a' if self.type != 'int' else 'an'} {self.type}"
        if isinstance(value, int) and not isinstance(value, bool):
            low, high = self.min, self.max
            if (low is not None and value < low) or (high is not None and value > high):
                return f"must be from {low} to {high}"
        if self.choices and value not in self.choices:
            return f"must be one of {', '.join(self.choices)}"
        return None


class Provenance(Section):
    """The head of every profile."""

    id: ConfigId = Field(description="The profile's name; also its file name.")
    title: str = Field(min_length=1, description="Maker and model in words.")
    kind: SensorKind = Field(description="Kind of the sensor it makes.")
    source: tuple[str, ...] = Field(min_length=1, description="Documents or code the map was taken from.")
    confidence: Literal["A", "B", "C", "generic"] = Field(
        description="A: maker's document seen; B: read from working code; C: second hand; generic: no device claimed."
    )
    manual_revision: str | None = Field(None, description="Revision of the document, where it says one.")
    verified_on_hardware: bool = Field(False, description="True only after a bench test that left a record.")
    verified_on: str | None = Field(None, description="Date and place of that test.")
    notes: str = Field("", description="What the technician must know: doubts, traps, settings to check.")
    parameters: dict[str, Parameter] = Field({}, description="What the installation must or may say.")
    max_age_s: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Without a reading for this long the sensor counts as silent; unset: five periods, least 5 s."
    )

    def all_commands(self) -> tuple[BaseCommand, ...]:
        """Return what the device can be told."""
        return ()

    def own_commands(self) -> tuple[BaseCommand, ...]:
        """Return the commands that the agent can give by itself."""
        return ()

    def default_unit(self) -> int | None:
        """Return the unit id of the device as delivered; None where its protocol has none."""
        return None

    def names_persons(self) -> bool:
        """Return whether an event says whom it is about."""
        return False

    def event_places(self) -> Iterator[tuple[str, str, str]]:
        """Return each event with what makes it and where it is read."""
        yield from ()

    @model_validator(mode="after")
    def _record(self) -> Provenance:
        if self.verified_on_hardware != (self.verified_on is not None):
            raise ValueError("verified_on_hardware and verified_on go together")
        return self
