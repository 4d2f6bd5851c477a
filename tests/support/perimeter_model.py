"""A simulated line of three layers: fence, microwave, and passive infrared behind it.

The figures of a layer, of animals and of wind are those that the reference simulation's tables imply
(docs/reference/detectors.md): an intruder is sensed with 0.92, 0.90 and 0.90; a zone of 50 m has 1.29, 0.66 and 1.25
nuisance alarms a day; animals set off one layer 1.4 times a km and day, two 0.84 times and the fence 0.38 times.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from hubwatch_core.wire import Channel, Event, Sensor
from hubwatch_core.words import SensorKind
from hubwatch_detectors.chunk import Chunk, ChunkReading
from hubwatch_detectors.contract import Neighbour, Site
from hubwatch_site import HubSite
from support.detectors_hub import AGENT, HUB

LAYERS = ("fence", "microwave", "pir")
ZONES, ZONE_M = 20, 50.0
APART_M = (8.5, 8.5)
SENSED = (0.92, 0.90, 0.90)
NUISANCE_PER_DAY = (1.29, 0.66, 1.25)
WIND_POWER = (2.0, 0.5, 0.5)
"""How nuisance grows with wind: by this power of it."""
MEAN_WIND = 5.0
GUSTS = 0.1
"""Share of the fence's nuisance alarms with which the next zone shakes too."""
LATE_S = 0.3
"""Standard deviation of the delay with which a sensor speaks."""
ANIMALS_PER_KM_DAY = {(0,): 0.1, (1,): 0.23, (2,): 0.23, (0, 1): 0.12, (0, 2): 0.06, (1, 2): 0.56, (0, 1, 2): 0.1}
DAY_S, HOUR_US = 86_400.0, 3_600_000_000

MAST = Sensor("mast-9", SensorKind.ENVIRONMENT, "quay", channels=[Channel("wind_speed", "m/s")])


class SensorAlarm(NamedTuple):
    """An alarm of a layer in a zone, seconds after the beginning."""

    t: float
    layer: int
    zone: int


def section(layer: int, zone: int) -> Sensor:
    """Return the entry of a section in the inventory."""
    name = f"{LAYERS[layer]}-{zone}"
    return Sensor(name, SensorKind.PERIMETER, f"zone-{zone}", channels=[])


SECTIONS = [[section(layer, zone) for zone in range(ZONES)] for layer in range(3)]


def site() -> Site:
    """Return the site: three lines of one zone, and which section stands behind which."""
    pairs = [
        Neighbour(HUB, f"{LAYERS[i]}-{zone}", f"{LAYERS[i + 1]}-{zone}", APART_M[i])
        for i in range(2)
        for zone in range(ZONES)
    ]
    place = {
        "hub": {"id": HUB, "name": "Quay", "mode": "sea", "time_zone": "UTC"},
        "zones": [{"id": "quay"}],
        "fences": [
            {
                "zone": "quay",
                "sections": [
                    {"sensor": f"{layer}-{zone}", "from_m": zone * ZONE_M, "to_m": (zone + 1) * ZONE_M}
                    for zone in range(ZONES)
                ],
            }
            for layer in LAYERS
        ],
    }
    return Site(tuple(pairs), {HUB: HubSite.model_validate(place)})


def wind(random: np.random.Generator, hours: int) -> np.ndarray:
    """Return a mean wind for each hour: Rayleigh, with a memory of some hours."""
    parts = random.normal(size=(2, hours))
    for part in parts:
        for i in range(1, hours):
            part[i] = 0.95 * part[i - 1] + np.sqrt(1 - 0.95**2) * part[i]
    return np.asarray(MEAN_WIND * np.sqrt(2 / np.pi) * np.hypot(*parts))


def nuisance(random: np.random.Generator, winds: np.ndarray) -> Iterator[SensorAlarm]:
    """Yield nuisance alarms of every section, more of them in wind; gusts shake several zones of the fence at once."""
    for layer in range(3):
        powers = (winds / MEAN_WIND) ** WIND_POWER[layer]
        alone = NUISANCE_PER_DAY[layer] / (1 + GUSTS * (layer == 0))
        rates = alone / 24 * powers / powers.mean()
        for hour, rate in enumerate(rates):
            for _ in range(random.poisson(rate * ZONES)):
                t, zone = (hour + random.random()) * 3600, int(random.integers(ZONES))
                yield SensorAlarm(t, layer, zone)
                if layer == 0 and random.random() < GUSTS:
                    yield SensorAlarm(t + random.normal(0, 0.5), 0, (zone + 1) % ZONES)


def animals(random: np.random.Generator, days: float) -> Iterator[SensorAlarm]:
    """Yield alarms of animals that cross the line, as often inwards as outwards."""
    for pattern, rate in ANIMALS_PER_KM_DAY.items():
        for _ in range(random.poisson(rate * days * ZONES * ZONE_M / 1000)):
            inwards = bool(random.random() < 0.5)
            speed = _speed(random, 0.95, 0.8, 0.1, 8.0)
            yield from _passage(random, random.uniform(0, days * DAY_S), speed, pattern, inwards=inwards)


def intruder(random: np.random.Generator, t: float) -> list[SensorAlarm]:
    """Return the alarms of a person who comes in at `t` at 0.3 to 3 m/s."""
    speed = _speed(random, 1.3, 0.6, 0.3, 3.0)
    pattern = tuple(layer for layer in range(3) if random.random() < SENSED[layer])
    return list(_passage(random, t, speed, pattern, inwards=True))


def _speed(random: np.random.Generator, middle: float, spread: float, slowest: float, fastest: float) -> float:
    """Return a speed of a lognormal law, cut off at both ends."""
    while not slowest <= (speed := float(random.lognormal(np.log(middle), spread))) <= fastest:
        pass
    return speed


def _passage(
    random: np.random.Generator, t: float, speed: float, pattern: tuple[int, ...], *, inwards: bool
) -> Iterator[SensorAlarm]:
    along, slope = random.uniform(0, ZONES * ZONE_M), np.tan(random.normal(0, 0.2))
    depth = (0.0, APART_M[0], APART_M[0] + APART_M[1])
    for layer in pattern:
        way = depth[layer] if inwards else depth[2] - depth[layer]
        zone = int(np.clip((along + slope * depth[layer]) // ZONE_M, 0, ZONES - 1))
        yield SensorAlarm(t + way * np.hypot(1, slope) / speed + random.normal(0, LATE_S), layer, zone)


def chunks(alarms: list[SensorAlarm], winds: np.ndarray, begin: int) -> Iterator[Chunk]:
    """Yield alarms in order of time, and the wind of every hour, as a detector is told of them."""
    told: list[tuple[float, SensorAlarm | float]] = [(alarm.t, alarm) for alarm in alarms if alarm.t > 0]
    told += [(hour * 3600.0, float(speed)) for hour, speed in enumerate(winds)]
    told.sort(key=lambda each: each[0])
    for t, what in told:
        at = begin + round(t * 1e6)
        if isinstance(what, float):
            yield Chunk(HUB, AGENT, MAST, (ChunkReading(at, "wind_speed", what),))
        else:
            entry = SECTIONS[what.layer][what.zone]
            event = Event(entry.sensor, at, "perimeter.alarm", None, {"layer": LAYERS[what.layer]})
            yield Chunk(HUB, AGENT, entry, (), (event,))
