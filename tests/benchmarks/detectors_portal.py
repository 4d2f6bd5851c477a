"""What the portal detector finds in the models of the reference tables, measured through the detector itself.

- `portal_flat_d90_1e3`, `_1e4`, `portal_dip_d90_1e3`, `_1e4`: strength found in 90 % of vehicles, without and with a
  shadow of 5 to 25 %, at 1e-3 and 1e-4 false alarms an occupancy;
- `portal_flat_found_1e4_d5.2` and alike: the share found at each strength d, from which these follow, with its 95 %
  interval `_low`, `_high`;
- `portal_norm_pd_1pct`, `_01pct`: share of sources of low energy, d = 6, found with two windows in traffic of which 5 %
  has NORM, at 1 % and 0.1 %; `portal_norm_alarms_1pct`: alarms of that traffic without sources at 1 %;
- `neutron_m90`: counts of a pass that are found in 90 %, at 1e-4;
- `portal_delay_s`: median seconds from the closest approach of a source, d = 8, to the decision, which falls as the
  vehicle leaves; `portal_continuous_false_per_day`: gamma false alarms of a portal without occupancy signal;
- `portal_false_share_1e3`, `portal_false_upper_1e3`: gamma and neutron alarms a clean occupancy at the threshold for
  1e-3, and the upper bound (95 %); `portal_false_upper`: that bound at the default, 1e-4.

The background is always learned by the detector, from 20 s between vehicles.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from benchmarks.result import Progress
from support.detectors_rates import continuous_false_alarms, passages
from support.intervals import poisson_upper, share_interval
from support.portal_lane import Lane, Passed
from support.portal_model import Shadow, Traffic

VEHICLES = 500
CLEAN = 3_200
"""Of each of two kinds of traffic: with up to two alarms among them, 1e-3 is shown with 95 % confidence."""
NORM_TRAFFIC = 2_000
FLAT, DIP = (4.8, 5.2, 5.6, 6.0), (8.0, 9.0, 10.0, 11.0)
NEUTRONS = (17.0, 20.0, 23.0, 26.0)
SOURCE_D = 6.0
CONTINUOUS_DAYS = 1.0


async def measure(progress: Progress) -> dict[str, float]:
    """Measure everything; takes some minutes."""
    progress(f"{CLEAN} clean vehicles with and as many without a shadow")
    figures = clean(CLEAN)
    progress(f"{VEHICLES} sources of each strength, without and with a shadow")
    figures |= strengths(VEHICLES)
    progress(f"{CONTINUOUS_DAYS} days without occupancy signal")
    figures |= {
        "portal_delay_s": float(np.median(passages(VEHICLES, d=8, gamma_cps=2000, seed=22).gamma_delays_s)),
        "portal_continuous_false_per_day": continuous_false_alarms(CONTINUOUS_DAYS, seed=24) / CONTINUOUS_DAYS,
    }
    progress("traffic with NORM, two energy windows")
    return figures | norm(NORM_TRAFFIC, VEHICLES)


def clean(count: int, seed: int = 31) -> dict[str, float]:
    """Return the false alarms of `count` vehicles with and as many without a shadow."""
    passed = [
        Lane(traffic, seed + i, false_alarms_per_occupancy=1e-3).pass_by(count)
        for i, traffic in enumerate((Traffic(), Traffic(Shadow())))
    ]
    alarms = sum(_alarms(each, 1e-3) for each in passed)
    rare = sum(_alarms(each, 1e-4) for each in passed)
    return {
        "portal_false_share_1e3": alarms / (2 * count),
        "portal_false_upper_1e3": poisson_upper(alarms) / (2 * count),
        "portal_false_upper": poisson_upper(rare) / (2 * count),
    }


def strengths(count: int, seed: int = 41) -> dict[str, float]:
    """Return the strengths found in 90 % of `count` vehicles each."""
    flat = [_sources(Traffic(d=d, neutrons=m), count, seed) for d, m in zip(FLAT, NEUTRONS, strict=True)]
    dip = [_sources(Traffic(Shadow(), d=d), count, seed + 1) for d in DIP]
    gamma, neutron = "radiation.gamma", "radiation.neutron"
    return {
        "portal_flat_d90_1e3": ninety(FLAT, [_found(each, gamma, 1e-3) for each in flat]),
        "portal_flat_d90_1e4": ninety(FLAT, [_found(each, gamma, 1e-4) for each in flat]),
        "portal_dip_d90_1e3": ninety(DIP, [_found(each, gamma, 1e-3) for each in dip]),
        "portal_dip_d90_1e4": ninety(DIP, [_found(each, gamma, 1e-4) for each in dip]),
        "neutron_m90": ninety(NEUTRONS, [_found(each, neutron, 1e-4) for each in flat]),
        **_curve("portal_flat_found_1e4_d", FLAT, flat),
        **_curve("portal_dip_found_1e4_d", DIP, dip),
    }


def norm(traffic: int, sources: int, seed: int = 51) -> dict[str, float]:
    """Return what two windows find beside 5 % of NORM."""
    lane = Lane(Traffic(Shadow(), norm=0.05), seed, windows=True, false_alarms_per_occupancy=1e-2)
    usual = lane.pass_by(traffic)
    found = lane.pass_by(sources, Traffic(Shadow(), d=SOURCE_D))
    return {
        "portal_norm_pd_1pct": _found(found, "radiation.gamma", 1e-2),
        "portal_norm_pd_01pct": _found(found, "radiation.gamma", 1e-3),
        "portal_norm_alarms_1pct": _found(usual, "radiation.gamma", 1e-2),
        "portal_norm_named_share": float((usual.scores["radiation.norm"][usual.norm] > 0).mean()),
    }


def ninety(strength: Sequence[float], found: Sequence[float]) -> float:
    """Return the strength that is found in 90 %, by a straight line through the normal deviates."""
    normal = NormalDist()
    deviates = [normal.inv_cdf(min(max(each, 0.005), 0.995)) for each in found]
    slope, at_zero = np.polyfit(strength, deviates, 1)
    return float((normal.inv_cdf(0.9) - at_zero) / slope)


def _curve(key: str, strengths: Sequence[float], passed: Sequence[Passed]) -> dict[str, float]:
    """Return the share found of each strength at 1e-4, with its interval."""
    figures: dict[str, float] = {}
    for d, each in zip(strengths, passed, strict=True):
        found, many = _found(each, "radiation.gamma", 1e-4), len(each.norm)
        low, high = share_interval(round(found * many), many)
        figures |= {f"{key}{d}": found, f"{key}{d}_low": low, f"{key}{d}_high": high}
    return figures


def _sources(traffic: Traffic, count: int, seed: int) -> Passed:
    return Lane(traffic, seed, false_alarms_per_occupancy=1e-3).pass_by(count)


def _found(passed: Passed, kind: str, rate: float) -> float:
    """Return the share found at a rate of false alarms that is at most what the lane was set to."""
    return float((passed.scores[kind] >= NormalDist().inv_cdf(1 - rate) - 1e-3).mean())


def _alarms(passed: Passed, rate: float) -> int:
    many = len(passed.norm)
    return sum(round(_found(passed, kind, rate) * many) for kind in ("radiation.gamma", "radiation.neutron"))
