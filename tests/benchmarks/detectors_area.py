"""Area monitors: how soon a rise is found, and how often background alone alarms.

The background is learned from a simulated day of 10 counts/s, read ten times a second or once; the rise begins some
minutes after. Delays are seconds from the rise to the data that decided:

- `area_delay_5_s` … `area_delay_100_s`: mean delay of a step of so many per cent; `…_se`: its standard error;
- `area_ramp_min`: mean minutes until a ramp of 10 % an hour is found;
- `area_false_weeks`, `area_false_alarms`: background simulated, and the alarms in it; `area_false_per_week`, and
  `…_low`, `…_high`: their rate with its 95 % interval, where one a week is allowed.
"""

from __future__ import annotations

import numpy as np

from benchmarks.result import Progress
from support.area_model import AreaBench, counts, delay_s, monitor, ramp, steps
from support.intervals import poisson_interval

CPS = 10.0
DAY_S, WEEK_S = 86_400, 604_800
RUNS = {5: 150, 10: 300, 20: 1500, 50: 1500, 100: 3000}
RAMPS = 40
WEEKS = 20
MAX_SECONDS = 6000


async def measure(progress: Progress) -> dict[str, float]:
    """Return the figures of the area monitors."""
    figures: dict[str, float] = {}
    progress("area monitors: a day of background, then steps and ramps")
    figures |= delays(RUNS, seed=31)
    progress(f"area monitors: {WEEKS} weeks of background")
    return figures | false_alarms(WEEKS, seed=33)


def delays(runs: dict[int, int], seed: int, period_s: float = 1.0) -> dict[str, float]:
    """Return the mean delays of steps by their per cent, and that of a ramp."""
    random = np.random.default_rng(seed)
    bench = AreaBench(monitor(period_s=period_s))
    bench.feed(counts(random, DAY_S, CPS, period_s))
    state, begun = bench.detector.state(), bench.t
    figures: dict[str, float] = {}
    for percent, many in runs.items():
        found = [_after_a_step(bench, state, begun, random, percent, period_s) for _ in range(many)]
        figures[f"area_delay_{percent}_s"] = float(np.mean(found))
        figures[f"area_delay_{percent}_s_se"] = float(np.std(found) / np.sqrt(many))
    bench = AreaBench()
    bench.feed(counts(random, DAY_S, CPS))
    state = bench.detector.state()
    minutes = []
    for _ in range(RAMPS):
        _reset(bench, state, begun)
        minutes.append(delay_s(bench, ramp(random, 0.10, CPS, 4 * 3600)) / 60)
    return figures | {"area_ramp_min": float(np.mean(minutes))}


def false_alarms(weeks: int, seed: int) -> dict[str, float]:
    """Return the rate of alarms in background alone, after a day in which it is learned."""
    random, bench = np.random.default_rng(seed), AreaBench()
    bench.feed(counts(random, DAY_S, CPS))
    alarms = sum(len(bench.feed(counts(random, DAY_S, CPS))) for _ in range(7 * weeks))
    low, high = poisson_interval(alarms)
    return {
        "area_false_weeks": float(weeks),
        "area_false_alarms": float(alarms),
        "area_false_per_week": alarms / weeks,
        "area_false_per_week_low": low / weeks,
        "area_false_per_week_high": high / weeks,
    }


def _after_a_step(
    bench: AreaBench, state: bytes, begun: int, random: np.random.Generator, percent: int, period_s: float
) -> float:
    while True:
        _reset(bench, state, begun)
        if not bench.feed(counts(random, 300, CPS, period_s)):
            return delay_s(bench, steps(random, 1 + percent / 100, CPS, period_s, MAX_SECONDS), period_s)


def _reset(bench: AreaBench, state: bytes, begun: int) -> None:
    bench.detector.restore(state)
    bench.t, bench.found = begun, []
