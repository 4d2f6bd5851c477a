"""One gauge that says what it never said before, whatever it measures.

The last three samples are compared with every triple of the history. The distance to the nearest one, in standard
deviations of the history, is the score: a level, a spike or a step that has a like in the history scores low, however
rare its value; one without a like scores high. It is the nearest-neighbour form of novelty detection (Markou & Singh
2003, Signal Processing 83:2481), with conformal relatives in the NAB benchmark (Burnaev & Ishimtsev 2016, KNN-CAD).

Triples that lie close to a known one are not kept, so the history is a bounded set of what was seen, the least used one
being forgotten first. What is called anomalous is not learned until `relearn_s` later: a change that was reported and
that people have left as it is, is then part of what the channel does.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from pydantic import Field

from hubwatch_core.clock import SECOND_US
from hubwatch_core.wire import Channel, Clear, Detection
from hubwatch_core.words import ChannelKind, Priority, SensorKind
from hubwatch_detectors.chunk import Steps
from hubwatch_detectors.contract import DetectorConfig, Finding, Origin, Scope, Site, Spec
from hubwatch_detectors.methods.by_channel import ChannelDetector
from hubwatch_detectors.rates import no_rate

LENGTH = 3
"""Samples compared at once. Our choice: one sample knows no shape, and many make everything new."""
MOST_KNOWN = 300
MOST_CHANNELS = 32
MOST_PLOTTED = 60
MOST_WAITING = 100
ABSURD = 1e15
MERGED = 0.05
"""Triples nearer than this (mean of standard deviations) are one. Our choice: far below the threshold."""
COARSE = 0.4
"""The same once `MOST_KNOWN` are kept: what is rare is then not forgotten for what is one of many."""


class SeriesConfig(DetectorConfig):
    """When one gauge counts as anomalous."""

    novelty: float = Field(
        0.9, gt=0, description="Distance to the nearest triple ever seen, in standard deviations, that is anomalous."
    )
    step_s: float = Field(60.0, ge=0, description="Samples closer than this are averaged.")
    min_history: int = Field(150, ge=20, le=10_000, description="Samples of history before a channel is judged.")
    calm_samples: int = Field(100, ge=1, le=10_000, description="Samples without novelty that end a detection.")
    relearn_s: float = Field(
        43_200.0, gt=0, description="Seconds after which what was found anomalous counts as known."
    )


class Gauge(msgspec.Struct):
    """One channel; times in µs."""

    known: list[list[float]] = []
    """Triples, the one used last at the end."""
    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    """Sum of squared deviations of what was learned."""
    last: int = 0
    step: int = 0
    """The step of time that goes on."""
    total: float = 0.0
    samples: int = 0
    recent: list[float] = []
    waiting: list[tuple[int, list[float]]] = []
    """Anomalous triples and when they were seen, until they count as known."""
    alarm: str | None = None
    calm: int = 0
    since: int = 0
    """End of the last anomalous sample."""
    peak: float = 0.0


class SeriesMemory(msgspec.Struct):
    """The gauges of one sensor."""

    channels: dict[str, Gauge] = {}


class SeriesDetector(ChannelDetector[SeriesMemory, Gauge]):
    """The gauges of one sensor, each by itself."""

    entry = Gauge
    kinds = frozenset({ChannelKind.GAUGE})
    max_channels = MOST_CHANNELS

    def __init__(self, config: SeriesConfig, origin: Origin, _site: Site) -> None:
        self.config, self.origin, self.memory = config, origin, SeriesMemory()
        self._step_us = max(1, round(config.step_s * SECOND_US))

    @property
    def entries(self) -> dict[str, Gauge]:
        """Return what is remembered, by channel."""
        return self.memory.channels

    def follow(
        self, channel: Channel, entry: Gauge, times: list[int], values: list[float], steps: Steps
    ) -> list[Finding]:
        """Follow a gauge by its steps of time."""
        found: list[Finding] = []
        for t, value in zip(times, values, strict=True):
            if t <= entry.last:
                continue
            step = t // self._step_us
            if entry.samples and step != entry.step:
                found += self._sample(channel, entry)
            entry.last, entry.step = t, step
            entry.total += min(max(value, -ABSURD), ABSURD)
            entry.samples += 1
        return found

    def rewind(self) -> None:
        """Keep what each channel has learned."""
        self.memory.channels = {
            name: Gauge(
                known=gauge.known,
                count=gauge.count,
                mean=gauge.mean,
                squares=gauge.squares,
                waiting=gauge.waiting,
            )
            for name, gauge in self.memory.channels.items()
        }

    def _sample(self, channel: Channel, gauge: Gauge) -> list[Finding]:
        """Judge the mean of a step of time that is over."""
        value = gauge.total / gauge.samples
        gauge.total, gauge.samples = 0.0, 0
        gauge.recent = [*gauge.recent, value][-MOST_PLOTTED:]
        if len(gauge.recent) < LENGTH:
            return []
        triple = gauge.recent[-LENGTH:]
        self._learn_waiting(gauge)
        score, nearest = _novelty(gauge, triple)
        new = gauge.count >= self.config.min_history and score >= self.config.novelty
        found = self._decide(channel, gauge, score, value, new=new)
        if not new:
            _learn(gauge, triple, score, nearest)
        elif len(gauge.waiting) < MOST_WAITING:
            gauge.waiting.append((gauge.last, triple))
        return found

    def _learn_waiting(self, gauge: Gauge) -> None:
        """Learn what was found anomalous long enough ago."""
        known_from = gauge.last - round(self.config.relearn_s * SECOND_US)
        while gauge.waiting and gauge.waiting[0][0] <= known_from:
            _, triple = gauge.waiting.pop(0)
            _learn(gauge, triple, *_novelty(gauge, triple))

    def _decide(self, channel: Channel, gauge: Gauge, score: float, value: float, *, new: bool) -> list[Finding]:
        if gauge.alarm is None:
            return [self._begin(channel, gauge, score, value)] if new else []
        gauge.calm = 0 if new else gauge.calm + 1
        if new:
            gauge.since, gauge.peak = gauge.last, max(gauge.peak, score)
        return self._end(gauge) if gauge.calm >= self.config.calm_samples else []

    def _begin(self, channel: Channel, gauge: Gauge, score: float, value: float) -> Detection:
        detection = self.origin.detection(
            "process.series",
            subject=channel.name,
            start=gauge.last,
            detected=gauge.last,
            score=score,
            priority=Priority.MEDIUM,
            why=f"{channel.name} says {value:g} {channel.unit} after {gauge.recent[-2]:g}; nothing like it was seen "
            f"in {gauge.count} samples (nearest {score:.2f} standard deviations away)",
            evidence={
                "value": value,
                "novelty": round(score, 3),
                "threshold": self.config.novelty,
                "mean": round(gauge.mean, 6),
                "deviation": round(_deviation(gauge), 6),
                "samples": gauge.count,
                "step_s": self.config.step_s,
                "recent": [round(each, 6) for each in gauge.recent],
            },
        )
        gauge.alarm, gauge.peak, gauge.since, gauge.calm = detection.id, score, gauge.last, 0
        return detection

    def _end(self, gauge: Gauge) -> list[Finding]:
        alarm, gauge.alarm = gauge.alarm, None
        return [Clear(alarm, gauge.since, gauge.last, score=round(gauge.peak, 3))] if alarm is not None else []


def _deviation(gauge: Gauge) -> float:
    return math.sqrt(gauge.squares / max(1, gauge.count - 1))


def _novelty(gauge: Gauge, triple: list[float]) -> tuple[float, int]:
    """Return the distance to the nearest known triple in standard deviations, and its place; 0 where none is known.

    A channel that has never moved yet has no deviation: then any other value is new.
    """
    if not gauge.known:
        return 0.0, -1
    distances = np.abs(np.array(gauge.known) - np.array(triple)).mean(axis=1)
    nearest = int(distances.argmin())
    distance = float(distances[nearest])
    least = 1e-6 * max(1.0, abs(gauge.mean))
    return distance / max(_deviation(gauge), least), nearest


def _learn(gauge: Gauge, triple: list[float], score: float, nearest: int) -> None:
    gauge.count += 1
    change = triple[-1] - gauge.mean
    gauge.mean += change / gauge.count
    gauge.squares += change * (triple[-1] - gauge.mean)
    full = len(gauge.known) >= MOST_KNOWN
    if nearest >= 0 and score < (COARSE if full else MERGED):
        gauge.known.append(gauge.known.pop(nearest))
        return
    gauge.known.append([float(f"{each:.6g}") for each in triple])
    if full:
        del gauge.known[0]


SPEC = Spec(
    name="series",
    version=1,
    scope=Scope.SENSOR,
    types=("process.series",),
    config=SeriesConfig,
    make=SeriesDetector,
    kinds=frozenset({SensorKind.PROCESS, SensorKind.ENVIRONMENT, SensorKind.POWER}),
    channel_kind=ChannelKind.GAUGE,
    no_share={"process.series": no_rate("novelty")},
    source="nearest-neighbour novelty: Markou and Singh 2003, Signal Processing 83:2481",
    warm_up="min_history samples",
    patience_s=30,
)
