"""Servers of a NATS cluster die at any time, and nothing may be lost, doubled or left unexplained.

Three servers, two collectors and two agents run as processes. With every seed servers are killed with SIGKILL, the one
that leads the stream first of all, without waiting until the others have caught up, and two at once at times; so are
collectors, agents and the database; and the stream is trimmed all the time.

Agents keep a confirmed frame as long as they do by default (`spool.confirm_s`). HUBWATCH_BENCH_CONFIRM_S=0 has them
forget it at once: then the cluster alone answers for it, which it does not always (docs/decisions/0032).
HUBWATCH_BENCH_SEEDS=3 runs fewer seeds.
"""

from __future__ import annotations

import os

from benchmarks.result import Progress, Result, at_least, at_most
from hubwatch_agents.settings import SpoolSection
from support.nats_chaos import running_cluster_scene

SEEDS = range(1, int(os.environ.get("HUBWATCH_BENCH_SEEDS", "20")) + 1)
SECONDS = 12.0
CONFIRM_S = float(os.environ.get("HUBWATCH_BENCH_CONFIRM_S", SpoolSection.model_fields["confirm_s"].default))


async def run(progress: Progress) -> Result:
    """Run every seed against one cluster."""
    clean, promised = 0, 0
    async with running_cluster_scene() as scene:
        for seed in SEEDS:
            verdict = await scene.torment(seed, SECONDS, CONFIRM_S)
            clean += verdict.clean
            progress(
                f"seed {seed}: {verdict.promised - promised} readings promised, in all lost "
                f"{verdict.lost}, doubled {verdict.doubled}, unexplained {verdict.unexplained}; "
                f"load {os.getloadavg()[0]:.1f} {verdict.detail}"
            )
            promised = verdict.promised
        kills = {f"{what}_kills": count for what, count in scene.kills.items()}
        trims = scene.trims
    figures = {
        "seeds": len(SEEDS),
        "confirm_s": CONFIRM_S,
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
