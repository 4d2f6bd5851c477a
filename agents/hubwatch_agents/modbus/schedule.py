"""When each job is due: drift-free, aligned to its period, a missed turn is skipped and counted. Pure."""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

J = TypeVar("J")


def next_turn(now_s: float, period_s: float) -> float:
    """Give the next multiple of the period after `now_s`."""
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
        """Give the moment of the first job, infinity when there is none."""
        return self._queue[0][0] if self._queue else float("inf")
