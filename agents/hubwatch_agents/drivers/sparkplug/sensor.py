"""One sensor made of the metrics of one Sparkplug device."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from hubwatch_agents.devices import Device
from hubwatch_agents.drivers.arrivals import SampleTimes
from hubwatch_agents.drivers.sparkplug.payload import GOOD, Metric, Value
from hubwatch_agents.profiles.sparkplug_schema import MetricChannel, MetricEvent, SparkplugProfile
from hubwatch_agents.readings import Observation, Reading, SensorEvent
from hubwatch_agents.values.edges import Watch
from hubwatch_agents.values.scaling import Sample, bad, judge
from hubwatch_core.clock import SECOND_US
from hubwatch_core.wire import EARLIEST_US, LATEST_US
from hubwatch_core.words import Quality

MS_US = 1000


def is_time(stamp_ms: int) -> bool:
    """Return whether a timestamp can be the time of a sample."""
    return EARLIEST_US <= stamp_ms * MS_US <= LATEST_US


class MetricSensor:
    """The channels and events of one sensor."""

    def __init__(self, device: Device, profile: SparkplugProfile) -> None:
        self.sensor = device.sensor
        self.device = profile.device
        self._channels: dict[str, list[tuple[MetricChannel, Callable[[float], Sample]]]] = {}
        for channel in profile.channels:
            self._channels.setdefault(channel.metric, []).append((channel, judge(channel)))
        # What the device had stored happened before what it says now: each has a baseline of its own.
        self._events: dict[str, list[tuple[MetricEvent, Watch, Watch]]] = {}
        for event in profile.events:
            self._events.setdefault(event.metric, []).append((event, Watch(event.on), Watch(event.on)))
        self._buffered = {each.metric for each in profile.channels if each.buffered}
        self._buffered |= {each.metric for each in profile.events if each.buffered}
        self._times = {name: SampleTimes() for name in (*self._channels, *self._events)}
        self._profile = profile
        self._silent_us = round(device.max_age_s * SECOND_US) if device.max_age_s is not None else None
        self.heard = 0
        """When its device has last said anything (µs)."""

    def reads(self, name: str) -> bool:
        """Return whether anything is read of a metric."""
        return name in self._times

    def silent(self, t: int) -> list[Reading]:
        """Tell when nothing has been heard for too long; said again as long as it lasts."""
        if self._silent_us is None or t - self.heard < self._silent_us:
            return []
        self.heard = t
        return self.failed(t, f"no message for {self._silent_us / SECOND_US:g} s")

    def failed(self, t: int, reason: str, metrics: frozenset[str] | None = None) -> list[Reading]:
        """Return a bad reading of every channel, or of those of some metrics."""
        return [
            Reading(self.sensor, channel.name, t, None, Quality.BAD, reason)
            for channel in self._profile.channels
            if metrics is None or channel.metric in metrics
        ]

    def metric(
        self, name: str, metric: Metric, datatype: int, t: int, payload_ms: int | None, doubt: str | None
    ) -> Iterator[Observation]:
        """Return what one metric says in a message that came at `t` (µs).

        What the device had stored or buffered keeps the device's time; `doubt` makes good values uncertain.
        """
        times = self._times.get(name)
        if times is None:
            return
        stamp_ms = metric.timestamp_ms if metric.timestamp_ms is not None else payload_ms
        own = stamp_ms * MS_US if stamp_ms is not None and is_time(stamp_ms) else None
        time = times.next(t, own, buffered=name in self._buffered, stored=metric.historical)
        value = None if metric.null else metric.value(datatype)
        for channel, judge_one in self._channels.get(name, ()):
            measured = _measure(channel, judge_one, value, metric.holds(datatype))
            measured = _doubted(_worst(measured, metric.quality), doubt)
            yield Reading(self.sensor, channel.name, time.t, *measured, own, time.late)
        if doubt is None and value is not None and _is_finite(value):
            yield from self._moved(
                name, value, metric.historical, SensorEvent(self.sensor, time.t, "", device=own, late=time.late)
            )

    def _moved(self, name: str, value: str | float, stored: bool, event: SensorEvent) -> Iterator[SensorEvent]:
        for rule, live, of_stored in self._events.get(name, ()):
            if (of_stored if stored else live).see(value, event.t) is not None:
                yield SensorEvent(
                    self.sensor, event.t, rule.event, attrs=dict(rule.attrs), device=event.device, late=event.late
                )


def _measure(channel: MetricChannel, judge_one: Callable[[float], Sample], value: Value, holds: str) -> Sample:
    if holds:
        members = f"; name one of its members, as {channel.metric}/…" if holds == "Template" else ""
        return bad(f"a {holds}, which is not read as a value{members}")
    if value is None:
        return bad("the device says that it has no value")
    if isinstance(value, str):
        known = channel.values.get(value)
        return bad(f"{value[:50]!r} is not in the profile") if known is None else judge_one(float(known))
    number = float(value)
    return judge_one(number) if math.isfinite(number) else bad("not a finite number")


def _worst(measured: Sample, quality: int | None) -> Sample:
    if quality is None or quality == GOOD or measured.quality is Quality.BAD:
        return measured
    return Sample(measured.x, Quality.BAD, "stale, says the device" if quality == 500 else "bad, says the device")


def _doubted(measured: Sample, doubt: str | None) -> Sample:
    if doubt is None or measured.quality is not Quality.GOOD:
        return measured
    return Sample(measured.x, Quality.UNCERTAIN, doubt)


def _is_finite(value: str | float) -> bool:
    return not isinstance(value, float) or math.isfinite(value)
