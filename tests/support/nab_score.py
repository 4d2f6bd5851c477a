"""The score of the Numenta Anomaly Benchmark, standard profile, from its published definition.

Lavin & Ahmad 2015, "Evaluating real-time anomaly detection algorithms", ICMLA (arXiv 1510.03336). The first detection
inside a window earns up to 1 by a sigmoid of its place; each detection outside costs up to 0.11, less shortly after a
window; a window without one costs 1. The sum is set between a detector that says nothing (0) and a perfect one (100).
The first rows of a file, 15 % of it and 750 at most, are not scored.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

FALSE_POSITIVE = 0.11
"""Weight of the standard profile; those of a window found and of one missed are 1."""
PROBATION_SHARE, PROBATION_MOST = 0.15, 750

Window = tuple[int, int]
"""First and last row."""


@dataclass(frozen=True, slots=True)
class Raw:
    """The score of one file before it is set between the two bounds."""

    points: float
    windows: int
    found: int
    outside: int
    """Detections that lie in no window."""


def probation(rows: int) -> int:
    """Return how many rows at the beginning of a file are not scored."""
    return min(math.floor(PROBATION_SHARE * rows), PROBATION_MOST)


def scaled_sigmoid(position: float) -> float:
    """Return what a detection earns; `position` is −1 at the begin of a window, 0 at its end, 1 a width after it."""
    return -1.0 if position > 3 else 2 / (1 + math.exp(5 * position)) - 1


def raw_score(rows: int, windows: Sequence[Window], detections: Iterable[int]) -> Raw:
    """Return the score of the rows called anomalous in one file."""
    points, outside, found = 0.0, 0, set[Window]()
    for row in sorted(set(detections)):
        if row < probation(rows):
            continue
        window = next((each for each in windows if each[0] <= row <= each[1]), None)
        if window is None:
            points += FALSE_POSITIVE * _cost(row, windows)
            outside += 1
        elif window not in found:
            found.add(window)
            first, last = window
            points += scaled_sigmoid(-(last - row + 1) / (last - first + 1)) / scaled_sigmoid(-1)
    return Raw(points - (len(windows) - len(found)), len(windows), len(found), outside)


def normalised(scores: Sequence[Raw]) -> float:
    """Return the score of a group of files: 0 for a detector that says nothing, 100 for a perfect one."""
    windows = sum(each.windows for each in scores)
    return 100 * (sum(each.points for each in scores) + windows) / (2 * windows)


def _cost(row: int, windows: Sequence[Window]) -> float:
    """Return what a detection outside costs, of −1: less where a window has just ended."""
    before = [each for each in windows if each[1] < row]
    if not before:
        return -1.0
    first, last = max(before)
    return scaled_sigmoid((row - last) / (last - first))
