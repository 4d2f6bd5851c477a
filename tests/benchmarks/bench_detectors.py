"""What the detectors find, how often they are wrong, and what they cost: the table of `docs/reference/detectors.md`.

Each figure comes from a simulator under `tests/support/` and through the detector's own class, or from a public data
set in the folder that HUBWATCH_DATA names; without it the figures of plants and gauges are missing, and so their
targets are missed. The simulations run side by side, one a core; speed is measured alone, after them. With
HUBWATCH_BENCH_DOCS=1 the tables and plots of the page are written by the figures.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module

from benchmarks import detectors_page
from benchmarks.result import Progress, Result, at_least, at_most

SIMULATIONS = ("portal", "area", "access", "perimeter", "integrity", "equipment", "absence")
"""The longest first."""

TARGETS = {
    "portal_flat_d90_1e3": at_most(5.2),
    "portal_flat_d90_1e4": at_most(5.8),
    "portal_dip_d90_1e3": at_most(9.0),
    "portal_dip_d90_1e4": at_most(10.3),
    "portal_norm_pd_1pct": at_least(0.85),
    "portal_norm_pd_01pct": at_least(0.62),
    "portal_false_upper": at_most(1e-3),
    "portal_continuous_false_per_day": at_most(0),
    "neutron_m90": at_most(22.5),
    "area_delay_5_s": at_most(900),
    "area_delay_10_s": at_most(239),
    "area_delay_20_s": at_most(62),
    "area_delay_50_s": at_most(12.7),
    "area_delay_100_s": at_most(4.1),
    "area_ramp_min": at_most(35),
    "perimeter_pd": at_least(0.97),
    "perimeter_nuisance_km_day": at_most(0.5),
    "bruteforce_attempts": at_most(4),
    "clone_pd": at_least(0.75),
    "passback_pd": at_least(0.97),
    "integrity_found": at_least(145),
    "integrity_false_per_1000_sensor_days": at_most(1),
    "batadal04_s": at_least(0.80),
    "batadal04_tnr": at_least(0.95),
    "nab_aws": at_least(55),
    "readings_per_core_s": at_least(200_000),
    "river_ratio": at_least(20),
    "state_bytes_per_channel": at_most(20_000),
    "state_bytes_per_reading": at_most(60),
    "startup_10k_s": at_most(10),
}


async def run(progress: Progress) -> Result:
    """Measure everything; takes about 20 minutes of two cores."""
    figures: dict[str, float] = {}
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(os.cpu_count()) as workers:
        running = {loop.run_in_executor(workers, _simulate, name): name for name in SIMULATIONS}
        progress(f"simulations, one a core: {', '.join(SIMULATIONS)}")
        while running:
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                figures |= each.result()
                progress(f"{running.pop(each)} is done")
    if os.environ.get("HUBWATCH_DATA"):
        figures |= await _part("process", progress)
    else:
        progress("HUBWATCH_DATA names no folder of data sets: plants and gauges are not measured")
    figures |= await _part("speed", progress)
    if os.environ.get("HUBWATCH_BENCH_DOCS"):
        detectors_page.write(figures)
    return Result(figures, TARGETS)


def _simulate(name: str) -> dict[str, float]:
    """Measure one part in a process of its own."""
    return asyncio.run(_part(name, lambda _: None))


async def _part(name: str, progress: Progress) -> dict[str, float]:
    figures: dict[str, float] = await import_module(f"benchmarks.detectors_{name}").measure(progress)
    return figures
