"""What the detectors find and how often they cry wolf, by simulation with fixed seeds.

- `gamma_false_upper`, `neutron_false_upper`: upper bound (95 %) of false alarms a clean occupancy of 10 s;
- `gamma_found_d6`, `_d8`: share of sources of strength d found at 2000 counts/s; `gamma_delay_s`: median from
  the closest approach to the decision, which falls as the vehicle leaves; `gamma_found_d16_shadow`: with 5–25 % of the
  background shielded;
- `continuous_false_per_day`: gamma false alarms of a portal without occupancy signal;
- `frozen_false`: false alarms in a million living samples; `frozen_delay_s`: median delay after 100 samples of history.
"""

from __future__ import annotations

import math

import numpy as np

from benchmarks.result import Progress, Result, at_least, at_most
from support.detectors_rates import (
    continuous_false_alarms,
    frozen_delay_s,
    frozen_false_alarms,
    passages,
)

CLEAN = 3_100
SOURCES = 400
DAYS = 1.0


async def run(progress: Progress) -> Result:
    """Measure everything; takes some minutes."""
    progress(f"{CLEAN} clean occupancies at 500 counts/s")
    clean = passages(CLEAN, seed=21)
    figures = {
        "gamma_false_upper": upper_bound(clean.gamma, CLEAN),
        "neutron_false_upper": upper_bound(clean.neutron, CLEAN),
    }
    progress(f"{SOURCES} sources of each strength")
    for d in (6, 8):
        found = passages(SOURCES, d=d, gamma_cps=2000, seed=22)
        figures |= {f"gamma_found_d{d}": found.gamma_share(), "gamma_delay_s": float(np.median(found.gamma_delays_s))}
    figures["gamma_found_d16_shadow"] = passages(SOURCES, d=16, shadow=(0.05, 0.25), seed=23).gamma_share()
    progress(f"{DAYS} days without occupancy signal")
    figures["continuous_false_per_day"] = continuous_false_alarms(DAYS, seed=24) / DAYS
    progress("a million samples of a living channel")
    figures["frozen_false"] = float(frozen_false_alarms(1_000_000, seed=27))
    figures["frozen_delay_s"] = frozen_delay_s(history=100)
    targets = {
        "gamma_false_upper": at_most(1e-3),
        "neutron_false_upper": at_most(1e-3),
        "gamma_found_d8": at_least(0.9),
        "continuous_false_per_day": at_most(0),
        "frozen_false": at_most(0),
        "frozen_delay_s": at_most(10),
    }
    return Result(figures, targets)


def upper_bound(alarms: int, trials: int) -> float:
    """Return the upper 95 % bound of a rate from the alarms in some trials (Poisson; 3.0/n when there is none)."""
    low, high = 0.0, alarms + 10 * math.sqrt(alarms + 1) + 10
    for _ in range(60):
        middle = (low + high) / 2
        chance = sum(math.exp(-middle + n * math.log(middle) - math.lgamma(n + 1)) for n in range(alarms + 1))
        low, high = (middle, high) if chance > 0.05 else (low, middle)
    return high / trials
