"""The profile of an occupancy: the counts of every panel while a vehicle is there, bounded however long it stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from hubwatch_core.clock import SECOND_US
from hubwatch_detectors.radiation.panels import Panel
from hubwatch_detectors.radiation.shapes import Floats

MAX_ROWS = 400
"""Rows kept of an occupancy: 40 s at 10 Hz. Of longer ones neighbouring rows are added together."""
MAX_BINS = 64
"""Bins judged. At 10 s that is a sixth of a second, a tenth of the width of a source at 8 km/h."""
MIN_ROWS = 5
PRESENT = 0.8
"""A panel that is missing in more of the rows than the rest of this is left out."""
DRIFT_A_ROOT_MINUTE = 0.002
"""Our choice: how far a background may have moved since it was last learned; rain moves it by 2 % a minute at most."""

LEAST_LEARNED = 0.5
"""Counts of a background in which none came: the half of Jeffreys' prior."""


class Profile(msgspec.Struct):
    """Counts by channel and row; a row without a sample of a channel counts nothing for it."""

    times: list[int] = []
    """When each row began (µs)."""
    counts: dict[str, list[float]] = {}
    samples: dict[str, list[int]] = {}
    """Samples that were added up in a row."""
    each: int = 1
    """Rows that are one here."""
    pending: int = 0

    def add(self, t: int, row: Mapping[str, float]) -> None:
        """Add the counts of one moment."""
        if self.pending == 0:
            self._begin(t)
        for channel, counts in row.items():
            if channel not in self.counts:
                self.counts[channel] = [0.0] * len(self.times)
                self.samples[channel] = [0] * len(self.times)
            self.counts[channel][-1] += counts
            self.samples[channel][-1] += 1
        self.pending = (self.pending + 1) % self.each

    def _begin(self, t: int) -> None:
        if len(self.times) >= MAX_ROWS:
            self._halve()
        self.times.append(t)
        for channel in self.counts:
            self.counts[channel].append(0.0)
            self.samples[channel].append(0)

    def _halve(self) -> None:
        self.times, self.each = self.times[::2], 2 * self.each
        for channel, counts in self.counts.items():
            self.counts[channel] = [a + b for a, b in zip(counts[::2], counts[1::2], strict=True)]
            samples = self.samples[channel]
            self.samples[channel] = [a + b for a, b in zip(samples[::2], samples[1::2], strict=True)]


@dataclass(frozen=True, slots=True)
class Bins:
    """A profile in bins: `counts` and what background gives there, (channels, n); `t` are their middles (s)."""

    channels: tuple[str, ...]
    t: Floats
    counts: Floats
    expected: Floats
    duration: float
    errors: Floats
    """Relative standard deviation of the background of each channel."""


def binned(
    profile: Profile, panels: Mapping[str, Panel], span: tuple[int, int], least: int, age_s: float
) -> Bins | None:
    """Return the profile of a span of time (µs) in bins; None where there is too little of it.

    `age_s` is how long ago the background was learned, of which a panel needs `least` samples.
    """
    rows, (since, until) = len(profile.times), span
    names = [name for name in sorted(profile.counts) if name in panels and _is_usable(profile, name, panels, least)]
    if rows < MIN_ROWS or not names or until <= since:
        return None
    starts = np.arange(0, rows, -(-rows // MAX_BINS))
    duration = (until - since) / SECOND_US
    times = np.array([(t - since) / SECOND_US for t in profile.times]) + duration / rows / 2
    samples = np.add.reduceat(np.array([profile.samples[name] for name in names], dtype=float), starts, axis=1)
    counts = np.add.reduceat(np.array([profile.counts[name] for name in names]), starts, axis=1)
    used = [panels[name] for name in names]
    means = np.array([max(each.mean, LEAST_LEARNED / each.learned) for each in used])
    middle = np.add.reduceat(times, starts) / np.add.reduceat(np.ones(rows), starts)
    seen = samples.sum(axis=0) > 0
    drift = DRIFT_A_ROOT_MINUTE**2 * age_s / 60
    errors = np.sqrt(1 / (means * [each.learned for each in used]) + drift)
    expected = (samples * means[:, None])[:, seen]
    return Bins(tuple(names), middle[seen], counts[:, seen], expected, duration, np.asarray(errors))


def _is_usable(profile: Profile, name: str, panels: Mapping[str, Panel], least: int) -> bool:
    here: Sequence[int] = profile.samples[name]
    return panels[name].samples >= least and sum(each > 0 for each in here) >= PRESENT * len(profile.times)
