"""A mixed hub of 29 sensors over all kinds, day by day: their noise, rests, duty cycles and steps; and what is done to
them.

Models, all our choice where no source is named: counts are Poisson (radiation.md, section 2) with a background that
drifts by some percent a day; temperatures follow day and weather and are read in tenths; a cold store's compressor
cycles; wind gusts and falls calm; doors open by day, hardly at night and at weekends; gas channels have amplifier noise
around zero; a battery is full for weeks. Everything is read once a minute, doors and lanes every twenty seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hubwatch_core.wire import Channel, Sensor
from hubwatch_core.words import ChannelKind, SensorKind
from hubwatch_detectors.chunk import Chunk, ChunkReading
from support.detectors_hub import AGENT, HUB

Values = NDArray[np.float64]

DAY_S = 86_400
MIDNIGHT = 1_795_305_600_000_000
"""A Sunday's midnight, µs."""
MINUTE_US, LANE_US = 60_000_000, 20_000_000

GAUGE, STATE, COUNTER = ChannelKind.GAUGE, ChannelKind.STATE, ChannelKind.COUNTER


@dataclass(frozen=True, slots=True)
class Model:
    """One channel: what it is, and how its values of one day come about, from `t` in seconds since the beginning."""

    channel: Channel
    day: Callable[[np.random.Generator, Values], Values]


@dataclass(frozen=True, slots=True)
class Simulated:
    """One sensor with its channels."""

    sensor: Sensor
    models: tuple[Model, ...]


def hour(t: Values) -> Values:
    """Return the hour of the day."""
    return t % DAY_S / 3600


def _busy(t: Values) -> Values:
    """Return how busy a hub is, 0 to 1: by day, less at weekends. The first day is a Sunday."""
    weekday = t // DAY_S % 7
    at_work = np.exp(-(((hour(t) - 13) / 4) ** 2))
    busy: Values = np.where((weekday == 0) | (weekday == 6), 0.15, 1.0) * (0.03 + 0.97 * at_work)
    return busy


def _slow(random: np.random.Generator, t: Values, tau_s: float, sd: float) -> Values:
    """Return weather: a random walk that is pulled back, piecewise linear through the day."""
    knots = np.arange(0, DAY_S + tau_s, tau_s)
    drawn: Values = np.interp(t % DAY_S, knots, random.normal(0, sd, len(knots)))
    return drawn


def _rounded(x: Values, step: float) -> Values:
    return np.round(np.round(x / step) * step, 6)


def counts(mean: float) -> Callable[[np.random.Generator, Values], Values]:
    """Return Poisson counts over a background that drifts with radon and temperature."""
    return lambda random, t: random.poisson(
        mean * (1 + 0.03 * np.sin(2 * np.pi * hour(t) / 24) + _slow(random, t, 7200, 0.01))
    ).astype(float)


def noisy(level: float, sd: float, step: float, daily: float = 0.0) -> Callable[[np.random.Generator, Values], Values]:
    """Return a level with noise that is read in steps."""
    return lambda random, t: _rounded(
        level + daily * np.sin(2 * np.pi * (hour(t) - 9) / 24) + random.normal(0, sd, len(t)), step
    )


def resting(level: float, daily: float, weather: float, step: float) -> Callable[[np.random.Generator, Values], Values]:
    """Return a slow quantity that rests between its steps."""
    return lambda random, t: _rounded(
        level + daily * np.sin(2 * np.pi * (hour(t) - 9) / 24) + _slow(random, t, 5400, weather), step
    )


def _openings(per_h: float, longest_s: float) -> Callable[[np.random.Generator, Values], Values]:
    def day(random: np.random.Generator, t: Values) -> Values:
        period = float(t[1] - t[0])
        starts = random.random(len(t)) < per_h * period / 3600 * _busy(t)
        opened = np.zeros(len(t))
        for index in np.flatnonzero(starts):
            opened[index : index + 1 + int(random.exponential(longest_s / 3) / period)] = 1
        return opened

    return day


def _cold_store(random: np.random.Generator, t: Values) -> Values:
    """Return a store that a compressor keeps between two temperatures; doors let warmth in."""
    period = 2400 + random.normal(0, 120)
    phase = (t / period + random.random()) % 1
    saw = np.where(phase < 0.35, 1 - phase / 0.35, (phase - 0.35) / 0.65)
    return _rounded(-20 + 1.5 * saw + 0.4 * _busy(t) + random.normal(0, 0.06, len(t)), 0.1)


def _tank(random: np.random.Generator, t: Values) -> Values:
    phase = (t / 9000 + 0.02 * random.normal()) % 1
    return _rounded(2 + 2 * np.abs(2 * phase - 1) + random.normal(0, 0.005, len(t)), 0.01)


def _wind(random: np.random.Generator, t: Values) -> Values:
    mean = np.maximum(0, 5 + 3 * np.sin(2 * np.pi * (hour(t) - 9) / 24) + _slow(random, t, 10_800, 2))
    return _rounded(np.maximum(0, mean + 0.2 * mean * random.normal(size=len(t))), 0.1)


def _rain(random: np.random.Generator, t: Values) -> Values:
    wet = _slow(random, t, 7200, 1) > 1.2
    return np.where(wet, _rounded(np.abs(2 + random.normal(0, 0.5, len(t))), 0.1), 0.0)


def _battery(random: np.random.Generator, t: Values) -> Values:
    return np.full(len(t), 100.0)


def _mains(random: np.random.Generator, t: Values) -> Values:
    return np.ones(len(t))


def _gust(random: np.random.Generator, t: Values) -> Values:
    """Return the disturbance of a fence: amplifier noise, and more of it in wind."""
    wind = 1 + np.maximum(0, np.sin(2 * np.pi * (hour(t) - 9) / 24) + _slow(random, t, 7200, 0.5))
    return _rounded(np.abs(random.normal(0, 0.02, len(t)) * wind) + 0.05, 0.001)


def _throughput(random: np.random.Generator, t: Values) -> Values:
    return random.poisson(30 * _busy(t)).astype(float)


def _one(name: str, unit: str, day: Callable[[np.random.Generator, Values], Values], step: float | None = None,
         kind: ChannelKind = GAUGE, period: int = MINUTE_US) -> Model:  # fmt: skip
    return Model(Channel(name, unit, kind, period, step), day)


def _sensor(name: str, kind: SensorKind, *models: Model) -> Simulated:
    return Simulated(
        Sensor(name, kind, f"zone-{name}", max_age_s=300, channels=[each.channel for each in models]), models
    )


def _portals() -> list[Simulated]:
    return [
        _sensor(
            f"rpm-{n}",
            SensorKind.RADIATION_PORTAL,
            _one("gamma.1", "count", counts(900 + 100 * n), 1),
            _one("gamma.2", "count", counts(900 + 100 * n), 1),
            _one("neutron.1", "count", counts(6 * n), 1),
            _one("occupied", "1", _openings(8, 60), kind=STATE, period=LANE_US),
        )
        for n in (1, 2, 3)
    ]


def _area_monitors() -> list[Simulated]:
    kind = SensorKind.RADIATION_AREA
    counting = [_sensor(f"area-{n}", kind, _one("gamma", "count", counts(200 * n), 1)) for n in (1, 2)]
    return [*counting, _sensor("area-3", kind, _one("dose_rate", "µSv/h", noisy(0.09, 0.006, 0.001), 0.001))]


def _doors() -> list[Simulated]:
    positions = [_one("position", "1", _openings(4 * n, 90), kind=STATE, period=LANE_US) for n in range(1, 6)]
    return [_sensor(f"door-{n}", SensorKind.ACCESS, position) for n, position in enumerate(positions, 1)]


def _fences() -> list[Simulated]:
    return [_sensor(f"fence-{n}", SensorKind.PERIMETER, _one("disturbance", "1", _gust, 0.001)) for n in range(1, 5)]


def _gas() -> list[Simulated]:
    kind, name = SensorKind.CHEMICAL, "concentration"
    toxic = [_sensor(f"gas-{n}", kind, _one(name, "ppm", noisy(0.3 * n, 0.15, 0.1), 0.1)) for n in range(1, 4)]
    return [*toxic, _sensor("gas-4", kind, _one(name, "%LEL", noisy(1.5, 0.3, 0.1, 0.5), 0.1))]


def _screening() -> list[Simulated]:
    beam = _one("beam", "1", _openings(30, 60), kind=STATE)
    through = _one("throughput", "1/min", _throughput, 1)
    return [_sensor(f"xray-{n}", SensorKind.SCREENING, through, beam) for n in (1, 2)]


def _surroundings() -> list[Simulated]:
    kind = SensorKind.ENVIRONMENT
    return [
        _sensor(
            "mast-1",
            kind,
            _one("temperature", "°C", resting(12, 5, 0.5, 0.1), 0.1),
            _one("wind_speed", "m/s", _wind, 0.1),
            _one("rain_rate", "mm/h", _rain, 0.1),
        ),
        _sensor("mast-2", kind, _one("pressure", "hPa", resting(1013, 1, 2, 0.1), 0.1)),
        _sensor("room-1", kind, _one("temperature", "°C", resting(21, 0.6, 0.15, 0.1), 0.1)),
        _sensor("room-2", kind, _one("humidity", "%", resting(45, 4, 2, 1), 1)),
    ]


def _supply_and_plant() -> list[Simulated]:
    mains = _one("mains", "1", _mains, kind=STATE)
    load, voltage = _one("load", "%", noisy(34, 0.6, 0.1, 2), 0.1), _one("voltage", "V", noisy(231, 0.7, 0.1, 1), 0.1)
    return [
        _sensor("ups-1", SensorKind.POWER, mains, _one("battery", "%", _battery, 1), load),
        _sensor("ups-2", SensorKind.POWER, mains, voltage),
        _sensor("store-1", SensorKind.PROCESS, _one("temperature", "°C", _cold_store, 0.1)),
        _sensor("tank-1", SensorKind.PROCESS, _one("level", "m", _tank, 0.01)),
    ]


def hub() -> tuple[Simulated, ...]:
    """Return the 29 sensors."""
    parts = (_portals, _area_monitors, _doors, _fences, _gas, _screening, _surroundings, _supply_and_plant)
    return tuple(each for part in parts for each in part())


Columns = dict[str, tuple[NDArray[np.int64], Values]]
"""Times (µs) and values by channel."""


def one_day(simulated: Simulated, day: int, seed: int) -> Columns:
    """Return what a sensor says on one day."""
    columns: Columns = {}
    for index, model in enumerate(simulated.models):
        name = int.from_bytes(simulated.sensor.sensor.encode()[-6:], "big") % 1_000_003
        random = np.random.default_rng([seed, day, index, name])
        period = model.channel.period_us or MINUTE_US
        t = day * DAY_S + np.arange(0, DAY_S, period / 1e6)
        columns[model.channel.name] = (MIDNIGHT + np.round(t * 1e6).astype(np.int64), model.day(random, t))
    return columns


def frozen(columns: Columns) -> Columns:
    """Return a day on which every channel stays at what it says first."""
    return {name: (t, np.full(len(x), x[0])) for name, (t, x) in columns.items()}


def replayed(columns: Columns, earlier: Columns, *, whole: bool) -> Columns:
    """Return a day that is a copy of an earlier one from its third hour on, or the whole of it."""
    copied = {}
    for name, (t, x) in columns.items():
        first = 0 if whole else len(t) // 8
        copied[name] = (t, np.concatenate([x[:first], earlier[name][1][first:]]))
    return copied


def spoofed(simulated: Simulated, columns: Columns, seed: int) -> Columns:
    """Return a day that somebody wrote with a random generator, from the channel's mean and spread.

    Counts get normal noise of half the spread, gauges smooth noise of the right spread and a decimal more, states
    openings that are all of one length.
    """
    written, random = {}, np.random.default_rng([seed, 7])
    kinds = {each.channel.name: each.channel for each in simulated.models}
    for name, (t, x) in columns.items():
        channel = kinds[name]
        if channel.kind is STATE:
            values = (np.arange(len(x)) % 60 < 5).astype(float)
        elif channel.unit.startswith("count"):
            values = np.round(random.normal(x.mean(), 0.5 * np.sqrt(x.mean()), len(x)))
        else:
            smooth = np.convolve(random.normal(0, 1, len(x) + 4), np.ones(5) / np.sqrt(5), "valid")
            values = np.round(x.mean() + x.std() * smooth, 3)
        written[name] = (t, values)
    return written


def chunks(sensor: Sensor, columns: Columns, parts: int = 24) -> list[Chunk]:
    """Return a day as chunks."""
    readings = [
        ChunkReading(t, name, x)
        for name, (times, values) in columns.items()
        for t, x in zip(times.tolist(), values.tolist(), strict=True)
    ]
    readings.sort(key=lambda reading: reading[:2])
    first, last = readings[0].t, readings[-1].t + 1
    bounds = [first + (last - first) * part // parts for part in range(parts + 1)]
    times = [each.t for each in readings]
    cuts = np.searchsorted(times, bounds).tolist()
    return [Chunk(HUB, AGENT, sensor, tuple(readings[low:high])) for low, high in pairwise(cuts) if high > low]
