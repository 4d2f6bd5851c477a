"""Everything dies at random, and nothing may be lost, doubled, left unexplained, unnoticed, untold or stuck.

Two agents, a Mosquitto, a group of two collectors, detectors, alarms, a receiver of webhooks and a TimescaleDB run as
processes; with every seed they are killed with SIGKILL, their links cut, stalled and cut in storms, a spool's disk
filled. One run in five adds a database outage that outlasts what collectors hold in memory. Then one fault is held for
40 s, by turns: links whose sessions get no answer any more, links that are deaf, a rotated password, a failover to a
standby, the hub's clock an hour off, a second process of the same name.

An independent checker compares the devices' own journals with the database and with what the receiver was told.
`unnoticed` counts faults during which the hub did not work and said ok for more than 30 s, `untold` the doors that were
forced and of which the receiver was not told, `stuck` what did not work 60 s after the fault ended.
HUBWATCH_BENCH_CHAOS_SEEDS sets which seeds: `1-20` unless told.
"""

from __future__ import annotations

import dataclasses
import os

from benchmarks.result import Progress, Result, at_least, at_most
from support.chaos_faults import FAULTS
from support.chaos_run import chaos

SEEDS = "1-20"
SECONDS = 8.0
OUTAGE_EVERY = 5
OUTAGE_S = 20.0


async def run(progress: Progress) -> Result:
    """Run every seed and add up."""
    seeds = _seeds(os.environ.get("HUBWATCH_BENCH_CHAOS_SEEDS", SEEDS))
    kinds = {"promised": 0, "evicted": 0, "lost": 0, "doubled": 0, "unexplained": 0}
    seen = {"unnoticed": 0, "untold": 0, "stuck": 0}
    clean = 0
    for seed in seeds:
        outage, fault = OUTAGE_S if seed % OUTAGE_EVERY == 0 else 0.0, FAULTS[seed % len(FAULTS)]
        outcome = await chaos(seed, SECONDS, outage, fault)
        progress(f"seed {seed}: {outcome}")
        clean += outcome.clean
        counts = {**dataclasses.asdict(outcome.verdict), **dataclasses.asdict(outcome)}
        kinds = {key: value + counts[key] for key, value in kinds.items()}
        seen = {key: value + counts[key] for key, value in seen.items()}
    none = {key: at_most(0) for key in ("lost", "doubled", "unexplained", *seen)}
    targets = {"seeds": at_least(20), "clean": at_least(len(seeds)), **none}
    return Result({"seeds": len(seeds), "clean": clean, **kinds, **seen}, targets)


def _seeds(text: str) -> range:
    """Read `first-last`."""
    first, last = (int(each) for each in text.split("-"))
    return range(first, last + 1)
