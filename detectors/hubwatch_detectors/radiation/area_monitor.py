"""One area monitor: readings put together to samples, spikes kept out, rises found, and their end."""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec

from hubwatch_detectors.methods.scatter import Scatter
from hubwatch_detectors.radiation.area_background import REACH_S, AreaBackground
from hubwatch_detectors.radiation.area_change import ChangeScan, Known, Rise

SAMPLE_S = 1.0
"""Readings that come faster are put together: finer steps add false alarms and find nothing sooner. Our choice."""
MAX_WINDOW_S = 4 * 3600.0
"""A rise of 2 % an hour takes 1.6 hours to be seen; our choice."""
MIN_WINDOW = 30
BLOCK_S, MIN_BLOCK = 300.0, 10
SPIKE_MARGIN = 3.0
"""Nats over the level by which one reading alone must stand out to be asked whether the next one agrees."""
SPIKE_AGREES = 2.0
"""Nats of the next reading that confirm it; one in 40 readings of background does so by chance."""
CLEAR_RATIO, CLEAR_NATS = 1.25, 7.0
"""A rise is over when counts are so much likelier from background than from this much more; one in 1100. Our choice."""
CLEAR_COUNTS, CLEAR_SHARE = 20.0, 0.6
"""…in so many counts, and not from a detector that counts (nearly) nothing: saturated ones do."""
MAX_RECENT = 60


@dataclass(frozen=True, slots=True)
class AreaPace:
    """What follows from how often a monitor is read; all in samples."""

    per_sample: int
    """Readings in one sample."""
    seconds: float
    """Of one sample."""
    quarantine: float
    warm_up: float

    @classmethod
    def of(cls, period_us: int | None, quarantine_s: float, warm_up_s: float) -> AreaPace:
        """Return the pace of a monitor that is read every `period_us`; a second where it does not say."""
        period_s = (period_us or 1_000_000) / 1e6
        per_sample = max(1, round(SAMPLE_S / period_s))
        seconds = per_sample * period_s
        return cls(per_sample, seconds, quarantine_s / seconds, max(warm_up_s / seconds, MIN_BLOCK))

    @property
    def window(self) -> int:
        """Return the longest window."""
        return max(MIN_WINDOW, round(MAX_WINDOW_S / self.seconds))


class AreaAlarm(msgspec.Struct):
    """A rise that lasts: what was said of it, and what speaks for its end."""

    id: str
    since: int
    sigma: float
    """As it was said."""
    ratio: float
    peak: float
    back: float = 0.0
    """Nats for background against the rise, since `low`."""
    low: int = 0
    counted: float = 0.0
    expected: float = 0.0


class HeldReading(msgspec.Struct, array_like=True):
    """A reading that stands out so far alone."""

    t: int
    value: float


class AreaMonitor(msgspec.Struct):
    """Everything that is known of one monitor. Times are µs; counts are as the channel gives them."""

    meaning: str = ""
    last: int = 0
    begun: int = 0
    """When the sample that is being put together began."""
    counted: float = 0.0
    readings: int = 0
    held: HeldReading | None = None
    spikes: int = 0
    scatter: Scatter = msgspec.field(default_factory=Scatter)
    background: AreaBackground = msgspec.field(default_factory=AreaBackground)
    scan: ChangeScan = msgspec.field(default_factory=ChangeScan)
    recent: list[float] = []
    alarm: AreaAlarm | None = None
    own: AreaAlarm | None = None
    """The device's own alarm."""

    def believe(self, t: int, value: float, pace: AreaPace, top: float) -> list[tuple[int, float]]:
        """Return what may be judged now that this reading has come, with its time; a spike of one reading never is."""
        nats, held = self._nats(value, pace), self.held
        if held is not None:
            self.held = None
            if nats >= SPIKE_AGREES:
                return [(held.t, held.value), (t, value)]
            self.spikes += 1
        if nats >= top + SPIKE_MARGIN and self.alarm is None:
            self.held = HeldReading(t, value)
            return []
        return [(t, value)]

    def _nats(self, value: float, pace: AreaPace) -> float:
        """Return how far one reading alone speaks for more than background."""
        back = self.background
        if back.samples < pace.warm_up:
            return 0.0
        expected = back.rate * back.factor / pace.per_sample
        if value <= expected:
            return 0.0
        return (value * math.log(value / expected) - value + expected) / back.dispersion

    def fill(self, t: int, value: float, pace: AreaPace) -> tuple[int, float] | None:
        """Put a reading to the present sample; return when that began and what it counted once it is full."""
        if self.readings == 0:
            self.begun, self.counted = t, 0.0
        self.readings += 1
        self.counted += value
        if self.readings < pace.per_sample:
            return None
        self.readings = 0
        counted, recent = self.counted, self.recent
        recent.append(counted if counted.is_integer() else round(counted, 4))
        if len(recent) > MAX_RECENT:
            del recent[0]
        return self.begun, counted

    def rise(self, t: int, counted: float, pace: AreaPace, levels: tuple[float, ...]) -> Rise | None:
        """Take a sample that began at `t`; return the rise it makes sure."""
        back = self.background
        if back.samples < pace.warm_up:
            return None
        self.scan.add(t, counted, back.rate * back.factor)
        return self.scan.best(self.known(), levels) if self.scan.may_pass() else None

    def known(self) -> Known:
        """Return what is known of the background now."""
        back = self.background
        counted, exposure = back.waits()
        wander = back.wander + back.doubt
        return Known(back.known, counted, exposure * back.rate, wander, back.dispersion)

    def learn(self, counted: float, pace: AreaPace) -> None:
        """Let a sample of what seems background wait to be learned."""
        back = self.background
        back.add(counted)
        block = back.block
        if block is not None and block.samples >= min(max(MIN_BLOCK, back.samples / 8), BLOCK_S / pace.seconds):
            back.close(pace.quarantine, REACH_S / pace.seconds)
            self.scan.look_again()

    def has_returned(self, t: int, counted: float) -> bool:
        """Take a sample while a rise lasts; return whether counts are those of background again."""
        alarm, back = self.alarm, self.background
        assert alarm is not None
        expected, ratio = back.rate * back.factor, min(alarm.ratio, CLEAR_RATIO)
        alarm.back += (expected * (ratio - 1) - counted * math.log(ratio)) / back.dispersion
        if alarm.back <= 0:
            alarm.back, alarm.low, alarm.counted, alarm.expected = 0.0, t, 0.0, 0.0
            return False
        alarm.counted += counted
        alarm.expected += expected
        if alarm.counted < CLEAR_SHARE * alarm.expected:
            return False
        return alarm.back >= CLEAR_NATS and alarm.expected >= CLEAR_COUNTS * back.dispersion

    def follow(self, t: int, counted: float, levels: tuple[float, ...]) -> None:
        """Note how strong a rise has become."""
        alarm, back = self.alarm, self.background
        assert alarm is not None
        self.scan.add(t, counted, back.rate * back.factor)
        found = self.scan.best(self.known(), levels, anyway=True)
        if found is not None and found.sigma > alarm.peak:
            alarm.peak = found.sigma

    def settle(self) -> None:
        """Search for the next rise from here on; what is in the present one is never learned."""
        self.alarm, self.scan = None, ChangeScan()

    def learn_anew(self) -> None:
        """Forget the background: what is now will be background."""
        self.settle()
        self.background, self.scatter = AreaBackground(), Scatter()

    def rewind(self) -> None:
        """Keep what was learned, and forget the moment."""
        self.background.rewind()
        self.last = self.readings = 0
        self.held = self.alarm = self.own = None
        self.scan, self.recent = ChangeScan(), []
        self.scatter.before = []
