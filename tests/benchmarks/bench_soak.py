"""Agents at work while every link breaks in every way: what is lost, doubled, taken wrongly or left undeclared.

Two agents read counting devices over Modbus TCP, RTU over TCP and MQTT. Proxies cut, refuse, stall, half-close, delay
and corrupt the links to the devices, and all but corrupt those to the broker (which TCP and TLS do not let happen). One
agent is killed with SIGKILL at random moments and has its spool on a small disk that is filled for a while (root). The
other one's memory is watched. HUBWATCH_BENCH_SOAK_S sets how long (600 s), HUBWATCH_BENCH_SOAK_SEED the seed.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import random
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.result import Progress, Result, at_most
from support.soak_run import slope_mib_h, soak_for

SECONDS = 600.0
SILENCE_S = 15.0
"""A stalled link to the broker is known by its keepalive of 5 s, two of them and some pauses between tries."""


async def run(progress: Progress) -> Result:
    """Run once."""
    seconds = float(os.environ.get("HUBWATCH_BENCH_SOAK_S", SECONDS))
    seed = int(os.environ.get("HUBWATCH_BENCH_SOAK_SEED", random.randrange(2**32)))
    progress(f"seed {seed}, {seconds:g} s")
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="hubwatch-soak-"))
    verdict, soak = await soak_for(folder, seed, seconds)
    befallen = Counter(mishap.what for mishap in soak.mishaps if mishap.what not in ("start", "stop"))
    progress(", ".join(f"{what} {count}" for what, count in befallen.most_common()))
    if verdict.detail:
        progress(f"{verdict.detail}; logs are in {folder}")
    figures = {key: float(value) for key, value in dataclasses.asdict(verdict).items() if key != "detail"}
    figures |= {
        "seed": float(seed),
        "mishaps": float(befallen.total()),
        "rss_mib": soak.rss[-1][1],
        "rss_slope_mib_h": slope_mib_h(soak.rss),
    }
    zeros = ("lost", "doubled", "corrupted_taken", "undeclared")
    targets = {key: at_most(0) for key in zeros}
    targets |= {"silence_device_s": at_most(SILENCE_S), "silence_uplink_s": at_most(SILENCE_S)}
    return Result(figures, targets)
