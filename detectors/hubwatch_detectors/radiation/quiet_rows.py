"""Rows of a portal that nobody is in and where nothing is open: most of its life, taken several rows at a time.

The same is done with each row as in `portal.py`, without asking row by row what cannot be.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hubwatch_detectors.radiation.counting import Excess
from hubwatch_detectors.radiation.panels import BLOCK, MOST_COUNTS, Panel
from hubwatch_detectors.radiation.portal_memory import Ray

Line = tuple[Panel, Sequence[float]]
"""A panel and its counts, a row each."""


class QuietRay(NamedTuple):
    """How one ray is followed; times in µs."""

    window_us: int
    guard_us: int
    memory: float
    """Samples that the background is learned from."""
    least: int
    """Samples that a panel must have learned."""
    usual: float
    """A sliding sum is never off its background by less than so many variances of counts…"""
    floor: float
    """…of at least so many counts."""
    usual_below: bool
    """Whether a sum below the background is never off it."""


def is_quiet(ray: Ray, times: Sequence[int], columns: Mapping[str, Sequence[float]]) -> bool:
    """Return whether rows of all panels of a ray can be taken together."""
    if ray.alarm is not None or ray.shift is not None or columns.keys() != ray.panels.keys():
        return False
    newest = max([panel.last for panel in ray.panels.values()], default=0)
    return newest < times[0] and all(min(each) >= 0 and max(each) <= MOST_COUNTS for each in columns.values())


def take_quietly(
    ray: Ray, rules: QuietRay, settled: int, times: Sequence[int], columns: Mapping[str, Sequence[float]], first: int
) -> tuple[int, Excess | None]:
    """Take rows from `first` on, and learn of those since `settled`; return the number of one whose sliding sum may be
    off its background, and that sum. This row is not learned. At the end there is none.
    """
    lines = [(panel, columns[name]) for name, panel in ray.panels.items()]
    gross = [(panel, columns[name]) for name, panel in ray.gross()]
    row = first
    while row < len(times):
        # Up to the row with which a block is full all meet one background.
        end = min([_full_after(panel, rules, settled, times, row) for panel, _ in lines])
        counted = [line for line in gross if line[0].samples >= rules.least]
        off = _first_off(counted, rules, times, row, end)
        until = end if off is None else off + 1
        _into_windows(lines, times, row, until, times[until - 1] - rules.window_us)
        now = None if off is None else ray.excess(rules.least)
        if now is not None:
            _learn(ray, rules, lines, times, row, until - 1, settled)
            return until - 1, now
        _learn(ray, rules, lines, times, row, until, settled)
        row = until
    return len(times), None


def _full_after(panel: Panel, rules: QuietRay, settled: int, times: Sequence[int], row: int) -> int:
    """Return how many rows there are up to that with which the block of a panel is full; all when none fills it."""
    waiting, last = panel.waiting, max(BLOCK - panel.count, 1) - 1
    if last < len(waiting):
        ripe = waiting[last][0]
    else:
        at = bisect_left(times, settled, row) + last - len(waiting)
        if at >= len(times):
            return len(times)
        ripe = times[at]
    return min(bisect_left(times, ripe + rules.guard_us, row) + 1, len(times))


def _first_off(lines: Sequence[Line], rules: QuietRay, times: Sequence[int], row: int, end: int) -> int | None:
    """Return the first row whose sliding sum may be off its background; a running total is exact enough to say so."""
    more, expected = [0.0] * (end - row), [0.0] * (end - row)
    for panel, column in lines:
        samples, mean, oldest, newest = panel.window.copy(), panel.mean, 0, len(panel.window)
        total = sum([x for _, x in samples])
        samples += zip(times[row:end], column[row:end], strict=True)
        for i in range(end - row):
            t, x = samples[newest]
            total, until = total + x, t - rules.window_us
            while samples[oldest][0] <= until:
                total -= samples[oldest][1]
                oldest += 1
            newest += 1
            usual = (newest - oldest) * mean
            more[i] += total - usual
            expected[i] += usual
    for i, (over, usual) in enumerate(zip(more, expected, strict=True), row):
        if over * over > rules.usual * max(usual, rules.floor) and not (over <= 0 and rules.usual_below):
            return i
    return None


def _into_windows(lines: Sequence[Line], times: Sequence[int], row: int, until: int, gone: int) -> None:
    """Put rows into the windows, and drop what is not newer than `gone`."""
    fresh = times[row:until]
    for panel, column in lines:
        window, oldest = panel.window, 0
        panel.last = fresh[-1]
        window += zip(fresh, column[row:until], strict=True)
        while window[oldest][0] <= gone:
            oldest += 1
        del window[:oldest]


def _learn(
    ray: Ray, rules: QuietRay, lines: Sequence[Line], times: Sequence[int], row: int, until: int, settled: int
) -> None:
    """Let rows wait, and learn what has waited for the guard time."""
    if row == until:
        return
    ripe, full, ray.off_since = times[until - 1] - rules.guard_us, False, None
    row = bisect_left(times, settled, row, until)
    fresh = times[row:until]
    for panel, column in lines:
        waiting = panel.waiting
        waiting += zip(fresh, column[row:until], strict=True)
        if waiting and waiting[0][0] <= ripe:
            ray.learned_t = max(ray.learned_t, panel.ripen(ripe))
            full = full or panel.count >= BLOCK
    if full:
        ray.learner.learn(ray.panels.values(), rules.memory)
