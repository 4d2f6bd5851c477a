"""Area monitors: a rise of any size over a background that is learned without swallowing it.

The counts of each second are searched for a rise that began at any moment (`area_change.py`), with a level that follows
from the false alarms that are allowed (`area_threshold.py`), over a background with rain and hour of the day in it
(`area_background.py`). A device that gives a dose rate alone is judged by its own noise (`methods/scatter.py`). One
reading that stands out alone is electronics and is kept out. All monitors of a hub are judged by one instance, because
its rain gauge speaks for all.
"""

from __future__ import annotations

from typing import Any

import msgspec
from pydantic import Field

from hubwatch_core.clock import SECOND_US
from hubwatch_core.wire import Channel, Clear, Event, Sensor
from hubwatch_core.words import ChannelKind, Priority, SensorKind
from hubwatch_detectors.chunk import Chunk, Column
from hubwatch_detectors.contract import ALWAYS, NEVER, Detector, DetectorConfig, Finding, Origin, Scope, Site, Spec
from hubwatch_detectors.radiation.area_change import Rise
from hubwatch_detectors.radiation.area_monitor import BLOCK_S, AreaAlarm, AreaMonitor, AreaPace
from hubwatch_detectors.radiation.area_rain import LastingRain
from hubwatch_detectors.radiation.area_threshold import levels, top_level
from hubwatch_detectors.rates import Rate, every

MAX_MONITORS = 1024
COUNT_UNITS = frozenset({"count", "counts"})
MAX_VALUE = 1e9
"""A reading above it is no count and no dose rate of this world."""
CRITICAL_RATIO = 1.2
"""A rise by less is told as high, not critical; our choice: rain gauges fail, and rain gives up to 20 %."""
DAY_S = 86_400.0


class AreaConfig(DetectorConfig):
    """How many false alarms are allowed, and how slowly background is learned."""

    false_alarms_per_day: float = Field(
        1 / 7, gt=0, le=24, description="False alarms allowed of each monitor in a day; the level follows from it."
    )
    level_sigma: float = Field(
        0.0, ge=0, le=10, description="A level set by hand (standard deviations); at 0 false_alarms_per_day decides."
    )
    warm_up_s: float = Field(60.0, ge=10, description="Seconds of background before a monitor is judged.")
    quarantine_s: float = Field(
        7200.0, ge=0, le=18_000, description="How old counts must be before they are learned as background."
    )
    relearn_days: float = Field(
        3.0, gt=0, le=60, description="A rise that lasts so long is told as over and becomes background."
    )
    own_alarms: bool = Field(True, description="Whether the device's own alarm makes a detection.")
    own_alarm_s: float = Field(60.0, gt=0, description="Seconds after the device's last own alarm in which it lasts.")


Pace = tuple[AreaPace, float, tuple[float, ...]]


class AreaMemory(msgspec.Struct):
    """The monitors of a hub by name, and its rain."""

    monitors: dict[str, AreaMonitor] = {}
    rain: LastingRain = msgspec.field(default_factory=LastingRain)


class RadiationArea(Detector[AreaMemory]):
    """All area monitors of one hub."""

    def __init__(self, config: AreaConfig, origin: Origin, _site: Site) -> None:
        self.config, self.origin = config, origin
        self.memory = AreaMemory()
        self._hold_us = round(config.own_alarm_s * SECOND_US)
        self._due = ALWAYS
        self._entries: dict[str, tuple[Sensor, Channel | None, str]] = {}
        self._paces: dict[int | None, Pace] = {}

    def update(self, chunk: Chunk) -> list[Finding]:
        """Take what a monitor counted, or how it rained."""
        for each in chunk.columns:
            if each.channel == "rain_rate":
                self._rained(each)
        if chunk.sensor.kind is not SensorKind.RADIATION_AREA:
            return []
        name = chunk.sensor.sensor
        channel, meaning = self._judged(chunk.sensor)
        monitor, found = self.memory.monitors.get(name), list[Finding]()
        if monitor is None or monitor.meaning != meaning:
            found = self._made_anew(chunk.sensor, channel, meaning)
            monitor = self.memory.monitors.get(name)
        if monitor is None:
            return found
        if chunk.events:
            return found + self._moments(monitor, channel, chunk)
        for each in chunk.columns:
            if channel is not None and each.channel == channel.name:
                found += self._counts(monitor, name, channel, each)
        return found

    def _rained(self, column: Column) -> None:
        for t, value in zip(column.t, column.x, strict=True):
            self.memory.rain.add(t, value)

    def _counts(self, monitor: AreaMonitor, sensor: str, channel: Channel, column: Column) -> list[Finding]:
        found, fresh = list[Finding](), monitor.last
        for t, value in zip(column.t, column.x, strict=True):
            if t > fresh and (news := self._reading(monitor, sensor, channel, t, value)):
                found += news
        return found

    def _moments(self, monitor: AreaMonitor, channel: Channel | None, chunk: Chunk) -> list[Finding]:
        """Take readings and what the device itself said in the order of time."""
        found, fresh = list[Finding](), monitor.last
        for item in chunk.moments():
            if isinstance(item, Event):
                found += self._event(monitor, item)
            elif channel is not None and item.channel == channel.name and item.t > fresh:
                found += self._reading(monitor, chunk.sensor.sensor, channel, item.t, item.value)
        return found

    def advance(self, now: int) -> list[Finding]:
        """End the alarms of devices that have not said so again."""
        found: list[Finding] = []
        self._due = NEVER
        for monitor in self.memory.monitors.values():
            found += self._own_over(monitor, now)
            if monitor.own is not None:
                self._due = min(self._due, monitor.own.low + self._hold_us + 1)
        return found

    def due(self) -> int:
        """Return when the own alarm of a device may be over."""
        return self._due

    def stands_apart(self, sensor: Sensor) -> bool:
        """Monitors are judged each by itself, and rain counts only when it is some minutes old."""
        return True

    def restore(self, state: bytes) -> None:
        """Take up a saved state."""
        super().restore(state)
        self._due = ALWAYS

    def rewind(self) -> None:
        """Keep what was learned of each monitor, and the rain."""
        for monitor in self.memory.monitors.values():
            monitor.rewind()

    def _judged(self, sensor: Sensor) -> tuple[Channel | None, str]:
        """Return the channel of a monitor that is judged, and what it means; worked out once for each inventory."""
        entry = self._entries.get(sensor.sensor)
        if entry is None or entry[0] is not sensor:
            channel = judged_channel(sensor)
            entry = self._entries[sensor.sensor] = sensor, channel, _meaning(sensor, channel)
        return entry[1], entry[2]

    def _made_anew(self, sensor: Sensor, channel: Channel | None, meaning: str) -> list[Finding]:
        """Learn a monitor anew where it is another device, or elsewhere, and end what it had found."""
        known = self.memory.monitors
        monitor = known.get(sensor.sensor)
        if monitor is None:
            if len(known) < MAX_MONITORS:
                known[sensor.sensor] = AreaMonitor(meaning)
            return []
        if channel is None or monitor.meaning in {"", meaning}:
            monitor.meaning = monitor.meaning or meaning
            return []
        known[sensor.sensor] = AreaMonitor(meaning, last=monitor.last)
        open_ = [each for each in (monitor.alarm, monitor.own) if each is not None]
        return [Clear(each.id, max(monitor.last, each.low), max(monitor.last, each.low)) for each in open_]

    def _reading(self, monitor: AreaMonitor, sensor: str, channel: Channel, t: int, value: float) -> list[Finding]:
        if not 0 <= value <= MAX_VALUE:
            return []
        monitor.last = t
        pace, top, _ = self._pace(channel.period_us)
        found = self._own_over(monitor, t) if monitor.own is not None else []
        for at, believed in monitor.believe(t, value, pace, top):
            if monitor.alarm is None:
                monitor.scatter.add(believed)
            full = monitor.fill(at, believed, pace)
            if full is not None and (news := self._sample(monitor, sensor, channel, full, at)):
                found += news
        return found

    def _sample(
        self, monitor: AreaMonitor, sensor: str, channel: Channel, full: tuple[int, float], newest: int
    ) -> list[Finding]:
        (begun, counted), (pace, _, table) = full, self._pace(channel.period_us)
        if not self._ready(monitor, channel, begun):
            return []
        if monitor.alarm is not None:
            return self._in_alarm(monitor, begun, newest, counted, table)
        rise = monitor.rise(begun, counted, pace, table)
        if rise is not None:
            return [self._open(monitor, sensor, channel, rise, newest)]
        monitor.learn(counted, pace)
        return []

    def _ready(self, monitor: AreaMonitor, channel: Channel, t: int) -> bool:
        """Bring the background up to this moment; False while the noise of the channel is not known."""
        back = monitor.background
        stale = monitor.alarm is not None and back.block is not None and t >= back.block.t + BLOCK_S * SECOND_US
        if back.block is None or stale:
            noise = monitor.scatter.dispersion(counts=channel.unit in COUNT_UNITS, resolution=channel.resolution)
            if noise is None:
                return False
            if monitor.alarm is None or back.rate == 0:
                back.dispersion = noise
            back.begin(t, self.memory.rain.lasting(t))
        return True

    def _in_alarm(
        self, monitor: AreaMonitor, begun: int, t: int, counted: float, table: tuple[float, ...]
    ) -> list[Finding]:
        alarm = monitor.alarm
        assert alarm is not None
        monitor.follow(begun, counted, table)
        peak = alarm.peak if alarm.peak > alarm.sigma else None
        if monitor.has_returned(begun, counted):
            monitor.settle()
            return [Clear(alarm.id, max(alarm.low, alarm.since), t, score=_rounded(peak))]
        if t - alarm.since > self.config.relearn_days * DAY_S * SECOND_US:
            monitor.learn_anew()
            why = f"the rise has lasted {self.config.relearn_days:g} days and is learned as background"
            return [Clear(alarm.id, t, t, why, _rounded(peak))]
        return []

    def _open(self, monitor: AreaMonitor, sensor: str, channel: Channel, rise: Rise, t: int) -> Finding:
        pace = self._pace(channel.period_us)[0]
        percent, length = (rise.ratio - 1) * 100, rise.samples * pace.seconds
        detection = self.origin.detection(
            "radiation.area",
            sensor=sensor,
            start=rise.start,
            detected=t,
            score=rise.sigma,
            priority=Priority.CRITICAL if rise.ratio >= CRITICAL_RATIO else Priority.HIGH,
            why=f"{percent:.0f} % more {channel.name} than background for {_span(length)} ({rise.sigma:.1f} sigma)",
            evidence=self._evidence(monitor, channel, rise, pace),
        )
        monitor.background.forget(rise.samples)
        monitor.alarm = AreaAlarm(detection.id, rise.start, rise.sigma, rise.ratio, rise.sigma, low=t)
        return detection

    def _evidence(self, monitor: AreaMonitor, channel: Channel, rise: Rise, pace: AreaPace) -> dict[str, Any]:
        back = monitor.background
        return {
            "unit": channel.unit,
            "background": _short(back.rate * back.factor / pace.seconds),
            "level": _short(rise.counted / rise.samples / pace.seconds),
            "samples": rise.samples,
            "sample_s": pace.seconds,
            "nats": _short(rise.nats),
            "nats_needed": _short(rise.level),
            "false_alarms_per_day": _short(self.config.false_alarms_per_day),
            "level_by_hand": self.config.level_sigma > 0,
            "learned_s": round(back.samples * pace.seconds),
            "dispersion": _short(back.dispersion),
            "wander": _short(back.wander**0.5),
            "rain_mm_h": _short(self.memory.rain.lasting(rise.start)),
            "rain_and_hour": _short(back.factor),
            "spikes_kept_out": monitor.spikes,
            "series_s": pace.seconds,
            "series": list(monitor.recent),
        }

    def _event(self, monitor: AreaMonitor, event: Event) -> list[Finding]:
        """Take the device's own alarm."""
        found = self._own_over(monitor, event.t)
        if event.type != "device.alarm" or not self.config.own_alarms:
            return found
        if monitor.own is not None:
            monitor.own.low = max(monitor.own.low, event.t)
            return found
        detection = self.origin.detection(
            "radiation.area",
            sensor=event.sensor,
            subject="device",
            start=event.t,
            detected=event.t,
            score=0.0,
            priority=Priority.CRITICAL,
            why="the monitor itself alarms",
            evidence={"own_alarm": True, "series": list(monitor.recent)},
        )
        monitor.own = AreaAlarm(detection.id, event.t, 0.0, 1.0, 0.0, low=event.t)
        self._due = min(self._due, event.t + self._hold_us + 1)
        return [*found, detection]

    def _own_over(self, monitor: AreaMonitor, now: int) -> list[Finding]:
        own, hold = monitor.own, self._hold_us
        if own is None or now <= own.low + hold:
            return []
        monitor.own = None
        return [Clear(own.id, own.low, own.low + hold)]

    def _pace(self, period_us: int | None) -> Pace:
        known = self._paces.get(period_us)
        if known is None:
            known = self._paces[period_us] = _pace(self.config, period_us)
        return known


def _pace(config: AreaConfig, period_us: int | None) -> Pace:
    """Return how a monitor is read, and the evidence (nats) that the shortest window must show, and every one."""
    pace = AreaPace.of(period_us, config.quarantine_s, config.warm_up_s)
    if config.level_sigma > 0:
        top = config.level_sigma**2 / 2
    else:
        top = top_level(config.false_alarms_per_day * pace.seconds / DAY_S, pace.window)
    return pace, top, levels(top, pace.window)


def judged_channel(sensor: Sensor) -> Channel | None:
    """Return the channel of a monitor that is judged: its counts where it gives them, else its dose rate."""
    gauges = {each.name: each for each in sensor.channels if each.kind is ChannelKind.GAUGE}
    counts = [each for name, each in sorted(gauges.items()) if name == "gamma" or name.startswith("gamma.")]
    return counts[0] if counts else gauges.get("dose_rate")


def _meaning(sensor: Sensor, channel: Channel | None) -> str:
    if channel is None:
        return ""
    return f"{sensor.zone} {sensor.profile} {channel.name} {channel.unit} {channel.period_us}"


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 3)


SPEC = Spec(
    name="radiation_area",
    version=1,
    scope=Scope.HUB,
    types=("radiation.area",),
    config=AreaConfig,
    make=RadiationArea,
    kinds=frozenset({SensorKind.RADIATION_AREA, SensorKind.ENVIRONMENT}),
    rates=(
        Rate(
            "false_alarms_per_day",
            ("radiation.area",),
            SensorKind.RADIATION_AREA,
            "monitor",
            every(SensorKind.RADIATION_AREA),
            by_hand=("level_sigma",),
        ),
    ),
    source="Poisson-FOCuS: Ward et al. 2023, arXiv 2208.01494; threshold: Siegmund and Yakir 2007",
    warm_up="warm_up_s; weak rises are found sooner after a day",
)
