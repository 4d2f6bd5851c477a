"""The perimeter detector on a simulated line of three layers (`support/perimeter_model.py`).

- `perimeter_pd`: share of intruders who make a crossing, with its Clopper-Pearson interval `_low`, `_high`;
- `perimeter_pd_0.25` and alike, with `perimeter_nuisance_km_day_0.25`: the same with so many false crossings allowed a
  km and day, in fewer days, both with their intervals;
- `perimeter_alarms_per_intruder`: crossings of an intruder that is found, which should be one;
- `perimeter_nuisance_km_day`: crossings a km and day without an intruder, with its Poisson interval.
"""

from __future__ import annotations

import numpy as np

from benchmarks.result import Progress
from hubwatch_core.wire import Detection
from hubwatch_detectors.contract import Origin
from hubwatch_detectors.perimeter.crossing import Perimeter
from hubwatch_detectors.perimeter.perimeter_config import PerimeterConfig
from support.detectors_hub import BEGIN, HUB
from support.intervals import poisson_interval, share_interval
from support.perimeter_model import ZONE_M, ZONES, animals, chunks, intruder, nuisance, site, wind

DAYS, INTRUDER_DAYS, INTRUDERS_A_DAY = 1000, 400, 24
ALLOWED = (0.125, 0.25, 0.5, 1.0, 2.0)
CURVE_DAYS, CURVE_INTRUDER_DAYS = 250, 60
KM = ZONES * ZONE_M / 1000
AROUND_US = 120_000_000


async def measure(progress: Progress) -> dict[str, float]:
    """Return the figures of the perimeter."""
    progress(f"perimeter: {DAYS} days without an intruder")
    quiet = crossings(DAYS, [], seed=41)
    low, high = poisson_interval(len(quiet))
    figures = {
        "perimeter_nuisance_km_day": len(quiet) / DAYS / KM,
        "perimeter_nuisance_km_day_low": low / DAYS / KM,
        "perimeter_nuisance_km_day_high": high / DAYS / KM,
    }
    progress(f"perimeter: {INTRUDER_DAYS * INTRUDERS_A_DAY} intruders")
    figures |= found_intruders(INTRUDER_DAYS, seed=42)
    for allowed in ALLOWED:
        progress(f"perimeter: {allowed} false crossings allowed a km and day")
        quiet = crossings(CURVE_DAYS, [], seed=43, allowed=allowed)
        low, high = poisson_interval(len(quiet))
        key = f"perimeter_nuisance_km_day_{allowed}"
        figures |= {key: len(quiet) / CURVE_DAYS / KM}
        figures |= {f"{key}_low": low / CURVE_DAYS / KM, f"{key}_high": high / CURVE_DAYS / KM}
        found = found_intruders(CURVE_INTRUDER_DAYS, 44, allowed)
        figures |= {f"perimeter_pd_{allowed}{end}": found[f"perimeter_pd{end}"] for end in ("", "_low", "_high")}
    return figures


def found_intruders(days: int, seed: int, allowed: float | None = None) -> dict[str, float]:
    """Return the share of intruders found; one comes every hour."""
    many = days * INTRUDERS_A_DAY
    times = (np.arange(many) + 0.5) * 86_400 / INTRUDERS_A_DAY
    found = np.array([each.start for each in crossings(days, times.tolist(), seed, allowed)])
    starts = BEGIN + np.round(times * 1e6)
    alarms = [int(np.sum(np.abs(found - start) < AROUND_US)) for start in starts]
    hits = sum(count > 0 for count in alarms)
    low, high = share_interval(hits, many)
    return {
        "perimeter_pd": hits / many,
        "perimeter_pd_low": low,
        "perimeter_pd_high": high,
        "perimeter_alarms_per_intruder": sum(alarms) / max(hits, 1),
    }


def crossings(days: int, intruders: list[float], seed: int, allowed: float | None = None) -> list[Detection]:
    """Return the crossings of a line in so many days, with so many false ones `allowed` instead of the default."""
    random = np.random.default_rng(seed)
    winds = wind(random, days * 24)
    alarms = [*nuisance(random, winds), *animals(random, days)]
    for t in intruders:
        alarms += intruder(random, t)
    config = PerimeterConfig() if allowed is None else PerimeterConfig(false_crossings_per_km_day=allowed)
    detector = Perimeter(config, Origin("perimeter", 2, HUB), site())
    found = (each for chunk in chunks(alarms, winds, BEGIN) for each in detector.update(chunk))
    return [each for each in found if isinstance(each, Detection) and each.type == "perimeter.crossing"]
