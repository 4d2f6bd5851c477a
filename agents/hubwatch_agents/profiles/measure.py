"""What a profile says about every measured quantity, whatever protocol brings it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from hubwatch_core.config import ConfigId, Section
from hubwatch_core.words import ChannelKind


class CurrentLoop(Section):
    """A 4-20 mA loop behind an analogue input: what the input gives at both ends, and what they mean."""

    raw_4ma: float = Field(description="Raw value at 4 mA.")
    raw_20ma: float = Field(description="Raw value at 20 mA.")
    low: float = Field(description="Published value at 4 mA.")
    high: float = Field(description="Published value at 20 mA.")

    @model_validator(mode="after")
    def _spans(self) -> CurrentLoop:
        if self.raw_4ma == self.raw_20ma or self.low == self.high:
            raise ValueError("4 mA and 20 mA cannot be the same")
        return self


class Measure(Section):
    """One channel: its name and unit, and the way from a raw number to a value that may be believed."""

    renamed: ClassVar[Mapping[str, str]] = {"report_max_s": "max_report_s"}

    name: ConfigId = Field(description="Channel name, from the sensor vocabulary where it has one.")
    unit: Annotated[str, Field(max_length=32)] = Field(description="Unit of the published value.")
    kind: ChannelKind = Field(ChannelKind.GAUGE, description="gauge, counter or state.")
    resolution: float | None = Field(None, gt=0, description="Smallest step of the published value.")
    scale: float = Field(1.0, description="Published value = raw × scale ÷ divisor + offset.")
    divisor: Annotated[int, Field(ge=1)] = Field(1, description="Whole divisor; devices that scale by powers of two.")
    offset: float = Field(0.0, description="Added after scaling.")
    loop: CurrentLoop | None = Field(None, description="Instead of scale, divisor and offset: a 4-20 mA loop.")
    invalid: tuple[int | float, ...] = Field((), description="Raw values that mean: no value. Compared before scaling.")
    suspect: tuple[int | float, ...] = Field((), description="Raw values that make the value uncertain.")
    plausible: tuple[float, float] | None = Field(
        None, description="Published values outside this range are bad: they show a wrong map, not a wrong world."
    )
    states: dict[str, str] = Field({}, description="Raw code to its name; a code that is not here is uncertain.")
    rolls_at: Annotated[int, Field(ge=2)] | None = Field(
        None, description="Counters: the raw value before which it starts again at 0 (65536 for 16 bits)."
    )
    latched: bool = Field(
        False, description="States: once set it stays until it is reset at the device, though its cause may be over."
    )
    deadband: Annotated[float, Field(ge=0)] | None = Field(
        None, description="Report by exception: a value within this distance of the last one reported is not sent."
    )
    max_report_s: Annotated[float, Field(gt=0)] = Field(
        60.0, description="With a dead band: send at the latest after this time, changed or not."
    )

    def place(self) -> str:
        """Return where its raw value is read, in words."""
        return self.name

    @model_validator(mode="after")
    def _consistent(self) -> Measure:
        if self.plausible is not None and self.plausible[0] >= self.plausible[1]:
            raise ValueError("plausible needs its lower limit first")
        if self.rolls_at is not None and self.kind is not ChannelKind.COUNTER:
            raise ValueError("rolls_at is for counters")
        if self.latched and self.kind is not ChannelKind.STATE:
            raise ValueError("latched is for states")
        if self.loop is not None and (self.scale, self.divisor, self.offset, self.plausible) != (1.0, 1, 0.0, None):
            raise ValueError("a loop has its own scale and limits: leave out scale, divisor, offset and plausible")
        bad = [code for code in self.states if not re.fullmatch(r"-?[0-9]{1,18}", code)]
        if bad:
            raise ValueError(f"states are keyed by whole numbers, not {bad[0]!r}")
        return self
