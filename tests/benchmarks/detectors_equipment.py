"""Gas sensors, scanners and supplies: what is found of what goes wrong, how soon, and what is told in vain.

Keys that end in `_low` and `_high` are the 95 % interval of the key. The models are in `support/equipment_model.py`.

- `chemical_found_2`, `chemical_level_2` and alike: share of leaks that rise by so many ppm an hour which are found
  before the device's own first alarm at 5 ppm, and the mean rise (ppm) at which they are; `chemical_false_per_day`: of
  each concentration, in `chemical_days` of clean air;
- `screening_found_60`, `screening_false_60` and alike: share of 2 % of vehicles that pass a scanner by, told within
  three minutes, and what is told in vain for each 1 000 vehicles, at so many vehicles an hour;
  `screening_vehicles_20`: mean vehicles until it is told that none is scanned any more, where 20 % should be, and
  `screening_share_false`: of 20 000 vehicles, where all is well; `screening_quiet_scans`: scans until a blind scanner
  is told, which used to alarm in one of 50;
- `power_warning_15`, `power_low_15` and alike: mean minutes from `power.lost` and `power.low` to the first agent that
  falls silent, with a battery for so many minutes; `power_in_order`: share of outages told as lost, low, silent;
  `power_sag_15` and alike: share found of sags by so many per cent that last a minute; `power_false_per_1000_days`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from benchmarks.result import Progress
from hubwatch_core.wire import Channel, Detection, Sensor
from hubwatch_core.words import ChannelKind, SensorKind
from hubwatch_detectors.chemical.gas import SPEC as CHEMICAL
from hubwatch_detectors.contract import Detector, Site, Spec
from hubwatch_detectors.power.supply import SPEC as POWER
from hubwatch_detectors.registry import TABLE
from hubwatch_detectors.screening.scanner import SPEC as SCREENING
from support.detectors_engine import EngineBench, event, series
from support.detectors_hub import BEGIN, HUB
from support.equipment_model import DAY_S, VOLTS, Numbers, Vehicle, clean_air, lane, mains, state, told, vehicles
from support.intervals import poisson_interval, share_interval

GAS = Sensor(
    "gas-1",
    SensorKind.CHEMICAL,
    "store",
    channels=[Channel("concentration", "ppm", period_us=1_000_000, resolution=0.1)],
)
PORTAL = Sensor("rpm-1", SensorKind.RADIATION_PORTAL, "lane", channels=[Channel("occupied", "1", ChannelKind.STATE)])
XRAY = Sensor("xray-1", SensorKind.SCREENING, "lane", channels=[Channel("beam", "1", ChannelKind.STATE)])
UPS = Sensor(
    "ups-1",
    SensorKind.POWER,
    "office",
    channels=[
        Channel("mains", "1", ChannelKind.STATE, 10_000_000),
        Channel("battery", "%", period_us=10_000_000),
        Channel("voltage", "V", period_us=1_000_000),
    ],
)
DOOR = Sensor("door-1", SensorKind.ACCESS, "office", channels=[Channel("position", "1", ChannelKind.STATE, 10_000_000)])

LEAKS_PPM_H = (0.05, 0.1, 0.2, 0.5, 1, 5, 20, 60)
FIRST_ALARM_PPM = 5.0
LEAKS, LEAK_MOST_S = 40, 4 * 3600
LEARNED_S = 7200
CLEAN_DAYS = 40
PER_H = (10, 30, 60, 120)
VEHICLES, MISSING = 6000, 0.02
TOLD_WITHIN_S = 180.0
READY_S = 30.0
"""How often a scanner says that it is ready."""
SHARES = (10, 20, 30, 50)
SHARE_RUNS, SHARE_VEHICLES = 40, 20_000
QUIET_RUNS, SCANS_PER_ALARM = 20, 50
BATTERIES_MIN = (5, 15, 30, 60)
OUTAGES = 10
SAGS_PERCENT = (10, 13, 14, 15, 16, 17, 20, 30)
SAGS, SUPPLY_DAYS = 60, 200


async def measure(progress: Progress) -> dict[str, float]:
    """Return the figures."""
    random = np.random.default_rng(61)
    progress(f"gas: {LEAKS} leaks of each rate")
    figures = leaks(random)
    progress(f"gas: {CLEAN_DAYS} days of clean air")
    figures |= clean_days(random, CLEAN_DAYS)
    progress(f"screening: {VEHICLES} vehicles at each density of traffic")
    figures |= passed_by(random) | shares(random) | quiet(random)
    progress(f"supplies: {OUTAGES} outages with each battery, and sags")
    return figures | outages(random) | sags(random)


def leaks(random: np.random.Generator) -> dict[str, float]:
    """Return the share of leaks found before the first alarm of the device, and at what rise."""
    figures: dict[str, float] = {}
    learned = _built(CHEMICAL, Site())
    _fed_with_air(learned, clean_air(random, 0, LEARNED_S), 0)
    known = learned.state()
    for rate in LEAKS_PPM_H:
        seconds, levels = min(round(3600 * FIRST_ALARM_PPM / rate), LEAK_MOST_S), list[float]()
        for _ in range(LEAKS):
            detector = _built(CHEMICAL, Site())
            detector.restore(known)
            found = _fed_with_air(detector, clean_air(random, LEARNED_S, seconds, rate / 3600), LEARNED_S, first=True)
            levels += [rate / 3600 * ((each.detected - BEGIN) / 1e6 - LEARNED_S) for each in found[:1]]
        figures |= share(f"chemical_found_{rate}", len(levels), LEAKS)
        if levels:
            figures |= mean(f"chemical_level_{rate}", levels)
    return figures


def clean_days(random: np.random.Generator, days: int) -> dict[str, float]:
    """Return how often clean air is called a leak."""
    detector, alarms = _built(CHEMICAL, Site()), 0
    for day in range(days):
        alarms += len(_fed_with_air(detector, clean_air(random, day * DAY_S, DAY_S), day * DAY_S))
    return {"chemical_days": float(days)} | rate_of("chemical_false_per_day", alarms, days)


def passed_by(random: np.random.Generator) -> dict[str, float]:
    """Return what is told of vehicles that pass by a scanner that should scan all."""
    figures: dict[str, float] = {}
    for per_h in PER_H:
        passing = vehicles(random, VEHICLES, per_h, MISSING)
        detector = _built(SCREENING, lane("rpm-1", "xray-1"))
        at = [(each.detected - BEGIN) / 1e6 for each in _driven(detector, passing) if each.type == "screening.skipped"]
        missed = [each.first for each in passing if each.second is None]
        found = sum(any(0 < t - first <= TOLD_WITHIN_S for t in at) for first in missed)
        false = sum(not any(0 < t - first <= TOLD_WITHIN_S for first in missed) for t in at)
        figures |= share(f"screening_found_{per_h}", found, len(missed))
        figures |= rate_of(f"screening_false_{per_h}", false, VEHICLES / 1000)
    return figures


def shares(random: np.random.Generator) -> dict[str, float]:
    """Return after how many vehicles it is told that a scanner that takes a share takes none."""
    figures: dict[str, float] = {}
    for percent in SHARES:
        site, needed = lane("rpm-1", "xray-1", share=percent / 100), list[float]()
        for _ in range(SHARE_RUNS):
            detector, passing = _built(SCREENING, site), vehicles(random, 800, 60, 1 - percent / 100)
            _driven(detector, passing[:300])
            none = [Vehicle(each.first, None) for each in passing[300:]]
            told_at = next(iter(_skips(_driven(detector, none, first=True))))
            needed.append(float(sum(each.first <= told_at for each in none)))
        figures |= mean(f"screening_vehicles_{percent}", needed)
    passing = vehicles(random, SHARE_VEHICLES, 60, 0.8)
    false = len(_skips(_driven(_built(SCREENING, lane("rpm-1", "xray-1", share=0.2)), passing)))
    return figures | {"screening_share_false": float(false)}


def quiet(random: np.random.Generator) -> dict[str, float]:
    """Return after how many scans a scanner is told that no longer alarms."""
    needed, history = list[float](), 50 * SCANS_PER_ALARM
    for _ in range(QUIET_RUNS):
        detector, found, scan = _built(SCREENING, Site()), list[Detection](), 0
        while not found and scan < 4 * history:
            t = 900.0 * scan
            for chunk in (state(XRAY, "beam", t, on=True), state(XRAY, "beam", t + 5, on=False)):
                found += _degraded(detector.update(chunk))
            if scan < history and random.random() < 1 / SCANS_PER_ALARM:
                detector.update(told(XRAY, {}, [event("xray-1", t + 6, "screening.alarm")]))
            scan += 1
        needed.append(float(scan - history))
    return mean("screening_quiet_scans", needed)


def outages(random: np.random.Generator) -> dict[str, float]:
    """Return how long before the first silence an outage and a low battery are told."""
    figures, in_order = dict[str, float](), 0
    for minutes in BATTERIES_MIN:
        told_at = [_outage(random, minutes) for _ in range(OUTAGES)]
        in_order += sum(each["power.lost"] < each["power.low"] < each["integrity.agent_offline"] for each in told_at)
        for key, kind in (("warning", "power.lost"), ("low", "power.low")):
            gained = [(each["integrity.agent_offline"] - each[kind]) / 60 for each in told_at]
            figures |= mean(f"power_{key}_{minutes}", gained)
    return figures | share("power_in_order", in_order, OUTAGES * len(BATTERIES_MIN))


def _outage(random: np.random.Generator, minutes: int) -> dict[str, float]:
    """Return when each thing was told (s): the mains go, and what hangs on the battery stops when that is empty."""
    off = {spec.name: {"enabled": False} for spec in TABLE if spec.name not in {"presence", "power"}}
    bench = EngineBench(**off)
    bench.birth(inventory=(UPS,), agent="ups")
    bench.birth(inventory=(DOOR,), agent="gate")
    begin = 60 + random.uniform(0, 10)
    for second in range(0, 120 + 60 * minutes, 10):
        left = max(0.0, 100 * (1 - max(0.0, second - begin) / (60 * minutes)))
        lit = float(second < begin)
        charge = round(min(100.0, max(0.0, left + random.normal(0, 0.5))), 1)
        bench.send(second + 0.5, series("ups-1", "mains", second, lit), series("ups-1", "battery", second, charge),
                   agent="ups")  # fmt: skip
        if left > 0:
            bench.send(second + 3.5, series("door-1", "position", second + 3, 0.0), agent="gate")
        bench.tick(second + 9.0)
    return {each.type: (each.detected - BEGIN) / 1e6 for each in reversed(bench.found) if isinstance(each, Detection)}


def sags(random: np.random.Generator) -> dict[str, float]:
    """Return the share of sags found by their depth, and how often normal mains are told."""
    figures: dict[str, float] = {}
    for percent in SAGS_PERCENT:
        found = 0
        for _ in range(SAGS):
            volts = mains(random, 360, 1.0, dips_per_day=0)
            volts[300:] -= VOLTS * percent / 100
            found += len(_supplied(_built(POWER, Site(), "ups-1"), volts, 1.0))
        figures |= share(f"power_sag_{percent}", found, SAGS)
    volts, period_s = mains(random, SUPPLY_DAYS * DAY_S // 10, 10.0), 10.0
    false = len(_supplied(_built(POWER, Site(), "ups-1"), volts, period_s))
    return figures | rate_of("power_false_per_1000_days", false, SUPPLY_DAYS / 1000)


def share(key: str, found: int, of: int) -> dict[str, float]:
    """Return a share with its interval."""
    low, high = share_interval(found, of)
    return {key: found / of, f"{key}_low": low, f"{key}_high": high}


def rate_of(key: str, count: int, units: float) -> dict[str, float]:
    """Return a rate with its interval."""
    low, high = poisson_interval(count)
    return {key: count / units, f"{key}_low": low / units, f"{key}_high": high / units}


def mean(key: str, values: Sequence[float]) -> dict[str, float]:
    """Return a mean with its interval, by the normal law."""
    middle, half = float(np.mean(values)), 1.96 * float(np.std(values)) / len(values) ** 0.5
    return {key: middle, f"{key}_low": middle - half, f"{key}_high": middle + half}


def _built(spec: Spec[Any], site: Site, sensor: str = "") -> Detector[Any]:
    return spec.build(spec.config(), HUB, sensor, site, late=False)


def _fed_with_air(detector: Detector[Any], ppm: Numbers, begin: int, *, first: bool = False) -> list[Detection]:
    """Return what is found in values of each second; only what is found `first` where that is enough."""
    found: list[Detection] = []
    for i in range(0, len(ppm), 600):
        part = ppm[i : i + 600]
        chunk = told(GAS, {"concentration": (begin + np.arange(i, i + len(part), dtype=np.float64), part)})
        found += [each for each in detector.update(chunk) if isinstance(each, Detection)]
        if found and first:
            break
    return found


def _driven(detector: Detector[Any], passing: Sequence[Vehicle], *, first: bool = False) -> list[Detection]:
    """Return what is found as vehicles drive through a portal and, most of them, a scanner that is heard always."""
    steps = [(PORTAL, "occupied", each.first) for each in passing]
    steps += [(XRAY, "beam", each.second) for each in passing if each.second is not None]
    said = [(t + later, sensor, channel, on) for sensor, channel, t in steps for later, on in ((0, True), (3, False))]
    begin, end = min(t for _, _, t in steps), max(t for _, _, t in steps) + 2 * TOLD_WITHIN_S
    said += [(float(t), XRAY, "ready", True) for t in np.arange(begin, end, READY_S)]
    said.append((begin - 1, PORTAL, "occupied", False))
    found: list[Detection] = []
    for t, sensor, channel, on in sorted(said, key=lambda each: each[0]):
        found += [each for each in detector.update(state(sensor, channel, t, on=on)) if isinstance(each, Detection)]
        if first and _skips(found):
            break
    return found


def _skips(found: Iterable[Detection]) -> list[float]:
    return [(each.detected - BEGIN) / 1e6 for each in found if each.type == "screening.skipped"]


def _degraded(found: Iterable[Any]) -> list[Detection]:
    return [each for each in found if isinstance(each, Detection) and each.type == "screening.degraded"]


def _supplied(detector: Detector[Any], volts: Numbers, period_s: float) -> list[Detection]:
    found: list[Detection] = []
    for i in range(0, len(volts), 3600):
        part = volts[i : i + 3600]
        t = (period_s * np.arange(i, i + len(part))).astype(np.float64)
        chunk = told(UPS, {"voltage": (t, part)})
        found += [each for each in detector.update(chunk) if isinstance(each, Detection)]
    return found
