"""Rows of a portal that nobody is in and where nothing is open: most of its life, taken several rows at a time.

The same is done with each row as in `portal.py`, without asking row by row what cannot be.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate, chain
from operator import sub
from typing import NamedTuple

from hubwatch_detectors.radiation.counting import Excess
from hubwatch_detectors.radiation.panels import BLOCK, MOST_COUNTS, Panel
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
    fresh, gross = times[first:], {id(panel) for _, panel in ray.gross()}
    slides = list[Slide]()
    for name, panel in ray.panels.items():
        known = slides[-1] if slides else None
        slides.append(Slide.of(panel, fresh, columns[name][first:], rules.window_us, known))
    counted, totals, row = list[Slide](), list[float](), 0
    while row < len(fresh):
        # Up to the row with which a block is full all meet one background.
        end = min([_full_after(slide.panel, rules, settled, fresh, row) for slide in slides])
        here = [each for each in slides if id(each.panel) in gross and each.panel.samples >= rules.least]
        if len(here) > len(counted):
            counted, totals = here, list(map(sum, zip(*[each.totals for each in here], strict=True)))
        off = _first_off(counted, totals, rules, row, end)
        until = end if off is None else off + 1
        now = None
        if off is not None or end == len(fresh):
            for slide in slides:
                slide.stop_at(until - 1)
            now = None if off is None else ray.excess(rules.least)
        if now is not None:
            _learn(ray, rules, slides, fresh, row, until - 1, settled)
            return first + until - 1, now
        _learn(ray, rules, slides, fresh, row, until, settled)
        row = until
    return len(times), None


class Slide(NamedTuple):
    """A panel's window that slides over rows: for each of them where it begins, what it holds, and how much that is."""

    panel: Panel
    window: list[tuple[int, float]]
    """As it was before the rows."""
    times: Sequence[int]
    counts: Sequence[float]
    begins: Sequence[int]
    """Among the samples of the window before and of the rows."""
    samples: Sequence[int]
    totals: Sequence[float]
    """Differences of a running total, which are exact enough to say whether a sum may be off."""

    @classmethod
    def of(
        cls, panel: Panel, times: Sequence[int], counts: Sequence[float], window_us: int, other: Slide | None
    ) -> Slide:
        """Slide over rows; what follows from the times alone is that of another panel with the same."""
        window = panel.window
        before = [t for t, _ in window]
        if other is not None and [t for t, _ in other.window] == before:
            begins, samples = other.begins, other.samples
        else:
            begins = _begins([*before, *times], len(before), window_us)
            samples = [end - begin for end, begin in enumerate(begins, len(before) + 1)]
        sums = list(accumulate(chain([x for _, x in window], counts), initial=0.0))
        totals = list(map(sub, sums[len(before) + 1 :], [sums[begin] for begin in begins]))
        return cls(panel, window, times, counts, begins, samples, totals)

    def stop_at(self, row: int) -> None:
        """Leave in the panel the window as it is at a row."""
        begin, before = self.begins[row], len(self.window)
        first = max(begin - before, 0)
        rows = zip(self.times[first : row + 1], self.counts[first : row + 1], strict=True)
        self.panel.window, self.panel.last = [*self.window[begin:], *rows], self.times[row]


def _begins(times: Sequence[int], first: int, window_us: int) -> list[int]:
    """Return where the windows begin that end with each time from the `first` on."""
    begins, oldest = list[int](), 0
    for t in times[first:]:
        gone = t - window_us
        while times[oldest] <= gone:
            oldest += 1
        begins.append(oldest)
    return begins


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


def _first_off(slides: Sequence[Slide], totals: Sequence[float], rules: QuietRay, row: int, end: int) -> int | None:
    """Return the first row whose sliding sum, one of the `totals` of the panels, may be off its background."""
    if not slides:
        return None
    usual_factor, floor, only_above = rules.usual, rules.floor, rules.usual_below
    mean = slides[0].panel.mean
    expected = [samples * mean for samples in slides[0].samples[row:end]]
    for slide in slides[1:]:
        mean = slide.panel.mean
        expected = [usual + samples * mean for usual, samples in zip(expected, slide.samples[row:end], strict=True)]
    for i, (total, usual) in enumerate(zip(totals[row:end], expected, strict=True), row):
        over = total - usual
        if over * over > usual_factor * (usual if usual > floor else floor) and not (only_above and over <= 0):
            return i
    return None


def _learn(
    ray: Ray, rules: QuietRay, slides: Sequence[Slide], times: Sequence[int], row: int, until: int, settled: int
) -> None:
    """Let rows wait, and learn what has waited for the guard time."""
    if row == until:
        return
    ripe, full, ray.off_since = times[until - 1] - rules.guard_us, False, None
    row = bisect_left(times, settled, row, until)
    fresh = times[row:until]
    for slide in slides:
        panel = slide.panel
        waiting = panel.waiting
        waiting += zip(fresh, slide.counts[row:until], strict=True)
        if waiting and waiting[0][0] <= ripe:
            ray.learned_t = max(ray.learned_t, panel.ripen(ripe))
            full = full or panel.count >= BLOCK
    if full:
        ray.learner.learn(ray.panels.values(), rules.memory)
