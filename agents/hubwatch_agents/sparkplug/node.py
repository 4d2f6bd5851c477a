"""One edge node and its devices: births, deaths, aliases, sequence. Knows no broker; says when to ask for a rebirth."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from hubwatch_agents.changes import Watch
from hubwatch_agents.devices import Device
from hubwatch_agents.drops import Cause, Drops
from hubwatch_agents.measured import Measured, bad, judge
from hubwatch_agents.profiles.sparkplug_schema import MetricChannel, MetricEvent, SparkplugProfile
from hubwatch_agents.readings import Happening, Reading
from hubwatch_agents.sparkplug.payload import GOOD, Metric, Payload, Value
from hubwatch_agents.sparkplug.sequence import Sequence
from hubwatch_core.wire import EARLIEST_US, LATEST_US
from hubwatch_core.words import Quality

MS_US = 1000
SECOND_US = 1_000_000
REBIRTH_PAUSE_US = 5_000_000
"""A node is asked for its births at most this often; one that does not answer, ever less often."""
LONGEST_REBIRTH_PAUSE_US = 60_000_000
BIRTH_PATIENCE_US = 5_000_000
"""So long after its node a device may be born; then it counts as dead (the births follow each other at once)."""
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

    def __init__(self, sensors: list[MetricSensor], reorder_us: int, drops: Drops) -> None:
        self._sensors = sensors
        self._drops = drops
        self._alive: set[str | None] = set()
        """The devices that are born and not dead, and None for the node itself."""
        self._unborn: set[str | None] = set()
        """Those that have said nothing since their node was born."""
        self._expected_by = 0
        self._sequence: Sequence[Told] = Sequence(reorder_us)
        self._names: dict[int, str] = {}
        self._types: dict[tuple[str | None, str], int] = {}
        self._bd_seq: Value = None
        self._born = False
        self._asked: int | None = None
        self._unanswered = 0
        self.wants_rebirth = True

    def begin(self) -> None:
        """Begin with a new link: births are not retained, so they have to be asked for."""
        self.wants_rebirth, self._unanswered = True, 0

    def ask(self, t: int) -> bool:
        """Tell whether to ask for a rebirth now: at most every five seconds, and ever less often without an answer."""
        pause_us = min(REBIRTH_PAUSE_US * 2 ** max(0, self._unanswered - 1), LONGEST_REBIRTH_PAUSE_US)
        if not self.wants_rebirth or (self._asked is not None and t - self._asked < pause_us):
            return False
        self._asked = t
        self._unanswered = min(self._unanswered + 1, 10)
        return True

    def unreadable(self, t: int, reason: str) -> None:
        """Take a message that is no payload; what it said is lost, so all is asked for."""
        self.wants_rebirth = True
        self._dropped(Cause.UNREADABLE, t, reason)

    def hear(self, told: Told) -> list[Found]:
        """Take one message; gives what it, and what had waited for it, says."""
        if told.kind == "NDEATH":
            return self._node_death(told)
        if told.kind == "NBIRTH":
            return self._node_birth(told)
        if not self._born or told.payload.seq is None:
            self.wants_rebirth = True
            self._dropped(Cause.UNBORN, told.t, f"{told.kind} before NBIRTH, or without seq")
            return []
        ready = self._sequence.take(told.payload.seq, told, told.t)
        return [found for each in ready for found in self._use(each)]

    def tick(self, t: int) -> list[Found]:
        """Give up on messages that do not come, and ask for the births then."""
        late = self._sequence.overdue(t)
        self.wants_rebirth |= late is not None
        found = [found for each in late or () for found in self._use(each)]
        return found + self._still_unborn(t) + self._silent(t)

    def failed(self, t: int, reason: str) -> list[Reading]:
        """Everything is bad: the link to the broker or the node is gone."""
        self._born = False
        self._alive.clear()
        self._unborn.clear()
        return [reading for sensor in self._sensors for reading in sensor.failed(t, reason)]

    def _node_death(self, told: Told) -> list[Found]:
        metric = told.payload.named(BD_SEQ)
        if self._born and metric is not None and self._bd_seq is not None and metric.value(4) != self._bd_seq:
            self._dropped(Cause.OLD_SESSION, told.t, "NDEATH of an earlier session")
            return []
        self.wants_rebirth = False  # it will be born by itself when it comes back
        return list(self.failed(told.t, "edge node is dead (NDEATH)"))

    def _node_birth(self, told: Told) -> list[Found]:
        metric = told.payload.named(BD_SEQ)
        self._bd_seq = metric.value(4) if metric is not None else None
        self._names.clear()
        self._types.clear()
        self._sequence.begin(told.payload.seq or 0)
        self._born, self.wants_rebirth, self._unanswered = True, False, 0
        self._alive.clear()
        self._unborn = {sensor.device for sensor in self._sensors}
        self._expected_by = told.t + BIRTH_PATIENCE_US
        return self._learn(told)

    def _still_unborn(self, t: int) -> list[Found]:
        """Give the devices up that were not born after their node: what they said before is over."""
        if not self._unborn or t < self._expected_by:
            return []
        dead = [sensor for sensor in self._sensors if sensor.device in self._unborn]
        self._unborn.clear()
        return [each for sensor in dead for each in sensor.failed(t, "device was not born after its node (no DBIRTH)")]

    def _use(self, told: Told) -> list[Found]:
        if told.kind == "DBIRTH":
            return self._learn(told)
        if told.kind == "DDEATH":
            self._alive.discard(told.device)
            self._unborn.discard(told.device)
            dead = [sensor for sensor in self._sensors if sensor.device == told.device]
            return [each for sensor in dead for each in sensor.failed(told.t, "device is dead (DDEATH)")]
        if told.device not in self._alive:
            self.wants_rebirth = True
            self._dropped(Cause.UNBORN, told.t, f"{told.kind} of {told.device}, which is not born")
            return []
        return self._data(told, told.payload.metrics)

    def _silent(self, t: int) -> list[Found]:
        """Tell of devices that are born and say nothing more: their node hangs, and no last will comes of that."""
        alive = [sensor for sensor in self._sensors if sensor.device in self._alive]
        return [each for sensor in alive for each in sensor.silent(t)]

    def _dropped(self, cause: Cause, t: int, reason: str) -> None:
        self._drops.drop(self._sensors[0].sensor, cause, t, reason)

    def _learn(self, told: Told) -> list[Found]:
        self._alive.add(told.device)
        self._unborn.discard(told.device)
        for metric in told.payload.metrics:
            self._types[told.device, metric.name] = metric.datatype
            if metric.alias is not None:
                self._names[metric.alias] = metric.name
        return self._data(told, told.payload.metrics)

    def _data(self, told: Told, metrics: Iterable[Metric]) -> list[Found]:
        found: list[Found] = []
        for sensor in self._sensors:
            if sensor.device == told.device:
                sensor.heard = told.t
        for metric in metrics:
            name = metric.name or (self._names.get(metric.alias) if metric.alias is not None else None)
            datatype = self._types.get((told.device, name)) if name is not None else None
            if name is None or datatype is None:
                self.wants_rebirth = True
                self._dropped(Cause.UNBORN, told.t, f"metric {name or metric.alias} is in no birth")
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
        # What the device had stored happened before what it says now: each has a baseline of its own.
        self._events: dict[str, list[tuple[MetricEvent, Watch, Watch]]] = {}
        for event in profile.events:
            self._events.setdefault(event.metric, []).append((event, Watch(event.on), Watch(event.on)))
        self._profile = profile
        self._silent_us = round(device.max_age_s * SECOND_US) if device.max_age_s is not None else None
        self.heard = 0
        """When its device has last said anything (µs)."""

    def silent(self, t: int) -> list[Reading]:
        """Tell when nothing has been heard for too long; said again as long as it lasts."""
        if self._silent_us is None or t - self.heard < self._silent_us:
            return []
        self.heard = t
        return self.failed(t, f"no message for {self._silent_us / SECOND_US:g} s")

    def failed(self, t: int, reason: str) -> list[Reading]:
        """Give a bad reading of every channel."""
        return [Reading(self.sensor, channel.name, t, None, Quality.BAD, reason) for channel in self._profile.channels]

    def metric(self, name: str, metric: Metric, datatype: int, told: Told) -> Iterator[Found]:
        """Give what one metric says; what the device had stored keeps the device's time and is late."""
        stamp = metric.timestamp_ms if metric.timestamp_ms is not None else told.payload.timestamp_ms
        own = stamp * MS_US if stamp is not None and EARLIEST_US <= stamp * MS_US <= LATEST_US else None
        late = metric.historical and own is not None and own <= told.t
        t = own if late and own is not None else told.t
        value = None if metric.null else metric.value(datatype)
        for channel, judge_one in self._channels.get(name, ()):
            measured = _worst(_measure(channel, judge_one, value), metric.quality)
            yield Reading(self.sensor, channel.name, t, *measured, own, late)
        for event, live, stored in self._events.get(name, ()):
            if value is not None and (stored if metric.historical else live).see(value, t) is not None:
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
