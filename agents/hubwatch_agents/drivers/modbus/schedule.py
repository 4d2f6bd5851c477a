"""When each job is due: drift-free, aligned to its period, a missed turn is skipped and counted.

Nothing stale passes for live either: what has not been heard of for two polls is said to be bad, answer or no answer.
That clock runs beside the requests. A device may take ten seconds to answer (SARAD), and it may stand behind another
that takes as long; neither must hold up the word that nothing has come.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from hubwatch_agents.drivers.modbus.jobs import Job

J = TypeVar("J")

SILENT_PERIODS = 2
GRACE_S = 0.75
"""Over the two periods; with cutting and sending its frame (0.2 s) that keeps under the second that is promised."""


def next_turn(now_s: float, period_s: float) -> float:
    """Return the next multiple of the period after `now_s`."""
    turn = (now_s // period_s + 1) * period_s
    return turn if turn > now_s else turn + period_s


class Schedule(Generic[J]):
    """A queue of jobs by the moment they are due; jobs due together keep the order they were added in."""

    def __init__(self) -> None:
        self._queue: list[tuple[float, int, J]] = []
        self._order = 0

    def put(self, due_s: float, job: J) -> None:
        """Add a job."""
        self._order += 1
        heapq.heappush(self._queue, (due_s, self._order, job))

    def pop(self) -> tuple[float, J]:
        """Take the job that is due first, with its moment."""
        due, _, job = heapq.heappop(self._queue)
        return due, job

    def due_s(self) -> float:
        """Return the moment of the first job, infinity when there is none."""
        return self._queue[0][0] if self._queue else float("inf")


async def watch_silence(jobs: Sequence[Job], clock: Callable[[], float], unheard: Callable[[Job], None]) -> None:
    """Call `unheard` for each job of which nothing was reported for too long, for ever; `unheard` reports something."""
    while True:
        now = clock()
        for job in jobs:
            if now >= quiet_until(job):
                unheard(job)
        await asyncio.sleep(max(0.0, min(map(quiet_until, jobs)) - clock()))


def quiet_until(job: Job) -> float:
    """Return the moment until which nothing need be reported of a job."""
    return job.reported_s + SILENT_PERIODS * job.period_s + GRACE_S
