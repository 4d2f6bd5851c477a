"""Panels of a portal: their counts of the last moments, and the background each has learned.

The background of a portal is steady for hours and then rises by 20 % in ten minutes of rain (Sim 2023, RPD 199:710).
No single memory is right for both. So each panel keeps averages over several memories, and one that goes on along the
present slope; blocks of new samples say which of them have foretold the counts best, and the background is their mean
by those likelihoods (dynamic model averaging; Raftery 2010, Technometrics 52:52).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from operator import mul

import msgspec

from hubwatch_detectors.radiation.counting import Excess

MEMORIES = (1.0, 4.0, 20.0)
"""Memories, in units of the configured number of samples."""
BLOCK = 10
"""Samples of the unoccupied portal that are learned at once."""
FORGETTING = 0.95
"""Our choice: the likelihoods of the memories look back over 20 blocks, 40 s at 5 Hz."""
SLOPE = MEMORIES[0] / (MEMORIES[1] - MEMORIES[0])
"""On a slope each average lags in proportion to its memory; so much of the difference is the lag of the shortest."""
SLOPE_COST = (1 + SLOPE) ** 2
PRIORS = (0.0, 1.5, 3.0, -1.0)
"""Our choice: logarithms of what speaks for each memory, and for the slope, before any sample. A background is steady
until it shows that it is not."""
LEAST_COUNT = 0.5
MOST_COUNTS = 1e10
"""No panel counts more in a sample; a register that holds no counts can say 1e38."""


class Panel(msgspec.Struct):
    """One detector panel. Samples are (time µs, counts); `mean` is counts a sample, as good as `learned` samples."""

    last: int = 0
    window: list[tuple[int, float]] = []
    waiting: list[tuple[int, float]] = []
    """Samples that will be learned once it is sure that no vehicle was near."""
    sum: float = 0.0
    count: int = 0
    """The block that is being filled."""
    means: list[float] = msgspec.field(default_factory=lambda: [0.0] * len(MEMORIES))
    samples: int = 0
    """Samples learned, up to the longest memory."""
    mean: float = 0.0
    learned: float = 0.0

    def take(self, t: int, counts: float) -> bool:
        """Put a sample into the window; False when it is impossible or not newer than the last one."""
        if t <= self.last or not 0 <= counts <= MOST_COUNTS:
            return False
        self.last = t
        self.window.append((t, counts))
        return True

    def expire(self, until: int) -> None:
        """Drop what is not newer than `until` from the window."""
        while self.window and self.window[0][0] <= until:
            self.window.pop(0)

    def ripen(self, until: int) -> int:
        """Put the waiting samples up to `until`, of which there is one at least, into the block; return the time of
        the newest.
        """
        waiting, ripe = self.waiting, 1
        while ripe < len(waiting) and waiting[ripe][0] <= until:
            ripe += 1
        newest = waiting[ripe - 1][0]
        for _, x in waiting[:ripe]:
            self.sum += x
        self.count += ripe
        del waiting[:ripe]
        return newest

    def forget(self) -> None:
        """Forget the background."""
        self.sum, self.count, self.samples = 0.0, 0, 0
        self.means, self.mean, self.learned = [0.0] * len(MEMORIES), 0.0, 0.0

    def guesses(self) -> list[float]:
        """Return what each memory, and the slope, give as counts a sample."""
        short, middle = self.means[0], self.means[1]
        return [*self.means, max(short + SLOPE * (short - middle), 0.0)]

    def weights(self, memory: float) -> Sequence[float]:
        """Return the samples that each guess is worth: all at first, twice its memory once older ones fade."""
        return _worth(self.samples, memory)

    def settle(self, shares: Sequence[float], memory: float) -> None:
        """Take the mean of the guesses by their shares; its error includes that they differ."""
        guesses, variance = self.guesses(), 0.0
        mean = self.mean = sum(map(mul, shares, guesses))
        level = max(mean, LEAST_COUNT / max(self.samples, 1))
        for share, guess, worth in zip(shares, guesses, self.weights(memory), strict=True):
            variance += share * (level / worth + (guess - mean) ** 2)
        self.learned = level / variance

    def learn(self, memory: float) -> None:
        """Move the averages by the block, and begin the next."""
        total, count = self.sum, self.count
        samples = self.samples + count
        self.means = [
            mean + (total - count * mean) / max(min(samples, each * memory), count)
            for mean, each in zip(self.means, MEMORIES, strict=True)
        ]
        self.samples = min(samples, round(MEMORIES[-1] * memory))
        self.sum, self.count = 0.0, 0


class Learner(msgspec.Struct):
    """What the blocks have said of the memories: their logarithmic likelihoods."""

    scores: list[float] = msgspec.field(default_factory=lambda: [0.0] * (len(MEMORIES) + 1))

    def learn(self, panels: Iterable[Panel], memory: float) -> None:
        """Learn the blocks that are full."""
        ready = [panel for panel in panels if panel.count >= BLOCK]
        known = [panel for panel in ready if panel.samples >= 2 * BLOCK]
        if known:
            self._compare(known, memory)
        shares = self.shares()
        for panel in ready:
            panel.learn(memory)
            panel.settle(shares, memory)

    def shares(self) -> list[float]:
        """Return the weight of each memory."""
        scores = [score + prior for score, prior in zip(self.scores, PRIORS, strict=True)]
        top = max(scores)
        weights = [math.exp(max(score - top, -700.0)) for score in scores]
        total = sum(weights)
        return [weight / total for weight in weights]

    def _compare(self, panels: Sequence[Panel], memory: float) -> None:
        counts, expected, variance = 0.0, [0.0] * len(self.scores), [0.0] * len(self.scores)
        for panel in panels:
            counts, count = counts + panel.sum, panel.count
            for i, (guess, worth) in enumerate(zip(panel.guesses(), panel.weights(memory), strict=True)):
                guessed = guess * count
                expected[i] += guessed
                variance[i] += guessed * (1 + count / worth)
        for i, (mean, spread) in enumerate(zip(expected, variance, strict=True)):
            spread = max(spread, LEAST_COUNT)  # noqa: PLW2901
            fit = -0.5 * (min((counts - mean) ** 2 / spread, 100.0) + math.log(spread))
            self.scores[i] = FORGETTING * self.scores[i] + fit


@lru_cache(maxsize=256)
def _worth(samples: int, memory: float) -> tuple[float, ...]:
    """Return the samples that each guess is worth; the panels of a portal have mostly learned as many."""
    kept = [max(min(float(samples), 2 * each * memory - 1), 1.0) for each in MEMORIES]
    return *kept, kept[0] / SLOPE_COST


def take(panels: dict[str, Panel], row: Mapping[str, tuple[int, float]], window_us: int, most: int) -> list[str]:
    """Put a row of samples (time, counts) by channel into their panels' windows; give the channels taken."""
    taken = []
    for channel, (t, counts) in row.items():
        panel = panels.get(channel)
        if panel is None:
            if len(panels) >= most:
                continue
            panel = panels[channel] = Panel()
        if panel.take(t, counts):
            taken.append(channel)
    until = max([panel.last for panel in panels.values()], default=0) - window_us
    for panel in panels.values():
        if panel.window and panel.window[0][0] <= until:
            panel.expire(until)
    return taken


def excess(panels: Iterable[Panel], least: float) -> Excess | None:
    """Add up the windows of those panels that have learned at least `least` samples; None when there is none."""
    counts = expected = variance = learned = 0.0
    samples = 0
    for panel in panels:
        window = panel.window
        here = len(window)
        if here == 0 or panel.samples < least:
            continue
        mean = here * panel.mean
        counts += sum([x for _, x in window])
        expected += mean
        variance += mean * (1 + here / panel.learned)
        samples += here
        learned += panel.learned
    return Excess(counts, expected, variance, samples, learned) if samples else None
