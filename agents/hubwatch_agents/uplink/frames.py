"""Gathers readings and events into batches, one for each frame. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hubwatch_agents.readings import Reading, SensorEvent
from hubwatch_core import wire
from hubwatch_core.packed_frame import is_packed, resent
from hubwatch_core.words import Quality

MAX_READINGS = 4000
"""Of one frame: with a reason of ordinary length at each, still under the 256 KiB of the wire."""
MAX_EVENTS = 500


class Batch(NamedTuple):
    """What goes into one frame, before it has a number."""

    series: list[wire.Series]
    events: list[wire.Event]
    readings: int
    late: bool

    def frame(self, hub: str, agent: str, epoch: str, seq: int, sent: int) -> wire.Frame:
        """Make the frame."""
        return wire.Frame(
            v=1, hub=hub, agent=agent, epoch=epoch, seq=seq, sent=sent,
            late=self.late, series=self.series, events=self.events,
        )  # fmt: skip

    def halves(self) -> tuple[Batch, Batch]:
        """Cut a batch in two, for one whose frame is too long; raises ValueError when one thing alone is too long."""
        if len(self.series) > 1:
            cut = len(self.series) // 2
            return _batch(self.series[:cut], [], self.late), _batch(self.series[cut:], self.events, self.late)
        if self.series and self.events:
            return _batch(self.series, [], self.late), _batch([], self.events, self.late)
        if len(self.events) > 1:
            cut = len(self.events) // 2
            return _batch([], self.events[:cut], self.late), _batch([], self.events[cut:], self.late)
        return _halves_of_series(self)


class FrameBuilder:
    """Holds what has come since the last frame: readings as columns by channel, events in order."""

    def __init__(self, clock_doubt: str | None = None) -> None:
        self.clock_doubt = clock_doubt
        """Why the clock of this machine is not to be believed; None while it is."""
        self._live: dict[tuple[str, str], list[Reading]] = {}
        self._late: dict[tuple[str, str], list[Reading]] = {}
        self._events: list[SensorEvent] = []

    def add(self, item: Reading | SensorEvent) -> None:
        """Take one reading or event."""
        if isinstance(item, Reading):
            self._add_reading(item)
        else:
            self._events.append(item)

    def _add_reading(self, reading: Reading) -> None:
        columns = self._late if reading.late else self._live
        key = (reading.sensor, reading.channel)
        column = columns.get(key)
        if column is None:
            columns[key] = [reading]
        else:
            column.append(reading)

    def events(self) -> list[Batch]:
        """Return all events that have come, as batches; late ones apart."""
        taken, self._events = self._events, []
        batches = []
        for late in (False, True):
            events = [self._event(each) for each in taken if each.late is late]
            batches += [_batch([], events[i : i + MAX_EVENTS], late) for i in range(0, len(events), MAX_EVENTS)]
        return batches

    def readings(self) -> list[Batch]:
        """Return all readings that have come, as batches; late ones apart."""
        live, late = self._live, self._late
        self._live, self._late = {}, {}
        return [*self._batches(live, late=False), *self._batches(late, late=True)]

    def _batches(self, columns: dict[tuple[str, str], list[Reading]], *, late: bool) -> list[Batch]:
        batches: list[Batch] = []
        series: list[wire.Series] = []
        count = 0
        for (sensor, channel), readings in columns.items():
            for start in range(0, len(readings), MAX_READINGS):
                part = readings[start : start + MAX_READINGS]
                if count + len(part) > MAX_READINGS:
                    batches.append(Batch(series, [], count, late))
                    series, count = [], 0
                series.append(self._series(sensor, channel, part))
                count += len(part)
        if series:
            batches.append(Batch(series, [], count, late))
        return batches

    def _series(self, sensor: str, channel: str, readings: Sequence[Reading]) -> wire.Series:
        t0 = readings[0].t
        # Nearly always everything is good and without a time of its own: then neither list is made.
        doubted = self.clock_doubt is not None or [1 for reading in readings if reading.quality]
        timed = [1 for reading in readings if reading.device is not None]
        return wire.Series(
            sensor=sensor,
            channel=channel,
            t0=t0,
            dt=[reading.t - t0 for reading in readings],
            x=[reading.x for reading in readings],
            q=[self._mark(reading) for reading in readings] if doubted else [],
            device=[None if reading.device is None else reading.device - t0 for reading in readings] if timed else [],
        )

    def _mark(self, reading: Reading) -> wire.QualityMark:
        if self.clock_doubt is not None and reading.quality is Quality.GOOD:
            return (1, self.clock_doubt)
        if reading.quality is Quality.GOOD:
            return 0
        code: wire.QualityCode = 1 if reading.quality is Quality.UNCERTAIN else 2
        return (code, reading.reason[:200]) if reading.reason else code

    def _event(self, event: SensorEvent) -> wire.Event:
        attrs = event.attrs
        if self.clock_doubt is not None:
            attrs = {**attrs, "clock": self.clock_doubt}
        return wire.Event(
            sensor=event.sensor, t=event.t, type=event.type,
            subject=event.subject, attrs=attrs, device=event.device,
        )  # fmt: skip


def late_copy(payload: bytes, now: int) -> bytes:
    """Return an encoded frame again as backlog: flagged late, sent now. Every reading in it stays as it is.

    Works on the bytes, as a backlog of a gigabyte must not cost the live frames their processor. `sent` is the first
    of its name in a frame: it stands before everything that comes from a device.
    """
    if is_packed(payload):
        return resent(payload, now)
    start = payload.index(b'"sent":') + len(b'"sent":')
    end = payload.index(b",", start) if b"," in payload[start : start + 24] else payload.index(b"}", start)
    flag = b"" if payload.startswith(b',"late":true', end) else b',"late":true'
    return b"".join((payload[:start], str(now).encode(), flag, payload[end:]))


def _batch(series: list[wire.Series], events: list[wire.Event], late: bool) -> Batch:
    return Batch(series, events, sum(len(each.x) for each in series), late)


def _halves_of_series(batch: Batch) -> tuple[Batch, Batch]:
    """Cut the only series of a batch in two."""
    if not batch.series or len(batch.series[0].x) < 2:
        raise ValueError("one reading or event alone is too long for a frame")
    whole = batch.series[0]
    cut = len(whole.x) // 2
    parts = [
        wire.Series(
            sensor=whole.sensor, channel=whole.channel, t0=whole.t0, dt=whole.dt[place], x=whole.x[place],
            q=whole.q[place], device=whole.device[place],
        )
        for place in (slice(0, cut), slice(cut, None))
    ]  # fmt: skip
    return _batch([parts[0]], [], batch.late), _batch([parts[1]], batch.events, batch.late)
