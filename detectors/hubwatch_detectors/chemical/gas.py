"""Gas and chemicals: alarms of the device, a rise of a concentration, a sensor that is spent, and watched substances.

All chemical sensors of a hub are judged by one instance, so that a rise says whether others in the zone rise too, and a
trace detector of a lane is heard for substances as well.
"""

from __future__ import annotations

import math
from functools import lru_cache

import msgspec
from pydantic import Field

from hubwatch_core.clock import SECOND_US
from hubwatch_core.wire import Channel, Clear, Detection, Event, Sensor
from hubwatch_core.words import Priority, SensorKind
from hubwatch_detectors.chemical.concentration import BACK_SIGMA, FULL, Concentration, needed
from hubwatch_detectors.chemical.precursors import RESTRICTED, substances
from hubwatch_detectors.chunk import Chunk, ChunkReading
from hubwatch_detectors.contract import ALWAYS, NEVER, Detector, DetectorConfig, Finding, Origin, Scope, Site, Spec
from hubwatch_detectors.rates import DEVICES_OWN, Rate, every_channel

MAX_SENSORS = 2048
MAX_RECENT = 60
MAX_VALUE = 1e9
ON_FROM = 0.5
LEVELS = {"alarm_1": 1, "alarm_2": 2}
MAX_HITS = 16
LEVEL_READINGS = 10
"""Readings whose mean says whether a rise is over."""
RISING_TOO = 3.0
"""Nats of another sensor of the zone that count as rising too; our choice, seldom reached by chance."""


class ChemicalConfig(DetectorConfig):
    """Allowed false alarms, times, and substances to watch for."""

    false_alarms_per_day: float = Field(
        0.01, gt=0, le=10, description="False rises allowed of each concentration in a day."
    )
    min_rise_nats: float = Field(
        0.0, ge=0, le=500, description="A level set by hand (nats); at 0 false_alarms_per_day decides."
    )
    clear_s: float = Field(30.0, gt=0, description="Seconds near the baseline that end a rise.")
    own_alarm_s: float = Field(60.0, gt=0, description="Seconds an alarm lasts of a device that says no end.")
    dead_s: float = Field(600.0, ge=60, description="Seconds at zero after which a channel that used to move is dead.")
    watch_list: tuple[str, ...] = Field(
        RESTRICTED, max_length=200, description="Substances of which every hit is told, by their usual names."
    )
    hit_again_s: float = Field(60.0, gt=0, description="Seconds in which a hit of the same substance is the same one.")


class GasAlarm(msgspec.Struct):
    """A detection that lasts."""

    id: str
    since: int
    last: int
    said: float = 0.0
    peak: float = 0.0
    by_state: bool = False
    """Whether a state says that it lasts; then a state says its end, too."""


class GasSensor(msgspec.Struct):
    """What is remembered of one sensor."""

    zone: str = ""
    unit: str = ""
    state: Concentration = msgspec.field(default_factory=Concentration)
    rise: GasAlarm | None = None
    spent: GasAlarm | None = None
    own: dict[str, GasAlarm] = {}
    """The device's own alarms, by level."""
    hits: dict[str, int] = {}


class GasMemory(msgspec.Struct):
    """The chemical sensors of a hub."""

    sensors: dict[str, GasSensor] = {}


class Gas(Detector[GasMemory]):
    """All chemical sensors of one hub."""

    def __init__(self, config: ChemicalConfig, origin: Origin, _site: Site) -> None:
        self.config, self.origin = config, origin
        self.memory = GasMemory()
        self._is_due = True
        self._hold_us, self._clear_us = round(config.own_alarm_s * SECOND_US), round(config.clear_s * SECOND_US)
        self._dead_us, self._again_us = round(config.dead_s * SECOND_US), round(config.hit_again_s * SECOND_US)

    def update(self, chunk: Chunk) -> list[Finding]:
        """Take what one sensor said."""
        entry, sensors = chunk.sensor, self.memory.sensors
        if entry.sensor not in sensors:
            if len(sensors) >= MAX_SENSORS:
                return []
            sensors[entry.sensor] = GasSensor(entry.zone)
        sensor, found = sensors[entry.sensor], list[Finding]()
        if not (chunk.events or sensor.own or any(_matters(each.channel) for each in chunk.columns)):
            return found
        channels = {each.name: each for each in entry.channels}
        if not (chunk.events or sensor.own) and _no_alarm(chunk):
            return self._measured(sensor, entry, channels.get("concentration"), chunk)
        for item in chunk.moments():
            if sensor.own:
                found += self._held_over(sensor, item.t)
            if isinstance(item, Event):
                found += self._event(sensor, item, entry)
            elif item.channel in LEVELS:
                found += self._state(sensor, entry, item)
            elif item.channel == "concentration" and entry.kind is SensorKind.CHEMICAL:
                found += self._concentration(sensor, entry, channels.get("concentration"), item.t, item.value)
        return found

    def _measured(self, sensor: GasSensor, entry: Sensor, channel: Channel | None, chunk: Chunk) -> list[Finding]:
        """Take a concentration beside which nothing is said that matters."""
        return [
            finding
            for column in chunk.columns
            if column.channel == "concentration" and entry.kind is SensorKind.CHEMICAL
            for t, value in zip(column.t, column.x, strict=True)
            for finding in self._concentration(sensor, entry, channel, t, value)
        ]

    def advance(self, now: int) -> list[Finding]:
        """End the alarms of devices that say no end."""
        self._is_due, found = False, list[Finding]()
        for sensor in self.memory.sensors.values():
            if sensor.own:
                found += self._held_over(sensor, now)
                self._is_due = self._is_due or bool(sensor.own)
        return found

    def due(self) -> int:
        """Return when a device's own alarm may be over: it is asked all the time while there is one."""
        return ALWAYS if self._is_due else NEVER

    def restore(self, state: bytes) -> None:
        """Take up a saved state."""
        super().restore(state)
        self._is_due = True

    def rewind(self) -> None:
        """Keep baselines and noise."""
        for sensor in self.memory.sensors.values():
            sensor.rise = sensor.spent = None
            sensor.own, sensor.hits = {}, {}
            sensor.state.last = 0
            sensor.state.scatter.before, sensor.state.recent = [], []
            sensor.state.settle()

    def _event(self, sensor: GasSensor, event: Event, entry: Sensor) -> list[Finding]:
        if event.type not in {"device.alarm", "screening.alarm"}:
            return []
        found = self._hits(sensor, event)
        if entry.kind is not SensorKind.CHEMICAL:
            return found
        level = "alarm_2" if event.attrs.get("level") in {2, "2"} else "alarm_1"
        held = sensor.own.get(level)
        if held is not None:
            held.last = max(held.last, event.t)
            return found
        return [*found, self._own(sensor, entry, level, event.t)]

    def _hits(self, sensor: GasSensor, event: Event) -> list[Finding]:
        """Tell every substance of the watch list that an event names."""
        found: list[Finding] = []
        sensor.hits = {name: t for name, t in sensor.hits.items() if event.t <= t + self._again_us}
        for name in substances(event.attrs, self.config.watch_list)[:MAX_HITS]:
            if name in sensor.hits:
                sensor.hits[name] = max(sensor.hits[name], event.t)
                continue
            sensor.hits[name] = event.t
            found.append(
                self.origin.detection(
                    "chemical.precursor",
                    sensor=event.sensor,
                    subject=name,
                    start=event.t,
                    end=event.t,
                    detected=event.t,
                    score=1.0,
                    priority=Priority.HIGH,
                    why=f"{event.sensor} names {name}, which is on the watch list",
                    evidence={"substance": name, "event": event.type},
                )
            )
        return found

    def _state(self, sensor: GasSensor, entry: Sensor, item: ChunkReading) -> list[Finding]:
        held, on = sensor.own.get(item.channel), item.value >= ON_FROM
        if held is None:
            if not on:
                return []
            detection = self._own(sensor, entry, item.channel, item.t)
            sensor.own[item.channel].by_state = True
            return [detection]
        if item.t < held.last:
            return []
        if on:
            held.last, held.by_state = item.t, True
            return []
        del sensor.own[item.channel]
        return [Clear(held.id, item.t, item.t)]

    def _own(self, sensor: GasSensor, entry: Sensor, level: str, t: int) -> Detection:
        second = LEVELS[level] == 2
        state = sensor.state
        detection = self.origin.detection(
            "chemical.alarm",
            sensor=entry.sensor,
            subject=level,
            start=t,
            detected=t,
            score=float(LEVELS[level]),
            priority=Priority.CRITICAL if second else Priority.HIGH,
            why=f"{entry.sensor} gives its {'second' if second else 'first'} alarm",
            evidence={"level": LEVELS[level], "value": state.value, "unit": sensor.unit, "series": list(state.recent)},
        )
        sensor.own[level] = GasAlarm(detection.id, t, t)
        self._is_due = True
        return detection

    def _held_over(self, sensor: GasSensor, now: int) -> list[Finding]:
        found: list[Finding] = []
        for level, held in list(sensor.own.items()):
            if not held.by_state and now > held.last + self._hold_us:
                del sensor.own[level]
                found.append(Clear(held.id, held.last, held.last + self._hold_us))
        return found

    def _concentration(
        self, sensor: GasSensor, entry: Sensor, channel: Channel | None, t: int, value: float
    ) -> list[Finding]:
        state = sensor.state
        if channel is None or t <= state.last or abs(value) > MAX_VALUE:
            return []
        found: list[Finding] = []
        if channel.unit != sensor.unit:
            found = self._ended(sensor, t)
            sensor.unit, sensor.state = channel.unit, Concentration()
            state = sensor.state
        state.note(t, value, MAX_RECENT)
        noise = state.noise(channel.unit, channel.resolution)
        nats = state.step(t, value, noise) if state.is_known() else 0.0
        if state.is_oxygen(channel.unit):
            nats = max(nats, *state.down)
        level = self._level(channel)
        if sensor.rise is not None:
            return found + self._in_rise(sensor, ChunkReading(t, channel.name, value), noise, nats)
        if nats >= level or value >= FULL.get(channel.unit, math.inf):
            return [*found, self._rise(sensor, entry, ChunkReading(t, channel.name, value), noise, (nats, level))]
        if nats < level / 2:
            state.learn(value)
        return found + self._spent(sensor, entry, channel, t)

    def _level(self, channel: Channel) -> float:
        if self.config.min_rise_nats > 0:
            return self.config.min_rise_nats
        return _needed(self.config.false_alarms_per_day, (channel.period_us or SECOND_US) / SECOND_US)

    def _in_rise(self, sensor: GasSensor, item: ChunkReading, noise: float, nats: float) -> list[Finding]:
        rise, state = sensor.rise, sensor.state
        assert rise is not None
        rise.peak = max(rise.peak, math.sqrt(2 * nats))
        newest = state.recent[-LEVEL_READINGS:]
        if abs(sum(newest) / len(newest) - state.mean) > BACK_SIGMA * noise:
            rise.last = item.t
            return []
        if item.t - rise.last < self._clear_us:
            return []
        sensor.rise = None
        state.settle()
        return [Clear(rise.id, rise.last, item.t, score=round(rise.peak, 3) if rise.peak > rise.said else None)]

    def _rise(
        self, sensor: GasSensor, entry: Sensor, item: ChunkReading, noise: float, sums: tuple[float, float]
    ) -> Detection:
        state, (nats, level) = sensor.state, sums
        start = state.began if nats >= level else item.t
        others = self._others(sensor)
        too = [name for name, rising in others.items() if rising]
        seconds = max((item.t - start) / SECOND_US, 1.0)
        rate = (item.value - state.mean) / seconds * 60
        detection = self.origin.detection(
            "chemical.concentration",
            sensor=entry.sensor,
            start=start,
            detected=item.t,
            score=math.sqrt(2 * nats),
            priority=Priority.CRITICAL if too or item.value >= FULL.get(sensor.unit, math.inf) else Priority.HIGH,
            why=f"{_short(item.value)} {sensor.unit}, where {_short(state.mean)} is usual"
            + (f"; rising too: {', '.join(too[:3])}" if too else ""),
            evidence={
                "value": _short(item.value),
                "unit": sensor.unit,
                "usual": _short(state.mean),
                "noise": _short(noise),
                "rise_per_min": _short(rate),
                "nats": _short(nats),
                "nats_needed": _short(level),
                "false_alarms_per_day": self.config.false_alarms_per_day,
                "others_in_zone": len(others),
                "others_rising": too[:10],
                "series": list(state.recent),
            },
        )
        sensor.rise = GasAlarm(detection.id, start, item.t, detection.score, detection.score)
        return detection

    def _others(self, sensor: GasSensor) -> dict[str, bool]:
        """Return the other sensors of the zone with the same unit, and whether they are up now."""
        return {
            name: each.rise is not None or (each.state.is_known() and max(each.state.up) >= RISING_TOO)
            for name, each in self.memory.sensors.items()
            if each is not sensor and each.zone == sensor.zone and each.unit == sensor.unit
        }

    def _spent(self, sensor: GasSensor, entry: Sensor, channel: Channel, t: int) -> list[Finding]:
        """Tell of a sensor that no longer measures, once, until it does again."""
        fault = sensor.state.fault(channel.unit, channel.resolution, self._dead_us) if sensor.state.is_known() else None
        if fault is None:
            spent, sensor.spent = sensor.spent, None
            return [Clear(spent.id, t, t)] if spent is not None else []
        if sensor.spent is not None:
            return []
        detection = self.origin.detection(
            "chemical.concentration",
            sensor=entry.sensor,
            subject="sensor",
            start=t,
            detected=t,
            score=1.0,
            priority=Priority.MEDIUM,
            why=f"{entry.sensor} {fault}: it may not notice gas",
            evidence={"usual": _short(sensor.state.mean), "unit": channel.unit, "series": list(sensor.state.recent)},
        )
        sensor.spent = GasAlarm(detection.id, t, t)
        return [detection]

    def _ended(self, sensor: GasSensor, t: int) -> list[Finding]:
        """End what was open of a concentration that is measured otherwise now."""
        held = [each for each in (sensor.rise, sensor.spent) if each is not None]
        sensor.rise = sensor.spent = None
        return [Clear(each.id, t, t) for each in held]


def _short(value: float) -> float:
    return float(f"{value:.4g}")


_needed = lru_cache(maxsize=256)(needed)


def _no_alarm(chunk: Chunk) -> bool:
    """Return whether no state of a chunk says that the device alarms."""
    return all(column.channel not in LEVELS or max(column.x) < ON_FROM for column in chunk.columns)


def _matters(channel: str) -> bool:
    return channel == "concentration" or channel in LEVELS


SPEC = Spec(
    name="chemical",
    version=1,
    scope=Scope.HUB,
    types=("chemical.concentration", "chemical.alarm", "chemical.precursor"),
    config=ChemicalConfig,
    make=Gas,
    kinds=frozenset({SensorKind.CHEMICAL, SensorKind.SCREENING}),
    rates=(
        Rate(
            "false_alarms_per_day",
            ("chemical.concentration",),
            SensorKind.CHEMICAL,
            "concentration",
            every_channel(SensorKind.CHEMICAL),
            by_hand=("min_rise_nats",),
        ),
    ),
    no_share={"chemical.alarm": DEVICES_OWN, "chemical.precursor": DEVICES_OWN},
    source="CUSUM with the bound of Lorden 1971; Regulation (EU) 2019/1148, Annex I",
    warm_up="some minutes of a channel's own noise; the device's own alarms at once",
)
