"""Servers of a NATS cluster die at any time, and nothing may be lost, doubled or left unexplained.

Three servers, two collectors and two agents run as processes. With every seed servers are killed with SIGKILL, the one
that leads the stream first of all, without waiting until the others have caught up, and two at once at times; so are
collectors and agents; and the stream is trimmed all the time. The agents of every other seed forget a frame as soon as
a server has confirmed it (`spool.confirm_s = 0`): then the cluster alone answers for it.
"""

from __future__ import annotations

import os

from benchmarks.result import Progress, Result, at_least, at_most
from support.nats_chaos import running_cluster_scene

SEEDS = range(1, 21)
SECONDS = 12.0
CONFIRM_S = 2.0


async def run(progress: Progress) -> Result:
    """Run every seed against one cluster."""
    clean, promised = 0, 0
    async with running_cluster_scene() as scene:
        for seed in SEEDS:
            confirm_s = 0.0 if seed % 2 else CONFIRM_S
            verdict = await scene.torment(seed, SECONDS, confirm_s)
            clean += verdict.clean
            progress(
                f"seed {seed}, confirm_s {confirm_s:g}: {verdict.promised - promised} readings promised, in all lost "
                f"{verdict.lost}, doubled {verdict.doubled}, unexplained {verdict.unexplained}; "
                f"load {os.getloadavg()[0]:.1f} {verdict.detail}"
            )
            promised = verdict.promised
        kills = {f"{what}_kills": count for what, count in scene.kills.items()}
        trims = scene.trims
    figures = {
        "seeds": len(SEEDS),
        "clean": clean,
        "promised": promised,
        "lost": verdict.lost,
        "doubled": verdict.doubled,
        "unexplained": verdict.unexplained,
        "trims": trims,
        **kills,
    }
    targets = {
        "seeds": at_least(20),
        "clean": at_least(len(SEEDS)),
        "lost": at_most(0),
        "doubled": at_most(0),
        "unexplained": at_most(0),
    }
    return Result(figures, targets)
