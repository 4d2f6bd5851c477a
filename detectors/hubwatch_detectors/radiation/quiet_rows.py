"""Rows of a portal that nobody is in and where nothing is open: most of its life, taken several rows at a time.

The same is done with each row as in `portal.py`, without asking row by row what cannot be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hubwatch_detectors.radiation.counting import Excess
from hubwatch_detectors.radiation.panels import BLOCK, MOST_COUNTS, Panel, excess
from hubwatch_detectors.radiation.portal_memory import Ray


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
    gross = ray.gross()
    counted = [panel for panel in gross if panel.samples >= rules.least]
    for i in range(first, len(times)):
        t = times[i]
        _into_windows(lines, i, t, t - rules.window_us)
        counts = expected = 0.0
        for panel in counted:
            counts += sum([x for _, x in panel.window])
            expected += len(panel.window) * panel.mean
        more = counts - expected
        if more * more > rules.usual * max(expected, rules.floor) and not (more <= 0 and rules.usual_below):
            now = excess(gross, rules.least)
            if now is not None:
                return i, now
        _learn(ray, rules, lines, i, t, settled)
        if len(counted) < len(gross):
            counted = [panel for panel in gross if panel.samples >= rules.least]
    return len(times), None


def _into_windows(lines: Sequence[tuple[Panel, Sequence[float]]], i: int, t: int, until: int) -> None:
    for panel, column in lines:
        window = panel.window
        panel.last = t
        window.append((t, column[i]))
        while window[0][0] <= until:
            del window[0]


def _learn(
    ray: Ray, rules: QuietRay, lines: Sequence[tuple[Panel, Sequence[float]]], i: int, t: int, settled: int
) -> None:
    """Let a row wait, and learn what has waited for the guard time."""
    ripe, full, ray.off_since = t - rules.guard_us, False, None
    for panel, column in lines:
        waiting = panel.waiting
        if t >= settled:
            waiting.append((t, column[i]))
        if waiting and waiting[0][0] <= ripe:
            ray.learned_t = max(ray.learned_t, waiting[0][0])
            panel.ripen(ripe)
            full = full or panel.count >= BLOCK
    if full:
        ray.learner.learn(ray.panels.values(), rules.memory)
