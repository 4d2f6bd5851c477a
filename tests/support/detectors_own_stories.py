"""Stories for detectors that look at longer times than a hub's four minutes, or at other sensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hubwatch_core.wire import Channel, Event, Sensor
from hubwatch_core.words import ChannelKind, SensorKind
from hubwatch_detectors.chunk import ChunkReading
from hubwatch_detectors.contract import Site
from hubwatch_site import HubSite
from support import plant
from support.detectors_hub import HUB, at

Said = list[tuple[Sensor, ChunkReading | Event]]


@dataclass(frozen=True, slots=True)
class OwnStory:
    """What a detector is told instead of the hub of the other detectors."""

    sensors: tuple[Sensor, ...]
    tell: Callable[[int, float, bool], Said]
    """Of a seed, the second of the begin, and whether the attack is in it; shorter than two hours."""
    config: Mapping[str, Any] = field(default_factory=dict)
    site: Site = field(default_factory=Site)


GAUGE = Sensor("flow-1", SensorKind.PROCESS, "pier", channels=[Channel("flow", "m3/h", resolution=0.1)])


def _gauge(seed: int, start: float, attacked: bool) -> Said:
    """A flow with noise around two levels; once it says three times as much."""
    random = np.random.default_rng(seed)
    values = 20 + 5 * (np.arange(320) // 40 % 2) + random.normal(0, 0.5, 320)
    if attacked:
        values[250:252] = 75
    return [(GAUGE, ChunkReading(at(start + 5 * i), "flow", round(x, 1))) for i, x in enumerate(values.tolist())]


def _plant(seed: int, start: float, attacked: bool) -> Said:
    """A plant read every second; from the third minute its level is falsified for a minute."""
    begin = -(-at(start) // 5_000_000) * 5_000_000
    said: Said = []
    for row, values in enumerate(plant.plant(72, seed, falsified=(40, 52) if attacked else None).tolist()):
        for second in range(5):
            t = begin + (5 * row + second) * 1_000_000
            for name, value in zip(plant.SIGNALS, values, strict=True):
                sensor, _, channel = name.partition("/")
                said.append((plant.PUMP if sensor == "pump-1" else plant.TANK, ChunkReading(t, channel, value)))
    return said


METER = Sensor("meter-1", SensorKind.PROCESS, "pier", channels=[Channel("flow", "m3/h", period_us=1_000_000)])
ROOM = Sensor(
    "room-1",
    SensorKind.ENVIRONMENT,
    "office",
    channels=[Channel(name, "%", period_us=1_000_000) for name in ("humidity", "humidity.2")],
)
UPS = Sensor(
    "ups-1",
    SensorKind.POWER,
    "office",
    channels=[Channel("mains", "1", ChannelKind.STATE, 1_000_000), Channel("battery", "%", period_us=1_000_000)],
)
BARRIER = Sensor("barrier-1", SensorKind.ACCESS, "gate", channels=[Channel("position", "1", ChannelKind.STATE)])
LANE_PORTAL = Sensor(
    "rpm-9", SensorKind.RADIATION_PORTAL, "gate", channels=[Channel("occupied", "1", ChannelKind.STATE)]
)
LANE_SITE = HubSite.model_validate(
    {
        "hub": {"id": HUB, "name": "A hub", "mode": "sea", "time_zone": "UTC"},
        "lanes": [{"id": "lane-1", "steps": [{"sensor": "barrier-1"}, {"sensor": "rpm-9", "within_s": 20}]}],
    }
)


def _noise(seed: int, start: float, samples: int) -> NDArray[np.float64]:
    return np.round(np.random.default_rng([seed, int(start)]).normal(20, 1, samples), 1)


def _metered(values: NDArray[np.float64], start: float) -> Said:
    return [(METER, ChunkReading(at(start + i), "flow", x)) for i, x in enumerate(values.tolist())]


def _copied(seed: int, start: float, attacked: bool) -> Said:
    """A flow of which two minutes come a second time, five minutes later."""
    values = _noise(seed, start, 900)
    if attacked:
        values[500:640] = values[200:340]
    return _metered(values, start)


def _written(seed: int, start: float, attacked: bool) -> Said:
    """A flow whose noise is for three minutes that of a sine with another's decimals."""
    values = _noise(seed, start, 1300)
    if attacked:
        values[512:704] = np.round(20 + np.sin(np.arange(192) / 9), 3)
    return _metered(values, start)


def _beyond(seed: int, start: float, attacked: bool) -> Said:
    """A humidity that says 900 % for ten seconds, and another that is left out for two minutes."""
    said: Said = []
    for i, x in enumerate(np.round(_noise(seed, start, 500) + 30, 1).tolist()):
        said.append((ROOM, ChunkReading(at(start + i), "humidity", 900.0 if attacked and 200 <= i < 210 else x)))
        if not (attacked and 250 <= i < 370):
            said.append((ROOM, ChunkReading(at(start + i), "humidity.2", x)))
    return said


def _outage(_seed: int, start: float, attacked: bool) -> Said:
    """Mains that are gone for five minutes, in which the battery runs down."""
    said: Said = []
    for i in range(600):
        off = attacked and 150 <= i < 450
        charge = 100.0 - 0.3 * (i - 150) if off else 100.0
        said += [(UPS, ChunkReading(at(start + i), "mains", 0.0 if off else 1.0))]
        said += [(UPS, ChunkReading(at(start + i), "battery", charge))]
    return said


def _lane(_seed: int, start: float, attacked: bool) -> Said:
    """Five lorries at a barrier, each of which comes to the portal 10 s later; one never does."""
    said: Said = []
    for i in range(360):
        opened, there = float(i % 60 in {20, 21, 22}), float(i % 60 in {30, 31, 32, 33})
        said.append((BARRIER, ChunkReading(at(start + i), "position", opened)))
        said.append(
            (LANE_PORTAL, ChunkReading(at(start + i), "occupied", 0.0 if attacked and 180 <= i < 240 else there))
        )
    return said


OWN: dict[str, OwnStory] = {
    "replayed": OwnStory((METER,), _copied, {"min_tokens": 50, "reach_h": 0.1}),
    "spoofed": OwnStory((METER,), _written, {"block_samples": 32, "min_blocks": 8, "deviations": 12}),
    "bounds": OwnStory((ROOM,), _beyond),
    "power": OwnStory((UPS,), _outage),
    "expected": OwnStory((BARRIER, LANE_PORTAL), _lane, site=Site(hubs={HUB: LANE_SITE})),
    "series": OwnStory((GAUGE,), _gauge, {"step_s": 5, "calm_samples": 20}),
    "process": OwnStory(
        (plant.PUMP, plant.TANK),
        _plant,
        {"plants": [{"hub": HUB, "model_file": plant.model_file()}], "grace_s": 0.5},
    ),
}
