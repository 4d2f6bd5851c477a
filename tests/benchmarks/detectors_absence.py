"""What does not come, or cannot be: how soon silence, gaps and missing steps are told, and how often in vain.

Keys that end in `_low` and `_high` are the 95 % interval of the key. The models are in `support/equipment_model.py`.

- `silent_delay_60` and alike: mean seconds from the last reading of a sensor that is read every 60 s until its silence
  is told; `silent_false_5`: of each 1 000 sensor-days of one read once a minute, with 5 % of its readings lost;
  `offline_delay`: seconds from the last frame of an agent that is cut off, until that is told;
- `gap_delay_60`, `gap_false_20`: the same of one channel, while others of its sensor are read; `range_delay_60`: from
  the first value that cannot be; `range_found_3`: share of stretches of so many such values which are told;
- `lane_found_30`, `lane_false_30` and alike: share of 2 % of vehicles that never come to the next step, told within
  three minutes, and what is told in vain for each 1 000 vehicles, at so many vehicles an hour;
- `grants_needed_5`, `grants_false`: mean unused grants until a door whose people leave 5 % of them unused is told to
  have a dead contact, and what is told in vain of 20 000 grants at such a door;
- `shadow_found_1000`, `shadow_false_1000` and alike: share of occupancies without a vehicle that are told, at so many
  gamma counts a second and after vehicles of which each keeps 5 to 25 % of the background away; and what is told in
  vain for each 1 000 vehicles; `shadow_among_2000` and alike: the share told where one occupancy in twenty is without
  a vehicle, so that some are missed and learned from;
- `queue_false`: told in vain for each 1 000 vehicles where all come, and stand in a queue before the step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.detectors_equipment import mean, rate_of, share
from benchmarks.result import Progress
from hubwatch_core.wire import Channel, Detection, Event, Sensor
from hubwatch_core.words import ChannelKind, SensorKind
from hubwatch_detectors.contract import Detector, Site, Spec
from hubwatch_detectors.integrity.bounds import SPEC as BOUNDS
from hubwatch_detectors.integrity.expected import MOST_SHADOWS
from hubwatch_detectors.integrity.expected import SPEC as EXPECTED
from hubwatch_detectors.integrity.presence import SPEC as PRESENCE
from hubwatch_detectors.integrity.presence import Presence, PresenceConfig
from support.detectors_hub import AGENT, BEGIN, HUB, at
from support.equipment_model import DAY_S, Vehicle, lane, read, state, told, vehicles

BARRIER = Sensor("barrier-1", SensorKind.ACCESS, "gate", channels=[Channel("position", "1", ChannelKind.STATE)])
EXIT = Sensor("exit-1", SensorKind.ACCESS, "gate", channels=[Channel("position", "1", ChannelKind.STATE)])
RPM = Sensor("rpm-1", SensorKind.RADIATION_PORTAL, "gate", channels=[
    Channel("gamma.1", "count", period_us=100_000, resolution=1), Channel("occupied", "1", ChannelKind.STATE, 100_000)
])  # fmt: skip

PERIODS_S = (0.2, 1, 10, 60, 600)
STOPPED = 40
LOST_PERCENT = (1, 2, 5, 10)
SENSORS, DAYS = 100, 10
GAP_LOST_PERCENT = (10, 20, 30, 40)
GAP_DAYS = 200
STRETCHES = (1, 2, 3, 4, 5)
PER_H = (10, 30, 60, 120)
VEHICLES, MISSING = 6000, 0.02
TOLD_WITHIN_S = 180.0
UNUSED_PERCENT = (1, 5, 10, 20)
DOORS, GRANTS = 40, 20_000
COUNTS_PER_S = (300, 1000, 2000, 4000, 8000)
PASSAGES, PASSAGE_S, BETWEEN_S = 400, 10.0, 20.0
AMONG, EMPTY_EVERY = 2000, 20
QUEUE_PER_H, QUEUE_SERVED_S, QUEUE_WITHIN_S = 45, 60.0, 900.0
SHADOW = (0.05, 0.25)


async def measure(progress: Progress) -> dict[str, float]:
    """Return the figures."""
    random = np.random.default_rng(62)
    progress(f"presence: {STOPPED} sensors of each period stop; {SENSORS * DAYS} sensor-days with readings lost")
    figures = silence(random) | lossy(random) | offline(random)
    progress("bounds: channels that are left out, and values that cannot be")
    figures |= gaps(random) | ranges(random)
    progress(f"expected: {VEHICLES} vehicles at each density of traffic, doors and portals")
    return figures | lanes(random) | grants(random) | shadows(random) | among(random) | queue(random)


def silence(random: np.random.Generator) -> dict[str, float]:
    """Return how long after its last reading a silent sensor is told."""
    figures: dict[str, float] = {}
    for period in PERIODS_S:
        frame_s = min(max(period, 1.0), 10.0)
        inventory = tuple(_sensor(f"s-{i}", period) for i in range(STOPPED))
        stops, phases = random.uniform(2, 4, STOPPED) * max(period, 10.0), random.uniform(0, 1, STOPPED) * period
        presence, found, delays = _presence(inventory), list[Detection](), list[float]()
        for now in np.arange(frame_s, 10 * max(period, 10.0) + 30, frame_s).tolist():
            newest = {}
            for entry, stop, phase in zip(inventory, stops, phases, strict=True):
                last = np.floor((min(now, stop) - phase) / period) * period + phase
                if last > 0 and last > now - frame_s:
                    newest[entry.sensor] = at(float(last))
            found += _heard(presence, inventory, newest, now)
        delays = [(each.detected - each.start) / 1e6 for each in found]
        figures |= mean(f"silent_delay_{period}", delays)
    return figures


def lossy(random: np.random.Generator) -> dict[str, float]:
    """Return how often a sensor is called silent of whose readings a share is lost, each by itself."""
    figures: dict[str, float] = {}
    inventory = tuple(_sensor(f"s-{i}", 60) for i in range(SENSORS))
    for percent in LOST_PERCENT:
        presence, told_in_vain = _presence(inventory), 0
        lost = random.random((DAYS * 1440, SENSORS)) < percent / 100
        for minute, row in enumerate(lost.tolist()):
            newest = {f"s-{i}": at(60.0 * minute + 1) for i, gone in enumerate(row) if not gone}
            told_in_vain += len(_heard(presence, inventory, newest, 60.0 * minute + 2))
        figures |= rate_of(f"silent_false_{percent}", told_in_vain, SENSORS * DAYS / 1000)
    return figures


def offline(random: np.random.Generator) -> dict[str, float]:
    """Return how long after its last frame an agent is told to be away, with a look at it every second."""
    delays = []
    for begin in random.uniform(0, 1, STOPPED).tolist():
        presence = _presence(())
        presence.heard(at(begin))
        found = (each for second in range(1, 60) for each in presence.check(at(second)))
        delays.append((next(found).detected - at(begin)) / 1e6)
    return mean("offline_delay", delays)


def gaps(random: np.random.Generator) -> dict[str, float]:
    """Return how soon a channel that is left out is told, and how often one is of which readings are lost."""
    figures: dict[str, float] = {}
    for period in PERIODS_S:
        delays = []
        for _ in range(STOPPED // 4):
            stop = 20 * period + random.uniform(0, 60)
            whole = read(random, 0, stop + 20 * max(period, 10.0), period)
            part = whole[whole < stop]
            (found,) = _bounds(_sensor("s-1", period, 2), part, whole)
            delays.append((found.detected - at(float(part[-1]))) / 1e6)
        figures |= mean(f"gap_delay_{period}", delays)
    for percent in GAP_LOST_PERCENT:
        whole = read(random, 0, GAP_DAYS * DAY_S, 60)
        part = whole[random.random(len(whole)) >= percent / 100]
        found_in_vain = len(_bounds(_sensor("s-1", 60, 2), part, whole))
        figures |= rate_of(f"gap_false_{percent}", found_in_vain, GAP_DAYS / 1000)
    return figures


def ranges(random: np.random.Generator) -> dict[str, float]:
    """Return how soon values that cannot be are told, and how many in a row it takes."""
    figures: dict[str, float] = {}
    for period in PERIODS_S:
        found = _beyond(random, period, 50)
        figures[f"range_delay_{period}"] = (found[0].detected - found[0].start) / 1e6
    for length in STRETCHES:
        figures |= share(f"range_found_{length}", sum(len(_beyond(random, 1.0, length)) for _ in range(100)), 100)
    return figures


def lanes(random: np.random.Generator) -> dict[str, float]:
    """Return what is told of vehicles that never come to the next step of their lane."""
    figures: dict[str, float] = {}
    for per_h in PER_H:
        passing = vehicles(random, VEHICLES, per_h, MISSING)
        found = _passed(_built(EXPECTED, lane("barrier-1", "exit-1")), passing)
        missed = [each.first for each in passing if each.second is None]
        hits = sum(any(0 < t - first <= TOLD_WITHIN_S for t in found) for first in missed)
        false = sum(not any(0 < t - first <= TOLD_WITHIN_S for first in missed) for t in found)
        figures |= share(f"lane_found_{per_h}", hits, len(missed))
        figures |= rate_of(f"lane_false_{per_h}", false, VEHICLES / 1000)
    return figures


def queue(random: np.random.Generator) -> dict[str, float]:
    """Return what is told in vain of vehicles that all come, and stand in a queue before the step."""
    passing, free = list[Vehicle](), 0.0
    for each in vehicles(random, VEHICLES, QUEUE_PER_H, 0.0):
        assert each.second is not None
        passing.append(Vehicle(each.first, max(each.second, free)))
        free = max(each.second, free) + QUEUE_SERVED_S * float(np.exp(0.3 * random.normal()))
    detector = _built(EXPECTED, lane("barrier-1", "exit-1", within_s=QUEUE_WITHIN_S))
    return rate_of("queue_false", len(_passed(detector, passing)), VEHICLES / 1000)


def grants(random: np.random.Generator) -> dict[str, float]:
    """Return how many grants without an opening it takes, by the share that people leave unused anyway."""
    figures: dict[str, float] = {}
    for percent in UNUSED_PERCENT:
        needed = []
        for _ in range(DOORS):
            detector = _built(EXPECTED, Site())
            assert not _granted(detector, random.random(200) >= percent / 100, 0)
            needed.append(float(_granted(detector, np.zeros(100, dtype=bool), 200)[0]))
        figures |= mean(f"grants_needed_{percent}", needed)
    in_vain = _granted(_built(EXPECTED, Site()), random.random(GRANTS) >= 0.05, 0, first=False)
    return figures | {"grants_false": float(len(in_vain))}


def shadows(random: np.random.Generator) -> dict[str, float]:
    """Return the share of occupancies without a vehicle that are told, each after vehicles alone."""
    figures: dict[str, float] = {}
    for rate in COUNTS_PER_S:
        detector, false, hits = _built(EXPECTED, Site()), 0, 0
        for passage in range(PASSAGES):
            false += _passage(detector, random, passage, rate, float(random.uniform(*SHADOW)))
            if passage >= MOST_SHADOWS:
                twin = _built(EXPECTED, Site())
                twin.restore(detector.state())
                hits += _passage(twin, random, passage + 1, rate, 0.0)
        figures |= share(f"shadow_found_{rate}", hits, PASSAGES - MOST_SHADOWS)
        figures |= rate_of(f"shadow_false_{rate}", false, PASSAGES / 1000)
    return figures


def among(random: np.random.Generator) -> dict[str, float]:
    """Return the share of occupancies without a vehicle that are told among vehicles, by a portal that goes on."""
    figures: dict[str, float] = {}
    for rate in COUNTS_PER_S:
        detector, hits, empties = _built(EXPECTED, Site()), 0, 0
        for passage in range(AMONG):
            empty = passage >= MOST_SHADOWS and passage % EMPTY_EVERY == 0
            depth = 0.0 if empty else float(random.uniform(*SHADOW))
            hits += _passage(detector, random, passage, rate, depth) and empty
            empties += empty
        figures |= share(f"shadow_among_{rate}", hits, empties)
    return figures


def _passed(detector: Detector[Any], passing: list[Vehicle]) -> list[float]:
    """Let vehicles pass a lane of two steps; return when something is told."""
    steps = [(BARRIER, each.first) for each in passing]
    steps += [(EXIT, each.second) for each in passing if each.second is not None]
    said = [(BARRIER, 0.0, False), (EXIT, 0.0, False)]
    said += [(sensor, t + later, on) for sensor, t in steps for later, on in ((0, True), (3, False))]
    found: list[float] = []
    for sensor, t, on in sorted(said, key=lambda each: each[1]):
        told_now = [*detector.advance(at(t) - 1), *detector.update(state(sensor, "position", t, on=on))]
        found += [_seconds(each) for each in told_now if isinstance(each, Detection)]
    return found


def _passage(detector: Detector[Any], random: np.random.Generator, passage: int, rate: float, shadow: float) -> bool:
    """Let one vehicle pass, or nothing but the signal of one; return whether its shadow is missed."""
    t = passage * (PASSAGE_S + BETWEEN_S) + np.arange(0, PASSAGE_S + BETWEEN_S, 0.1)
    inside = t >= t[0] + BETWEEN_S - 0.05
    counts = random.poisson(rate / 10 * np.where(inside, 1 - shadow, 1.0)).astype(float)
    found = detector.update(told(RPM, {"gamma.1": (t, counts), "occupied": (t, inside.astype(float))}))
    found += detector.update(state(RPM, "occupied", float(t[-1]) + 0.05, on=False))
    return any(isinstance(each, Detection) and each.subject == "shadow" for each in found)


def _granted(detector: Detector[Any], used: Any, begin: int, *, first: bool = True) -> list[int]:
    """Return at which of the grants, that come every five minutes, something is told."""
    found: list[int] = []
    for i, opened in enumerate(used.tolist()):
        t = 300.0 * (begin + i) + 1
        told_now = detector.update(told(BARRIER, {}, [Event("barrier-1", at(t), "access.granted")]))
        if opened:
            told_now += detector.update(told(BARRIER, {}, [Event("barrier-1", at(t + 4), "door.opened")]))
        told_now += detector.advance(at(t + 100))
        found += [i + 1] * len(told_now)
        if found and first:
            break
    return found


def _beyond(random: np.random.Generator, period_s: float, length: int) -> list[Detection]:
    """Return what is found of a humidity that cannot be for so many readings."""
    t = read(random, 0, 200 * period_s, period_s)
    x = np.round(random.normal(50, 2, len(t)), 1)
    x[100 : 100 + length] = 900.0
    detector = _built(BOUNDS, Site(), "s-1")
    found = detector.update(told(_sensor("s-1", period_s), {"c-0": (t, x)}))
    return [each for each in found if isinstance(each, Detection)]


def _bounds(sensor: Sensor, part: Any, whole: Any) -> list[Detection]:
    """Return what is found of a sensor with one channel that is read in part, and one that always is."""
    detector, found = _built(BOUNDS, Site(), "s-1"), list[Detection]()
    for begin in np.arange(0, whole[-1] + 1, 3600):
        mine, other = (each[(each >= begin) & (each < begin + 3600)] for each in (part, whole))
        columns = {"c-0": (mine, np.full(len(mine), 50.0)), "c-1": (other, np.full(len(other), 50.0))}
        found += [each for each in detector.update(told(sensor, columns)) if isinstance(each, Detection)]
    return found


def _sensor(name: str, period_s: float, channels: int = 1) -> Sensor:
    made = [Channel(f"c-{i}", "%", period_us=round(period_s * 1e6)) for i in range(channels)]
    return Sensor(name, SensorKind.ENVIRONMENT, "quay", channels=made)


def _presence(inventory: tuple[Sensor, ...]) -> Presence:
    made = PRESENCE.build_for_agent(PresenceConfig(), HUB, AGENT)
    assert isinstance(made, Presence)
    made.listed(inventory, at(0))
    return made


def _heard(presence: Presence, inventory: tuple[Sensor, ...], newest: dict[str, int], now: float) -> list[Detection]:
    """Return what is found by a frame that comes at once."""
    presence.heard(at(now))
    return [each for each in presence.observed(inventory, newest, at(now)) if isinstance(each, Detection)]


def _seconds(found: Detection) -> float:
    return (found.detected - BEGIN) / 1e6


def _built(spec: Spec[Any], site: Site, sensor: str = "") -> Detector[Any]:
    return spec.build(spec.config(), HUB, sensor, site, late=False)
