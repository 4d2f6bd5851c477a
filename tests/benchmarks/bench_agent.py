"""The agent: reading against a bare pymodbus loop, a dead device on a line, the spool, a draining backlog, memory.

How each figure is measured stands at its function. HUBWATCH_BENCH_AGENT_WATCH_S sets how long memory is watched.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

import structlog

from benchmarks import agent_hostile, agent_keeping, agent_memory, agent_reading
from benchmarks.result import Progress, Result, at_least, at_most

TARGETS = {
    "read_ratio": at_least(0.7),
    "dead_device_p99_growth": at_most(0.05),
    "spool_readings_per_s": at_least(50_000),
    "backlog_latency_growth": at_most(0.10),
    "rss_mib": at_most(80),
    "rss_slope_mib_h": at_most(1),
    "healthy_readings_beside_faults": at_least(1.0),
    "worst_input_cpu_s": at_most(0.25),
}


async def run(progress: Progress) -> Result:
    """Measure everything."""
    with (
        tempfile.TemporaryDirectory(prefix="hubwatch-bench-") as name,
        structlog.testing.capture_logs(),
    ):
        folder = Path(name)
        progress("reading 50 devices, bare and by the agent in turns")
        bare, four, ten = await agent_reading.read_rates(folder)
        progress("one line of 30 devices, all alive and with one dead")
        alive, dead = await agent_reading.dead_device_growth(folder)
        progress("the spool")
        kept = agent_keeping.spool_rate(folder / "spool-rate")
        progress("live frames beside a backlog")
        idle, busy, drained = await agent_keeping.backlog_growth(folder, progress)
        share, hostile = await agent_hostile.healthy_readings(folder / "hostile", progress)
        progress("the costliest inputs")
        worst_s, worst = agent_hostile.worst_input_cpu_s(folder / "inputs")
        progress(f"costliest input: {worst}")
        progress("50 devices for their memory")
        rss, slope = await agent_memory.memory(folder, progress)
    figures = {
        "read_ratio": agent_reading.ratio(four, bare),
        "read_ratio_10": agent_reading.ratio(ten, bare),
        "reads_bare_per_s": statistics.median(bare),
        "reads_agent_per_s": statistics.median(four),
        "reads_agent_10_per_s": statistics.median(ten),
        "dead_device_p99_growth": dead / alive - 1,
        "cycle_p99_alive_ms": alive,
        "cycle_p99_dead_ms": dead,
        "spool_readings_per_s": kept,
        "backlog_latency_growth": busy / idle - 1,
        "live_p99_idle_ms": idle,
        "live_p99_backlog_ms": busy,
        "backlog_frames_drained": float(drained),
        "healthy_readings_beside_faults": share,
        "hostile_devices": float(hostile),
        "worst_input_cpu_s": worst_s,
        "rss_mib": rss,
        "rss_slope_mib_h": slope,
    }
    return Result(figures, TARGETS)
