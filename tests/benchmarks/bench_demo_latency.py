"""End-to-end latency on the demo's hub: from the change of a register to the stored row, and to the open alarm.

All of the demo's processes run as in the demo; instead of its story, a drill: fence contacts close one after the other,
so that there are enough alarms for a percentile. `poll_*` is the part that is waiting for the next poll; the rest is
ours. The bounds are product.md's "well under a second".
"""

from __future__ import annotations

import asyncio

from benchmarks.result import Progress, Result, at_least, at_most
from hubwatch_ops.demo.plant import FENCE_LINES, Plant
from hubwatch_ops.demo.run import run as run_demo
from hubwatch_ops.demo.script import ScriptStep

SECONDS = 60.0
CLOSED_S = 0.35
"""Long enough for three polls, short enough for many contacts."""
STEP_S = 0.531
"""No multiple of the poll period, so that contacts close at every phase of it."""


async def drill(plant: Plant) -> None:
    """Close the contacts of all sections in turn, until shortly before the end."""
    for number in range(int((SECONDS - 6) / STEP_S)):
        line = number % len(FENCE_LINES)
        plant.fence.set(line, True)
        await asyncio.sleep(CLOSED_S)
        plant.fence.set(line, False)
        await asyncio.sleep(STEP_S - CLOSED_S)


async def run(progress: Progress) -> Result:
    """Run the drill once and take the latencies from the report."""
    progress(f"{SECONDS:.0f} s of contacts closing")
    report = await run_demo(SECONDS, headless=True, steps=(ScriptStep(1.0, "fence drill", drill),))
    figures = {
        "stored_p50_ms": report.latency_ms.p50,
        "stored_p99_ms": report.latency_ms.p99,
        "poll_p50_ms": report.poll_wait_ms.p50,
        "poll_p99_ms": report.poll_wait_ms.p99,
        "alarm_p50_ms": report.alarm_latency_ms.p50,
        "alarm_p99_ms": report.alarm_latency_ms.p99,
        "alarms_measured": float(report.alarms_measured),
        "lost": float(report.lost),
        "duplicated": float(report.duplicated),
    }
    targets = {
        "stored_p99_ms": at_most(1000),
        "alarm_p99_ms": at_most(1000),
        "alarms_measured": at_least(50),
        "lost": at_most(0),
        "duplicated": at_most(0),
    }
    return Result(figures, targets)
