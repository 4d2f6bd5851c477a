"""Nothing stale passes for live: what has not been heard of for two polls is said to be bad, answer or no answer.

This clock runs beside the requests. A device may take ten seconds to answer (SARAD), and it may stand behind another
that takes as long; neither must hold up the word that nothing has come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from hubwatch_agents.modbus.jobs import Job

SILENT_PERIODS = 2
GRACE_S = 0.75
"""Over the two periods; with cutting and sending its frame (0.2 s) that keeps under the second that is promised."""


async def watch(jobs: Sequence[Job], clock: Callable[[], float], unheard: Callable[[Job], None]) -> None:
    """Call `unheard` for each job of which nothing was told for too long, for ever; `unheard` tells something of it."""
    while True:
        now = clock()
        for job in jobs:
            if now >= quiet_until(job):
                unheard(job)
        await asyncio.sleep(max(0.0, min(map(quiet_until, jobs)) - clock()))


def quiet_until(job: Job) -> float:
    """Give the moment until which nothing need be told of a job."""
    return job.told_s + SILENT_PERIODS * job.period_s + GRACE_S
