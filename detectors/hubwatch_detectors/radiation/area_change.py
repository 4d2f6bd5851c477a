"""The search for a rise of any size that began at any moment: Poisson-FOCuS over counts with known expectation.

Of all moments at which a rise may have begun only those on the lower convex hull of (expected, counted) can ever be
the best explanation (Ward, Dilillo, Eckley and Fearnhead 2023, arXiv 2208.01494), which are about ln(n) of n samples.
Two things are ours. The level that a window must reach depends on its length (`area_threshold.py`). And the background
is not known but learned: a window of expected counts e against a background of m learned counts has the variance
d·e·(1 + e/m + e·s²/d), where s is how much the background itself wanders from hour to hour and d the dispersion, 1 for
counts, so its log-likelihood ratio is divided by d and the bracket. What was counted before a window and is not learned
yet counts for its background.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec

ENDLESS = 1e300
MAX_STARTS = 64
"""Moments kept at which a rise may have begun; a week of background leaves about ten."""


class Start(msgspec.Struct, array_like=True):
    """A moment at which a rise may have begun: what was counted and expected until then, and how many samples."""

    counted: float
    expected: float
    sample: int
    t: int


class Rise(NamedTuple):
    """The window that explains the counts best as a rise."""

    start: int
    """µs."""
    samples: int
    counted: float
    expected: float
    nats: float
    """Log-likelihood ratio, divided by what dispersion and the background's uncertainty add to the variance."""
    level: float
    """The nats that a window of this length must reach."""

    @property
    def ratio(self) -> float:
        """The rate in the window in multiples of the background."""
        return self.counted / self.expected

    @property
    def sigma(self) -> float:
        """The evidence in standard deviations."""
        return math.sqrt(2 * max(self.nats, 0.0))


class Known(NamedTuple):
    """What is known of the background: learned counts, and what waits to be learned."""

    learned: float
    waiting_counted: float
    waiting_expected: float
    wander: float
    """Variance from hour to hour beyond counting, as a share of the rate squared."""
    dispersion: float
    """Variance over mean; 1 for counts."""


class ChangeScan(msgspec.Struct):
    """Counts and expectations of one monitor since the last moment that cannot have been in a rise."""

    starts: list[Start] = []
    counted: float = 0.0
    expected: float = 0.0
    sample: int = 0
    moved: float = 0.0
    """Excess since the windows were last looked at, and the lowest it was meanwhile."""
    lowest: float = 0.0
    slack: float = 0.0
    """Excess that no window passes its level without."""

    def add(self, t: int, counted: float, expected: float) -> None:
        """Take one sample that ended at `t` (µs)."""
        if not self.starts:
            self.counted = self.expected = 0.0
            self.sample = 0
        self._prune()
        self.starts.append(Start(self.counted, self.expected, self.sample, t))
        self.counted += counted
        self.expected += expected
        self.sample += 1
        self.moved += counted - expected
        self.lowest = min(self.lowest, self.moved)

    def may_pass(self) -> bool:
        """Return whether some window may pass its level with the last sample."""
        return self.moved - self.lowest >= self.slack

    def look_again(self) -> None:
        """Look at every window with the next sample: what is expected of them has changed."""
        self.slack = 0.0

    def best(self, known: Known, levels: tuple[float, ...], *, anyway: bool = False) -> Rise | None:
        """Return the window that passes its level by most; with `anyway` the strongest whether it passes or not."""
        found: Rise | None = None
        longest = len(levels) - 1
        while self.starts and self.sample - self.starts[0].sample > longest:
            del self.starts[0]
        self.moved = self.lowest = 0.0
        self.slack = ENDLESS
        for start in self.starts:
            counted, expected = self.counted - start.counted, self.expected - start.expected
            before = max(known.waiting_counted - counted, 0.0) + known.learned
            expected *= before / (max(known.waiting_expected - expected, 0.0) + known.learned)
            samples = self.sample - start.sample
            level = levels[min(samples, longest)]
            spread = known.dispersion * (1 + expected / before) + expected * known.wander
            # s·ln(s/e) - (s - e) is at most (s - e)²/2e, so most windows need no logarithm.
            lacking = math.sqrt(2 * expected * spread * level) - (counted - expected)
            self.slack = min(self.slack, lacking)
            if counted <= expected or (lacking > 0 and not anyway):
                continue
            nats = (counted * math.log(counted / expected) - counted + expected) / spread
            if (nats >= level or anyway) and (found is None or nats - level > found.nats - found.level):
                found = Rise(start.t, samples, counted, expected, nats, level)
        self._allow_new_windows(known, levels[1])
        return found

    def _allow_new_windows(self, known: Known, level: float) -> None:
        """A window that begins later has to pass the level too, out of at least one sample."""
        if self.starts:
            newest = self.starts[-1]
            least = self.expected - newest.expected
            self.slack = min(self.slack, math.sqrt(2 * least * known.dispersion * level))

    def _prune(self) -> None:
        """Forget starts that no later counts can make the best: they are not on the hull any more."""
        starts, counted, expected = self.starts, self.counted, self.expected
        while starts:
            last = starts[-1]
            before = starts[-2] if len(starts) > 1 else None
            risen, due = counted - last.counted, expected - last.expected
            if before is None:
                if risen > due:
                    break
            elif risen * (last.expected - before.expected) > (last.counted - before.counted) * due:
                break
            starts.pop()
        if len(starts) >= MAX_STARTS:
            del starts[1]
        if not starts:
            self.counted = self.expected = 0.0
            self.sample = 0
