"""What can be done to the readings of a mixed hub of 29 sensors, and how often normal life is taken for it.

- `integrity_found`: of 145, five attacks on each of 29 sensors after ten days of life: frozen, copied (two days from
  two days before), silent, written by a generator, and with a wrong clock;
- `integrity_frozen_found` and alike: of 29 each; `integrity_frozen_found_3_days` and alike after fewer days of life;
- `frozen_false`: alarms in a million samples of a counting channel that lives; `frozen_delay_s`: median seconds until
  one that is read at 5 Hz and has 100 samples of history is called frozen;
- `integrity_false_per_1000_sensor_days`: of the detectors of frozen, copied and written readings in life without
  attacks, with the interval `_lower`, `_upper` (95 %, exact Poisson), and `integrity_sensor_days`, the days simulated.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.result import Progress
from support import mixed_hub
from support.detectors_rates import frozen_delay_s, frozen_false_alarms
from support.integrity_rates import SPECS, Rates, presence_found
from support.integrity_rates import measure as live
from support.intervals import poisson_interval

DAYS = 36
HISTORIES_DAYS = (3, 6)
SAMPLES = 1_000_000
SEED = 4
"""Not the one that the detectors were developed on."""
NAMES = {
    "integrity.value_frozen": "frozen",
    "integrity.replayed": "replayed",
    "integrity.sensor_silent": "silent",
    "integrity.spoofed": "spoofed",
    "integrity.clock": "clock",
}


async def measure(progress: Progress) -> dict[str, float]:
    """Return the figures."""
    hub = mixed_hub.hub()
    progress(f"{len(hub)} sensors silent, and with wrong clocks")
    parts = [presence_found(hub, kind) for kind in ("integrity.sensor_silent", "integrity.clock")]
    lives: list[Rates] = []
    for first in range(0, len(hub), 5):
        progress(f"{DAYS} days of sensors {first + 1} to {min(first + 5, len(hub))}, with attacks on the tenth")
        lives.append(live(hub[first : first + 5], days=DAYS, seed=SEED))
    figures = _found([*parts, *lives]) | _false(lives) | _counting()
    for learned in HISTORIES_DAYS:
        progress(f"attacks after {learned} days")
        found = live(hub, days=learned + 1, learned=learned, seed=SEED).found
        for kind in SPECS:
            figures[f"integrity_{NAMES[kind]}_found_{learned}_days"] = float(found[kind])
    return figures


def _counting() -> dict[str, float]:
    return {"frozen_false": float(frozen_false_alarms(SAMPLES, seed=3)), "frozen_delay_s": frozen_delay_s(100)}


def _found(parts: Sequence[Rates]) -> dict[str, float]:
    found = {kind: float(sum(each.found[kind] for each in parts)) for kind in NAMES}
    return {"integrity_found": sum(found.values())} | {
        f"integrity_{name}_found": found[kind] for kind, name in NAMES.items()
    }


def _false(lives: Sequence[Rates]) -> dict[str, float]:
    days, false = sum(each.days for each in lives), sum(len(each.false) for each in lives)
    low, high = poisson_interval(false)
    key = "integrity_false_per_1000_sensor_days"
    return {
        key: 1000 * false / days,
        f"{key}_lower": 1000 * low / days,
        f"{key}_upper": 1000 * high / days,
        "integrity_sensor_days": float(days),
    }
