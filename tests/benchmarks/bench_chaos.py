"""Everything dies at random, and nothing may be lost, doubled or left unexplained.

Two agents, a Mosquitto, a group of two collectors, detectors and a PostgreSQL run as processes; with every seed they
are killed with SIGKILL, their links cut, stalled and cut in storms, a spool's disk filled. An independent checker
compares the devices' own journals with the database. One run in five adds a database outage that outlasts what
collectors hold in memory. HUBWATCH_BENCH_CHAOS_SEEDS sets which seeds: `1-20` unless told.
"""

from __future__ import annotations

import dataclasses
import os

from benchmarks.result import Progress, Result, at_least, at_most
from support.chaos_run import chaos

SEEDS = "1-20"
SECONDS = 8.0
OUTAGE_EVERY = 5
OUTAGE_S = 20.0


async def run(progress: Progress) -> Result:
    """Run every seed and add up."""
    seeds = _seeds(os.environ.get("HUBWATCH_BENCH_CHAOS_SEEDS", SEEDS))
    totals = {"promised": 0, "evicted": 0, "lost": 0, "doubled": 0, "unexplained": 0}
    clean = 0
    for seed in seeds:
        outage = OUTAGE_S if seed % OUTAGE_EVERY == 0 else 0.0
        verdict = await chaos(seed, SECONDS, outage)
        progress(f"seed {seed}: {verdict}")
        clean += verdict.clean
        for key, value in dataclasses.asdict(verdict).items():
            if key in totals:
                totals[key] += value
    figures = {"seeds": len(seeds), "clean": clean, **totals}
    targets = {
        "seeds": at_least(20),
        "clean": at_least(len(seeds)),
        "lost": at_most(0),
        "doubled": at_most(0),
        "unexplained": at_most(0),
    }
    return Result(figures, targets)


def _seeds(text: str) -> range:
    """Read `first-last`."""
    first, last = (int(each) for each in text.split("-"))
    return range(first, last + 1)
