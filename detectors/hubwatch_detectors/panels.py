"""Panels of a portal: their counts of the last moments, and the running background each has learned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from hubwatch_detectors.counting import Excess


class Panel(msgspec.Struct):
    """One detector panel. Samples are (time µs, counts); `mean` is counts a sample over `learned` samples."""

    last: int = 0
    window: list[tuple[int, float]] = []
    waiting: list[tuple[int, float]] = []
    """Samples that will be learned once it is sure that no vehicle was near."""
    mean: float = 0.0
    learned: float = 0.0

    def take(self, t: int, counts: float) -> bool:
        """Put a sample into the window; False when it is impossible or not newer than the last one."""
        if t <= self.last or counts < 0:
            return False
        self.last = t
        self.window.append((t, counts))
        return True

    def expire(self, until: int) -> None:
        """Drop what is not newer than `until` from the window."""
        while self.window and self.window[0][0] <= until:
            self.window.pop(0)

    def learn(self, until: int, most: int) -> None:
        """Learn the waiting samples up to `until`; the mean looks back over about `most` samples."""
        while self.waiting and self.waiting[0][0] <= until:
            _, counts = self.waiting.pop(0)
            self.learned = min(self.learned + 1.0, float(most))
            self.mean += (counts - self.mean) / self.learned


def take(panels: dict[str, Panel], row: Mapping[str, tuple[int, float]], window_us: int, most: int) -> list[str]:
    """Put a row of samples (time, counts) by channel into their panels' windows; give the channels taken."""
    taken = []
    for channel, (t, counts) in row.items():
        if channel not in panels and len(panels) < most:
            panels[channel] = Panel()
        if channel in panels and panels[channel].take(t, counts):
            taken.append(channel)
    now = max((panel.last for panel in panels.values()), default=0)
    for panel in panels.values():
        panel.expire(now - window_us)
    return taken


def excess(panels: Iterable[Panel], least: float) -> Excess | None:
    """Add up the windows of those panels that have learned at least `least` samples; None when there is none."""
    counts = expected = variance = learned = 0.0
    samples = 0
    for panel in panels:
        here = len(panel.window)
        if here == 0 or panel.learned < least:
            continue
        mean = here * panel.mean
        counts += sum(x for _, x in panel.window)
        expected += mean
        variance += mean * (1 + here / panel.learned)
        samples += here
        learned += panel.learned
    return Excess(counts, expected, variance, samples, learned) if samples else None
