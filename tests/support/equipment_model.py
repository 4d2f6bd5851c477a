"""Air, lanes, supplies and gauges as their detectors see them: normal life, and what goes wrong in it.

Models, all our choice: a gas sensor in clean air shows 0.5 ppm with noise and a daily swing, in tenths; vehicles follow
each other at random, 8 s apart at least, and need about 20 s from one step of a lane to the next; mains have 231 V with
load and weather in them, and a dip now and then; a battery runs down evenly. Seeded by the caller's generator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hubwatch_core.wire import Event, Sensor
from hubwatch_detectors.chunk import Chunk, Column
from hubwatch_detectors.contract import Site
from hubwatch_site import HubSite
from support.detectors_hub import AGENT, BEGIN, HUB

Numbers = NDArray[np.float64]

GAS_PPM, GAS_SIGMA_PPM, GAS_SWING_PPM, GAS_STEP_PPM = 0.5, 0.15, 0.1, 0.1
DAY_S = 86_400
HEADWAY_S = 8.0
TRAVEL_S, TRAVEL_SPREAD = 20.0, 0.25
"""Median seconds between two steps of a lane, and the deviation of their logarithm."""
VOLTS, VOLTS_NOISE, VOLTS_SWING = 231.0, 1.5, 2.0


class Vehicle(NamedTuple):
    """One vehicle: when it passes the first step, and when the second; None for one that never does."""

    first: float
    second: float | None


def clean_air(random: np.random.Generator, first: int, seconds: int, rise_per_s: float = 0.0) -> Numbers:
    """Return what a gas sensor shows each second; with a rise from the first of them."""
    t = np.arange(first, first + seconds)
    level = GAS_PPM + GAS_SWING_PPM * np.sin(2 * np.pi * t / DAY_S) + rise_per_s * np.arange(seconds)
    return _in_steps(level + random.normal(0, GAS_SIGMA_PPM, seconds), GAS_STEP_PPM)


def vehicles(random: np.random.Generator, count: int, per_h: float, missing: float) -> list[Vehicle]:
    """Return vehicles of which a share never comes to the second step. They do not overtake."""
    gaps = HEADWAY_S + random.exponential(max(3600 / per_h - HEADWAY_S, 1.0), count)
    found, last = list[Vehicle](), 0.0
    for first in (100 + np.cumsum(gaps)).tolist():
        travel = TRAVEL_S * np.exp(TRAVEL_SPREAD * random.normal())
        if random.random() < missing:
            found.append(Vehicle(first, None))
        else:
            last = max(first + float(travel), last + HEADWAY_S)
            found.append(Vehicle(first, last))
    return found


def mains(random: np.random.Generator, samples: int, period_s: float, dips_per_day: float = 1.0) -> Numbers:
    """Return a voltage; a dip lasts up to three seconds, so that a slow reader sees one sample of it at most."""
    t = np.arange(samples) * period_s
    volts = VOLTS + VOLTS_SWING * np.sin(2 * np.pi * t / DAY_S) + random.normal(0, VOLTS_NOISE, samples)
    seen = random.random(samples) < dips_per_day * min(period_s, 1.5) / DAY_S
    return _in_steps(np.where(seen, volts * random.uniform(0.4, 0.9, samples), volts), 0.1)


def read(random: np.random.Generator, first_s: float, seconds: float, period_s: float, lost: float = 0.0) -> Numbers:
    """Return the seconds at which something is read that is to be read every `period_s`, some of them lost."""
    times: Numbers = np.arange(first_s, first_s + seconds, period_s)
    return times[random.random(len(times)) >= lost]


def told(sensor: Sensor, columns: Mapping[str, tuple[Numbers, Numbers]], events: Sequence[Event] = ()) -> Chunk:
    """Return what a sensor says: values by channel, with their seconds."""
    made = [
        Column(name, (BEGIN + np.round(t * 1e6).astype(np.int64)).tolist(), x.tolist())
        for name, (t, x) in columns.items()
        if len(t)
    ]
    return Chunk.of_columns(HUB, AGENT, sensor, made, events)


def state(sensor: Sensor, channel: str, t: float, *, on: bool) -> Chunk:
    """Return one reading of a state."""
    return told(sensor, {channel: (np.array([t]), np.array([float(on)]))})


def lane(*steps: str, within_s: float = 60.0, share: float = 1.0) -> Site:
    """Return a site with a lane; each step after the first comes within the time, the last for a share of vehicles."""
    later = [{"sensor": name, "within_s": within_s} for name in steps[1:]]
    later[-1] |= {"share": share}
    place = {
        "hub": {"id": HUB, "name": "Gate", "mode": "land", "time_zone": "UTC"},
        "lanes": [{"id": "lane-1", "steps": [{"sensor": steps[0]}, *later]}],
    }
    return Site(hubs={HUB: HubSite.model_validate(place)})


def _in_steps(x: Numbers, step: float) -> Numbers:
    rounded: Numbers = np.round(np.round(x / step) * step, 6)
    return rounded
