"""One edge node and its devices: births, deaths, aliases, sequence. Knows no broker; says when to ask for a rebirth."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from hubwatch_agents.changes import Watch
from hubwatch_agents.devices import Device
from hubwatch_agents.measured import Measured, bad, judge
from hubwatch_agents.profiles.sparkplug_schema import MetricChannel, MetricEvent, SparkplugProfile
from hubwatch_agents.readings import Happening, Reading
from hubwatch_agents.sparkplug.payload import GOOD, Metric, Payload, Value
from hubwatch_agents.sparkplug.sequence import Sequence
from hubwatch_core.words import Quality

MS_US = 1000
REBIRTH_PAUSE_US = 5_000_000
"""A node is asked for its births at most this often."""
BD_SEQ = "bdSeq"

Found = Reading | Happening


class Told(NamedTuple):
    """One message of a node: its kind (NBIRTH … DDATA), the device it is about, when it came (µs)."""

    kind: str
    device: str | None
    payload: Payload
    t: int


class Node:
    """The state of one edge node."""

    def __init__(self, sensors: list[MetricSensor], reorder_us: int) -> None:
        self._sensors = sensors
        self._sequence: Sequence[Told] = Sequence(reorder_us)
        self._names: dict[int, str] = {}
        self._types: dict[tuple[str | None, str], int] = {}
        self._bd_seq: Value = None
        self._born = False
        self._asked: int | None = None
        self.wants_rebirth = True

    def ask(self, t: int) -> bool:
        """Tell whether to ask for a rebirth now; at most every five seconds."""
        if not self.wants_rebirth or (self._asked is not None and t - self._asked < REBIRTH_PAUSE_US):
            return False
        self._asked = t
        return True

    def hear(self, told: Told) -> list[Found]:
        """Take one message; gives what it, and what had waited for it, says."""
        if told.kind == "NDEATH":
            return self._node_death(told)
        if told.kind == "NBIRTH":
            return self._node_birth(told)
        if not self._born or told.payload.seq is None:
            self.wants_rebirth = True
            return []
        ready = self._sequence.take(told.payload.seq, told, told.t)
        return [found for each in ready for found in self._use(each)]

    def tick(self, t: int) -> list[Found]:
        """Give up on messages that do not come, and ask for the births then."""
        late = self._sequence.overdue(t)
        if late is None:
            return []
        self.wants_rebirth = True
        return [found for each in late for found in self._use(each)]

    def failed(self, t: int, reason: str) -> list[Reading]:
        """Everything is bad: the link to the broker or the node is gone."""
        self._born = False
        return [reading for sensor in self._sensors for reading in sensor.failed(t, reason)]

    def _node_death(self, told: Told) -> list[Found]:
        metric = told.payload.named(BD_SEQ)
        if self._born and metric is not None and self._bd_seq is not None and metric.value(4) != self._bd_seq:
            return []  # the late last will of an earlier session
        self.wants_rebirth = False  # it will be born by itself when it comes back
        return list(self.failed(told.t, "edge node is dead (NDEATH)"))

    def _node_birth(self, told: Told) -> list[Found]:
        metric = told.payload.named(BD_SEQ)
        self._bd_seq = metric.value(4) if metric is not None else None
        self._names.clear()
        self._types.clear()
        self._sequence.begin(told.payload.seq or 0)
        self._born, self.wants_rebirth = True, False
        return self._learn(told)

    def _use(self, told: Told) -> list[Found]:
        if told.kind == "DBIRTH":
            return self._learn(told)
        if told.kind == "DDEATH":
            dead = [sensor for sensor in self._sensors if sensor.device == told.device]
            return [each for sensor in dead for each in sensor.failed(told.t, "device is dead (DDEATH)")]
        return self._data(told, told.payload.metrics)

    def _learn(self, told: Told) -> list[Found]:
        for metric in told.payload.metrics:
            self._types[told.device, metric.name] = metric.datatype
            if metric.alias is not None:
                self._names[metric.alias] = metric.name
        return self._data(told, told.payload.metrics)

    def _data(self, told: Told, metrics: Iterable[Metric]) -> list[Found]:
        found: list[Found] = []
        for metric in metrics:
            name = metric.name or (self._names.get(metric.alias) if metric.alias is not None else None)
            datatype = self._types.get((told.device, name)) if name is not None else None
            if name is None or datatype is None:
                self.wants_rebirth = True
                continue
            for sensor in self._sensors:
                if sensor.device == told.device:
                    found += sensor.metric(name, metric, datatype, told)
        return found


class MetricSensor:
    """One sensor made of the metrics of one device."""

    def __init__(self, device: Device, profile: SparkplugProfile) -> None:
        self.sensor = device.sensor
        self.device = profile.device
        self._channels: dict[str, list[tuple[MetricChannel, Callable[[float], Measured]]]] = {}
        for channel in profile.channels:
            self._channels.setdefault(channel.metric, []).append((channel, judge(channel)))
        self._events: dict[str, list[tuple[MetricEvent, Watch]]] = {}
        for event in profile.events:
            self._events.setdefault(event.metric, []).append((event, Watch(event.on)))
        self._profile = profile

    def failed(self, t: int, reason: str) -> list[Reading]:
        """Give a bad reading of every channel."""
        return [Reading(self.sensor, channel.name, t, None, Quality.BAD, reason) for channel in self._profile.channels]

    def metric(self, name: str, metric: Metric, datatype: int, told: Told) -> Iterator[Found]:
        """Give what one metric says; what the device had stored keeps the device's time and is late."""
        stamp = metric.timestamp_ms if metric.timestamp_ms is not None else told.payload.timestamp_ms
        own = stamp * MS_US if stamp is not None else None
        late = metric.historical and own is not None
        t = own if late and own is not None else told.t
        value = None if metric.null else metric.value(datatype)
        for channel, judge_one in self._channels.get(name, ()):
            measured = _worst(_measure(channel, judge_one, value), metric.quality)
            yield Reading(self.sensor, channel.name, t, *measured, own, late)
        for event, watch in self._events.get(name, ()):
            if value is not None and watch.see(value, t) is not None:
                yield Happening(self.sensor, t, event.event, attrs=dict(event.attrs), device=own, late=late)


def _measure(channel: MetricChannel, judge_one: Callable[[float], Measured], value: Value) -> Measured:
    if value is None:
        return bad("the device says that it has no value")
    if isinstance(value, str):
        known = channel.values.get(value)
        return bad(f"{value[:50]!r} is not in the profile") if known is None else judge_one(float(known))
    number = float(value)
    return judge_one(number) if math.isfinite(number) else bad("not a finite number")


def _worst(measured: Measured, quality: int | None) -> Measured:
    if quality is None or quality == GOOD or measured.quality is Quality.BAD:
        return measured
    return Measured(measured.x, Quality.BAD, "stale, says the device" if quality == 500 else "bad, says the device")
