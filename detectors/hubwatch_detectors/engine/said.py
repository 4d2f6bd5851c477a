"""The times that sensors state in a frame, right or wrong: whether a sensor lives is not a matter of its clock."""

from __future__ import annotations

from collections.abc import Mapping

from hubwatch_core.wire import Sensor
from hubwatch_detectors.chunk import Said


def newest_said(parts: Mapping[str, Said], sensors: Mapping[str, Sensor]) -> dict[str, int]:
    """Return the time of the newest good reading of each sensor in a frame (µs), as it was said.

    An event is a sign of life of a sensor that is not read at a pace: of a door that speaks only of events.
    """
    newest: dict[str, int] = {}
    for name, (columns, events) in parts.items():
        t = 0
        for column in columns:
            t = max(t, column.t[-1])
        if events:
            sensor = sensors.get(name)
            if sensor is not None and all(channel.period_us is None for channel in sensor.channels):
                t = max(t, events[-1].t)
        if t:
            newest[name] = t
    return newest
