"""The times that sensors state in a frame, right or wrong: whether a sensor lives is not a matter of its clock."""

from __future__ import annotations

from collections.abc import Mapping

from hubwatch_core.wire import Frame, QualityMark, Sensor, Series
from hubwatch_detectors.chunk import is_believed


def newest_said(frame: Frame, sensors: Mapping[str, Sensor]) -> dict[str, int]:
    """Return the time of the newest good reading of each sensor in a frame (µs), as it was said.

    An event is a sign of life of a sensor that is not read at a pace: of a door that speaks only of events.
    """
    newest: dict[str, int] = {}
    for series in frame.series:
        t = _newest(series)
        if t is not None:
            newest[series.sensor] = max(newest.get(series.sensor, 0), t)
    for event in frame.events:
        sensor = sensors.get(event.sensor)
        if sensor is not None and all(channel.period_us is None for channel in sensor.channels):
            newest[event.sensor] = max(newest.get(event.sensor, 0), event.t)
    return newest


def _newest(series: Series) -> int | None:
    marks: list[QualityMark] = series.q or [0] * len(series.x)
    times = [dt for dt, x, mark in zip(series.dt, series.x, marks, strict=False) if x is not None and is_believed(mark)]
    return series.t0 + max(times) if times else None
