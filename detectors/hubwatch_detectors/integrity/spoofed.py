"""Readings that somebody writes: the noise of a channel is not the one it always had.

A real channel has noise of its own: counts scatter as Poisson counts, an amplifier hums, a converter has its decimals.
Blocks of samples are described by a few numbers that do not depend on the level: size, shape and colour of the noise,
repeats, decimals, and for counts the ratio of variance to mean, from differences so that drift does not matter. Each
is compared with its own history, block by block and as the mean of four blocks, which finds smaller changes. A block
counts when a number lies far outside everything the channel has shown. Two such blocks in a row are a detection, three
of a state, which is judged by the lengths of the times it was set. Values that repeat more, or need fewer decimals, are
a channel at rest and not somebody's hand, so they do not count. A block at a level where the channel never was is not
compared (`level.py`); where such a level stays, its noise is learned anew.

Who writes noise of the same size, shape, colour and decimals is not found by this.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from operator import lt, sub
from statistics import median

import msgspec
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from hubwatch_core.clock import SECOND_US
from hubwatch_core.wire import Channel, Clear, Detection
from hubwatch_core.words import ChannelKind, Priority
from hubwatch_detectors.chunk import Steps
from hubwatch_detectors.contract import DetectorConfig, Finding, Origin, Scope, Site, Spec
from hubwatch_detectors.integrity.level import Level, is_elsewhere, level
from hubwatch_detectors.methods.by_channel import ChannelDetector
from hubwatch_detectors.rates import no_rate

MOST_CHANNELS = 32
MOST_BLOCKS = 96
"""Blocks of history; at a sample a minute, four days."""
STATE_SAMPLES = 8
BLOCKS, STATE_BLOCKS = 2, 3
"""Blocks in a row that are found. A door's openings are few, and of a few lengths as they are read: eight of one length
come by chance."""
LONG = 4
"""Blocks of the longer view."""
MOST_DECIMALS = 5
FEATURES = ("size", "shape", "colour", "repeats", "decimals", "dispersion")
REPEATS = FEATURES.index("repeats")
MOSTLY = 0.5
"""A block with more repeats than this is at rest."""
ONE_SIDED = np.array([0.0, 1.0, 0.0, -1.0, 1.0, 0.0])
"""Rest makes shapes smaller (few steps among many rests), more repeats and fewer decimals: that does not count."""
FLOORS = np.array([0.05, 0.02, 0.05, 0.04, 0.05, 0.05])
"""Differences that are nothing: about the scatter of a block of 64 samples of white noise. Our choice."""
ABSURD = 1e12
SET_FROM = 0.5
LEAST_SIZE = 1e-6

Numbers = NDArray[np.float64]


class SpoofedConfig(DetectorConfig):
    """When noise counts as written by somebody."""

    block_samples: int = Field(64, ge=32, le=1024, description="Samples of a block.")
    min_blocks: int = Field(24, ge=8, le=MOST_BLOCKS, description="Blocks of history before a channel is judged.")
    deviations: float = Field(
        6.0, gt=2, description="Deviations (by the median of the history) from which a block counts as another's noise."
    )
    margin: float = Field(
        0.5, ge=0, description="How far outside all its history a block must lie, as a share of that history's range."
    )


class Noise(msgspec.Struct):
    """What is remembered of one channel; times in µs."""

    samples: list[float] = []
    begin: int = 0
    last: int = 0
    base: float | None = None
    """A counter's last value."""
    set_at: int = 0
    """When a state was set."""
    blocks: list[list[float]] = []
    recent: list[list[float]] = []
    """The last blocks, for the longer view; not part of the history yet."""
    levels: list[Level] = []
    """Where the blocks lay, the same and the last few that are not part of the history yet; none of a state."""
    away: int = 0
    """Blocks in a row that lay where none did before."""
    odd: int = 0
    """Blocks in a row that were another's."""
    since: int = 0
    alarm: str | None = None
    peak: float = 0.0


class SpoofedMemory(msgspec.Struct):
    """The channels of one sensor."""

    channels: dict[str, Noise] = {}


class Spoofed(ChannelDetector[SpoofedMemory, Noise]):
    """The channels of one sensor."""

    entry = Noise
    max_channels = MOST_CHANNELS

    def __init__(self, config: SpoofedConfig, origin: Origin, _site: Site) -> None:
        self.config, self.origin, self.memory = config, origin, SpoofedMemory()
        self._histories: dict[str, Numbers] = {}
        """The blocks of each channel as they are counted with."""

    def restore(self, state: bytes) -> None:
        """Take up a saved state."""
        super().restore(state)
        self._histories = {}

    def rewind(self) -> None:
        """Keep each channel's history."""
        self.memory.channels = {
            name: Noise(blocks=noise.blocks, levels=noise.levels) for name, noise in self.memory.channels.items()
        }

    @property
    def entries(self) -> dict[str, Noise]:
        """Return what is remembered, by channel."""
        return self.memory.channels

    def follow(
        self, channel: Channel, entry: Noise, times: list[int], values: list[float], steps: Steps
    ) -> list[Finding]:
        """Put what is fresh of a column into blocks, and judge those that are full."""
        if steps.least <= 0 or times[0] <= entry.last:
            times, values = _fresh(times, values, entry.last)
            if not times:
                return []
        moments, samples = _samples(channel, entry, times, values)
        is_state, found, begin = channel.kind is ChannelKind.STATE, list[Finding](), 0
        size = STATE_SAMPLES if is_state else self.config.block_samples
        while begin < len(samples):
            part = samples[begin : begin + max(size - len(entry.samples), 1)]
            entry.begin = entry.begin if entry.samples else moments[begin]
            if max(part) > ABSURD or min(part) < -ABSURD:
                part = [min(max(each, -ABSURD), ABSURD) for each in part]
            entry.samples += part
            begin += len(part)
            if len(entry.samples) >= size:
                entry.last, block = moments[begin - 1], np.array(entry.samples)
                entry.samples = []
                if is_state or not self._is_away(entry, block):
                    counts = channel.unit.startswith("count")
                    found += self._judge(channel, entry, features(block, counts=counts, rests=not is_state))
        entry.last = times[-1]
        return found

    def _is_away(self, noise: Noise, block: Numbers) -> bool:
        """Return whether a block lies where the channel never was; its noise says nothing then.

        After as many such blocks as a history needs, that is where the channel is: everything is learned anew.
        """
        now, known = level(block), len(noise.blocks) >= self.config.min_blocks
        if not known or not is_elsewhere(noise.levels, now, float(np.exp2(median([each[0] for each in noise.blocks])))):
            noise.away, noise.levels = 0, [*noise.levels, now][-MOST_BLOCKS:]
            return False
        noise.away, noise.odd, noise.recent = noise.away + 1, 0, []
        if noise.away >= self.config.min_blocks:
            noise.away, noise.blocks, noise.levels = 0, [], []
        return True

    def _judge(self, channel: Channel, noise: Noise, block: list[float] | None) -> list[Finding]:
        if block is None:
            return []
        if len(noise.blocks) < self.config.min_blocks:
            noise.blocks.append(block)
            self._histories.pop(channel.name, None)
            return []
        history = self._histories.get(channel.name)
        if history is None:
            history = self._histories[channel.name] = np.array(noise.blocks)
        last = [block] if channel.kind is ChannelKind.STATE else [*noise.recent, block]
        strangeness = self._strangeness(history, np.array(last))
        score = float(strangeness.max())
        if score < 1:
            if _learn(noise, block):
                self._histories[channel.name] = np.vstack([history, noise.blocks[-1]])[-MOST_BLOCKS:]
            return self._ended(noise)
        noise.odd += 1
        noise.recent = [*noise.recent, block][1 - LONG :]
        noise.since = noise.begin if noise.odd == 1 else noise.since
        noise.peak = max(noise.peak, score)
        in_a_row = STATE_BLOCKS if channel.kind is ChannelKind.STATE else BLOCKS
        if noise.odd < in_a_row or noise.alarm is not None:
            return []
        return [self._detection(channel, noise, history, block, int(strangeness.argmax()), score)]

    def _strangeness(self, history: Numbers, blocks: Numbers) -> Numbers:
        """Return for each feature how far it lies beyond what is allowed, as a share: from 1 on it is another's."""
        resting = blocks[:, REPEATS] >= MOSTLY
        found = self._beyond(history, blocks[-1], self.config.margin, rests=bool(resting[-1]))
        if len(blocks) == LONG and len(history) >= 4 * LONG:
            sums = np.zeros((len(history) + 1, history.shape[1]))
            np.cumsum(history, axis=0, out=sums[1:])
            means = (sums[LONG:] - sums[:-LONG]) / LONG
            now = np.add.reduce(blocks, axis=0) / LONG
            longer = self._beyond(means, now, 2 * self.config.margin, rests=bool(resting.any()))
            found = np.maximum(found, longer)
        return found

    def _beyond(self, history: Numbers, now: Numbers, margin: float, *, rests: bool) -> Numbers:
        """Return it for one view; that of means has the wider margin, because its history is of fewer weathers."""
        low, high = history.min(axis=0), history.max(axis=0)
        edge = np.maximum(margin * (high - low), 2 * FLOORS)
        outside: Numbers = np.maximum(low - now, now - high) / edge
        if outside.max() < 1:
            return outside  # nearly always; then it does not matter how far that is in deviations
        middle = np.median(history, axis=0)
        deviation = np.maximum(1.4826 * np.median(np.abs(history - middle), axis=0), FLOORS)
        far = np.abs(now - middle) / (self.config.deviations * deviation)
        ignored = (ONE_SIDED == 0) & rests | ((now - middle) * ONE_SIDED < 0)
        least: Numbers = np.where(ignored, 0.0, np.minimum(far, outside))
        return least

    def _ended(self, noise: Noise) -> list[Finding]:
        alarm, peak = noise.alarm, noise.peak
        noise.alarm, noise.peak = None, 0.0
        return [Clear(alarm, max(noise.begin, noise.since), noise.last, score=round(peak, 3))] if alarm else []

    def _detection(
        self, channel: Channel, noise: Noise, history: Numbers, block: list[float], worst: int, score: float
    ) -> Detection:
        usual = [round(float(each), 4) for each in np.quantile(history[:, worst], [0, 0.5, 1])]
        detection = self.origin.detection(
            "integrity.spoofed",
            subject=channel.name,
            start=noise.since,
            detected=noise.last,
            score=score,
            priority=Priority.HIGH,
            why=f"the noise of {channel.name} is not its own: its {FEATURES[worst]} is {block[worst]:.3g}, and was "
            f"between {usual[0]:.3g} and {usual[2]:.3g} in {len(history)} blocks; somebody may be writing its values",
            evidence={
                "feature": FEATURES[worst],
                "usual": usual,
                "now": {name: round(value, 4) for name, value in zip(FEATURES, block, strict=True)},
                "series": [round(float(each), 4) for each in history[:, worst]],
                "block_s": round((noise.last - noise.begin) / SECOND_US, 1),
                "threshold": 1.0,
            },
        )
        noise.alarm = detection.id
        return detection


def _learn(noise: Noise, block: list[float]) -> bool:
    """Take a block into the history once it is out of the longer view; those around another's noise are left out.

    Return whether the history has changed.
    """
    noise.recent = [block] if noise.odd else [*noise.recent, block]
    noise.odd = 0
    if len(noise.recent) >= LONG:
        noise.blocks = [*noise.blocks, noise.recent[0]][-MOST_BLOCKS:]
        del noise.recent[0]
        return True
    return False


def _fresh(times: list[int], values: list[float], last: int) -> tuple[list[int], list[float]]:
    """Return the readings later than `last`; of several at one time the first."""
    first = bisect_right(times, last)
    times, values = times[first:], values[first:]
    if all(map(lt, times, times[1:])):
        return times, values
    kept = [i for i, t in enumerate(times) if i == 0 or t > times[i - 1]]
    return [times[i] for i in kept], [values[i] for i in kept]


def _samples(channel: Channel, noise: Noise, times: list[int], values: list[float]) -> tuple[list[int], list[float]]:
    """Return what is judged of readings, and when: values, a counter's increments, how long a state was set (log2 of
    s).
    """
    if channel.kind is ChannelKind.GAUGE:
        return times, values
    if channel.kind is ChannelKind.COUNTER:
        before, noise.base = noise.base, values[-1]
        if before is None:
            return times[1:], list(map(sub, values[1:], values))
        return times, list(map(sub, values, [before, *values]))
    if not noise.set_at and max(values) < SET_FROM:
        return [], []
    moments, samples = list[int](), list[float]()
    for t, value in zip(times, values, strict=True):
        if value >= SET_FROM:
            noise.set_at = noise.set_at or t
        elif noise.set_at:
            moments.append(t)
            samples.append(math.log2((t - noise.set_at) / SECOND_US))
            noise.set_at = 0
    return moments, samples


def features(block: Numbers, *, counts: bool = False, rests: bool = True) -> list[float] | None:
    """Return the numbers that describe a block's noise; None where it does not move at all, and may rest."""
    moved = block[1:] - block[:-1]
    count = len(moved)
    steps = moved - np.add.reduce(moved) / count  # a steady drift is no noise
    size = math.sqrt(float(steps @ steps) / count)
    if size < LEAST_SIZE and rests:
        return None
    size = max(size, LEAST_SIZE)
    mean = float(np.add.reduce(np.abs(block))) / len(block)
    return [
        math.log2(size),
        float(np.add.reduce(np.abs(steps))) / count / size,
        float(steps[1:] @ steps[:-1]) / (count - 1) / size**2,
        1 - int(np.count_nonzero(moved)) / count if rests else 0.0,
        _decimals(block),
        math.log2(0.5 * size**2 / mean) if counts and mean > 0 else 0.0,
    ]


def _decimals(block: Numbers) -> float:
    """Return the decimals that the values need, on average."""
    if not np.count_nonzero(block != np.rint(block)):
        return 0.0
    needed = np.full(block.shape, float(MOST_DECIMALS))
    for decimals in range(MOST_DECIMALS):
        scaled = block * 10.0**decimals
        fits = np.abs(scaled - np.rint(scaled)) < 1e-6 * np.maximum(1.0, np.abs(scaled))
        np.minimum(needed, decimals, out=needed, where=fits)
        if fits.all():
            break
    return float(needed.mean())


SPEC = Spec(
    name="spoofed",
    version=2,
    scope=Scope.SENSOR,
    types=("integrity.spoofed",),
    config=SpoofedConfig,
    make=Spoofed,
    no_share={"integrity.spoofed": no_rate("deviations", "margin")},
    source="median and robust deviation of the noise's own history",
    warm_up="min_blocks blocks of block_samples samples",
    patience_s=30,
)
