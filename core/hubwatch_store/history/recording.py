"""The history of a hub as births and frames, as if its agents sent it again and nothing had come late.

Only what channels mean now is sent: what came before a unit or a device changed is another channel's.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from hubwatch_core.clock import SECOND_US, to_us
from hubwatch_core.ids import new_ulid
from hubwatch_core.wire import Birth, Channel, Event, Frame, QualityMark, Sensor, Series
from hubwatch_core.words import ChannelKind, SensorKind
from hubwatch_store.history.frames import CONTENTS, History
from hubwatch_store.history.tables import micros_of

if TYPE_CHECKING:
    import pandas as pd

FRAME_US = 10 * SECOND_US
PIECE = timedelta(hours=1)
"""So much is read at a time."""


class ListedSensor(NamedTuple):
    """A sensor as its agent lists it now."""

    agent: str
    sensor: Sensor


def listed(history: History, hub: str, kinds: Collection[SensorKind] | None = None) -> list[ListedSensor]:
    """Return the sensors of a hub, of some kinds or all. Raises Transient or Permanent."""
    channels: dict[tuple[str, str], list[Channel]] = defaultdict(list)
    told: dict[tuple[str, str], tuple[str, str, str, float | None]] = {}
    for agent, name, kind, zone, profile, max_age_s, *channel in history.inventory(hub):
        if kind in set(SensorKind) and (kinds is None or SensorKind(kind) in kinds):
            told[agent, name] = (kind, zone, profile, max_age_s)
            if channel[0] is not None:
                channels[agent, name].append(_channel(*channel))
    return [
        ListedSensor(agent, Sensor(name, SensorKind(kind), zone, profile, max_age_s, channels[agent, name]))
        for (agent, name), (kind, zone, profile, max_age_s) in told.items()
    ]


def recorded(
    history: History, hub: str, sensors: Collection[ListedSensor], start: datetime, end: datetime
) -> Iterator[Birth | Frame]:
    """Yield the birth of each agent, then its frames of [start, end), an hour's after the other."""
    names = [each.sensor.sensor for each in sensors]
    if not names:
        return
    recording = _Recording(hub, sensors)
    yield from recording.births(to_us(start))
    while start < end:
        until = min(start + PIECE, end)
        wanted = {"hub": hub, "sensors": names, "start": start, "end": until}
        what = CONTENTS["readings"]
        for piece in history.pieces(what.query, what.columns, wanted):
            recording.take_readings(piece)
        recording.take_events(history.events(hub, start, until, sensors=names))
        yield from recording.frames(to_us(until))
        start = until


class _Recording:
    """Cuts what was stored into frames."""

    def __init__(self, hub: str, sensors: Collection[ListedSensor]) -> None:
        self._hub, self._sensors, self._epoch = hub, sensors, new_ulid()
        self._agent = {each.sensor.sensor: each.agent for each in sensors}
        self._known = {(each.sensor.sensor, channel.name) for each in sensors for channel in each.sensor.channels}
        self._seq: dict[str, int] = defaultdict(int)
        self._series: dict[tuple[int, str], list[Series]] = defaultdict(list)
        self._events: dict[tuple[int, str], list[Event]] = defaultdict(list)

    def births(self, at: int) -> Iterator[Birth]:
        for agent in sorted(set(self._agent.values())):
            mine = [each.sensor for each in self._sensors if each.agent == agent]
            yield Birth(1, self._hub, agent, self._epoch, at, "stored history", "", mine)

    def take_readings(self, piece: pd.DataFrame) -> None:
        times = micros_of(piece["time"])
        values, marks = piece["value"].to_numpy(), piece["quality"].cat.codes.to_numpy()
        names = list(zip(piece["sensor"], piece["channel"], strict=True))
        slots = times // FRAME_US
        begins = [0, *(i for i in range(1, len(names)) if names[i] != names[i - 1] or slots[i] != slots[i - 1])]
        for first, last in zip(begins, [*begins[1:], len(names)], strict=True):
            if first < last and names[first] in self._known:
                reasons = piece["reason"].iloc[first:last] if marks[first:last].any() else None
                made = _series(*names[first], times[first:last], values[first:last], marks[first:last], reasons)
                self._series[int(slots[first]), self._agent[names[first][0]]].append(made)

    def take_events(self, events: pd.DataFrame) -> None:
        times = micros_of(events.index).tolist()
        columns = zip(times, events["sensor"], events["type"], events["subject"], events["attrs"], strict=True)
        for t, sensor, kind, subject, attrs in columns:
            self._events[t // FRAME_US, self._agent[sensor]].append(Event(sensor, t, kind, subject, attrs))

    def frames(self, until: int) -> Iterator[Frame]:
        """Yield a frame for each agent and slot, also an empty one, for time goes on."""
        agents = sorted(set(self._agent.values()))
        slots = {slot for slot, _ in (*self._series, *self._events)}
        for slot in sorted(slots):
            for agent in agents:
                self._seq[agent] += 1
                series, events = self._series.pop((slot, agent), []), self._events.pop((slot, agent), [])
                sent = min((slot + 1) * FRAME_US, until)
                yield Frame(1, self._hub, agent, self._epoch, self._seq[agent], sent, series=series, events=events)


def _series(sensor: str, channel: str, times: Any, values: Any, marks: Any, reasons: Any) -> Series:
    first = int(times[0])
    x = [None if math.isnan(value) else value for value in values.tolist()]
    q: list[QualityMark] = []
    if reasons is not None:
        q = [(code, reason) if reason else code for code, reason in zip(marks.tolist(), reasons, strict=True)]
    return Series(sensor, channel, first, (times - first).tolist(), x, q)


def _channel(name: str, unit: str, kind: str, period_us: int | None, resolution: float | None) -> Channel:
    return Channel(name, unit, ChannelKind(kind), period_us, resolution)
