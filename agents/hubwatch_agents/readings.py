"""What a driver hands over: readings and events, with their times and their quality."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from hubwatch_core.words import Quality


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One value of one channel, read at `t` (µs UTC).

    `x` is None when there is no value at all; then `quality` is never good. `device` is the device's own time of it;
    `late` marks what the device had stored and sent afterwards.
    """

    sensor: str
    channel: str
    t: int
    x: float | None
    quality: Quality = Quality.GOOD
    reason: str | None = None
    device: int | None = None
    late: bool = False


class SensorEvent(msgspec.Struct, frozen=True):
    """Something that happened at `t` (µs UTC); `subject` is already made private where that is asked for."""

    sensor: str
    t: int
    type: str
    subject: str | None = None
    attrs: dict[str, Any] = {}
    device: int | None = None
    late: bool = False


Observation = Reading | SensorEvent
"""What a device's message says."""


class Sink(Protocol):
    """Where drivers put what they have read; never blocks."""

    def emit(self, item: Observation) -> None:
        """Take one reading, or one event, which is sent at once."""
        ...
