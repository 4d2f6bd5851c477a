"""A plant that does not behave as its own normal history: pumps, tanks, cold stores.

The model comes from `model.fit`. Here readings become one row a period, and each row is held against the model: over a
single period for what is wrong at once, and over several for what is a little wrong for long. The signals that differ
most from what the others say are named; where a level is falsified, that is the level or what hangs on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np
from pydantic import Field

from hubwatch_core.clock import SECOND_US
from hubwatch_core.config import ConfigId, Conflict, Section
from hubwatch_core.errors import Permanent
from hubwatch_core.wire import Clear, Detection, Sensor
from hubwatch_core.words import Priority, SensorKind
from hubwatch_detectors.chunk import Chunk
from hubwatch_detectors.contract import NEVER, Detector, DetectorConfig, Finding, Origin, Scope, Site, Spec
from hubwatch_detectors.process.model import PlantModel, Predictor, Rows, load
from hubwatch_detectors.rates import FITTED

MOST_NAMED = 5
NAMED_FROM = 0.3
"""A signal is named from this share of the threshold on. Our choice."""
MOST_PLOTTED = 120


class PlantEntry(Section):
    """One plant and its model."""

    hub: ConfigId = Field(description="The hub it stands in.")
    model_file: Path = Field(description="What `hubwatch detectors fit` wrote for it.")


class ProcessConfig(DetectorConfig):
    """Plants that are watched as a whole."""

    plants: tuple[PlantEntry, ...] = Field((), max_length=100, description="Plants with a fitted model.")
    hold_periods: float = Field(
        2.0, ge=1, le=100, description="Periods for which a signal that says nothing new still counts as it was."
    )
    grace_s: float = Field(
        5.0, ge=0, le=3600, description="Seconds after the end of a period in which its readings may still come."
    )

    def conflicts(self) -> Iterator[Conflict]:
        """Every model can be read."""
        for index, plant in enumerate(self.plants):
            try:
                _predictor(plant.model_file)
            except Permanent as error:
                yield ("plants", index, "model_file"), str(error)


@lru_cache(maxsize=64)
def _predictor(file: Path) -> Predictor:
    return Predictor(load(file))


class PlantMemory(msgspec.Struct):
    """What is remembered of one plant; times in µs."""

    period: int = 0
    """The period that goes on, counted from 1970."""
    values: dict[str, tuple[int, float]] = {}
    """The last value of each signal, up to the end of that period."""
    ahead: dict[str, tuple[int, float]] = {}
    """Those of the next one, which came while this one was still waited for."""
    before: list[float] | None = None
    """The row of the period before."""
    squares: list[list[float]] = []
    scores: list[float] = []
    alarm: str | None = None
    peak: float = 0.0


class ProcessMemory(msgspec.Struct):
    """The plants of a hub, in the order of the configuration."""

    plants: list[PlantMemory] = []


class ProcessDetector(Detector[ProcessMemory]):
    """The plants of one hub."""

    def __init__(self, config: ProcessConfig, origin: Origin, _site: Site) -> None:
        files = [plant.model_file for plant in config.plants if plant.hub == origin.hub]
        self._watches = [_Watch(config, origin, _predictor(file)) for file in files]
        self._sensors = {name.partition("/")[0] for watch in self._watches for name in watch.model.signals}
        self.memory = ProcessMemory([PlantMemory() for _ in self._watches])

    def looks_at(self, sensor: Sensor) -> bool:
        """Return whether a sensor belongs to a plant."""
        return sensor.sensor in self._sensors

    def due(self) -> int:
        """Return when the next period is over."""
        return min((watch.due(memory) for watch, memory in self._pairs()), default=NEVER)

    def update(self, chunk: Chunk) -> list[Finding]:
        """Take what belongs to a plant."""
        if not self.looks_at(chunk.sensor):
            return []
        found: list[Finding] = []
        for reading in chunk.readings:
            name = f"{chunk.sensor.sensor}/{reading.channel}"
            for watch, memory in self._pairs():
                if name in watch.signals:
                    found += watch.take(memory, name, reading.t, reading.value)
        return found

    def advance(self, now: int) -> list[Finding]:
        """Judge the periods that are over."""
        return [finding for watch, memory in self._pairs() for finding in watch.advance(memory, now)]

    def rewind(self) -> None:
        """What is normal stands in the model; nothing else outlasts the moment."""
        self.memory = ProcessMemory([PlantMemory() for _ in self._watches])

    def restore(self, state: bytes) -> None:
        """Take up a saved state; plants whose number has changed begin anew."""
        super().restore(state)
        if len(self.memory.plants) != len(self._watches):
            self.rewind()

    def _pairs(self) -> Iterator[tuple[_Watch, PlantMemory]]:
        return zip(self._watches, self.memory.plants, strict=True)


class _Watch:
    """One plant held against its model."""

    def __init__(self, config: ProcessConfig, origin: Origin, predictor: Predictor) -> None:
        self.model: PlantModel = predictor.model
        self.signals = frozenset(self.model.signals)
        self._predictor, self._origin = predictor, origin
        self._period_us = round(self.model.period_s * SECOND_US)
        self._grace_us = min(round(config.grace_s * SECOND_US), self._period_us - 1)
        self._hold_us = round(config.hold_periods * self._period_us)
        self._longest = max(self.model.windows)

    def take(self, memory: PlantMemory, name: str, t: int, value: float) -> list[Finding]:
        """Take one value of a signal."""
        found = self.advance(memory, t)
        period = t // self._period_us
        memory.period = memory.period or period
        if period < memory.period:
            return found
        values = memory.values if period == memory.period else memory.ahead
        last = values.get(name) or memory.values.get(name)
        if last is None or t > last[0]:
            values[name] = (t, value)
        return found

    def advance(self, memory: PlantMemory, now: int) -> list[Finding]:
        """Judge what is over at `now`."""
        found: list[Finding] = []
        while now >= self.due(memory):
            found += self._judge(memory)
            if not memory.ahead and self._stale(memory):
                found += self._begin_anew(memory)
        return found

    def due(self, memory: PlantMemory) -> int:
        """Return from when on the present period is over (µs)."""
        return (memory.period + 1) * self._period_us + self._grace_us + 1 if memory.period else NEVER

    def _stale(self, memory: PlantMemory) -> bool:
        """Return whether nothing is left that later periods could be judged by."""
        end = memory.period * self._period_us
        return all(t <= end - self._hold_us for t, _ in memory.values.values())

    def _begin_anew(self, memory: PlantMemory) -> list[Finding]:
        """Nothing was said for long: what was found ends, and the windows begin anew with the next reading."""
        end = memory.period * self._period_us
        memory.period, memory.before, memory.squares, memory.scores = 0, None, [], []
        return self._ended(memory, end, end)

    def _judge(self, memory: PlantMemory) -> list[Finding]:
        end = (memory.period + 1) * self._period_us
        row = self._row(memory, end)
        before = memory.before
        memory.before = row
        memory.period += 1
        memory.values |= memory.ahead
        memory.ahead = {}
        if row is None or before is None:
            return []
        past, now = np.array(before), np.array(row)
        memory.squares = [*memory.squares, self._predictor.squares(past, now).tolist()][-self._longest :]
        return self._decide(memory, past, now, end)

    def _row(self, memory: PlantMemory, end: int) -> list[float] | None:
        """Return the value of every signal at the end of a period; None where one has none that still counts, or where
        nothing at all was said in the period.
        """
        if all(t < end - self._period_us for t, _ in memory.values.values()):
            return None
        found = [memory.values.get(name) for name in self.model.signals]
        fresh = [each[1] for each in found if each is not None and each[0] > end - self._hold_us]
        return fresh if len(fresh) == len(found) else None

    def _decide(self, memory: PlantMemory, past: Rows, now: Rows, end: int) -> list[Finding]:
        squares = np.array(memory.squares)
        shares = np.zeros(squares.shape[1])
        for window, threshold in zip(self.model.windows, self.model.thresholds, strict=True):
            if len(squares) >= window:
                shares = np.maximum(shares, squares[-window:].mean(axis=0) / threshold)
        score = float(shares.max())
        memory.scores = [*memory.scores, round(score, 3)][-MOST_PLOTTED:]
        memory.peak = max(memory.peak, score) if memory.alarm is not None else score
        if score >= 1 and memory.alarm is None:
            detection = self._detection(memory, shares, past, now, end)
            memory.alarm = detection.id
            return [detection]
        return self._ended(memory, end - self._period_us, end) if score < 1 else []

    def _ended(self, memory: PlantMemory, end: int, detected: int) -> list[Finding]:
        alarm, memory.alarm = memory.alarm, None
        return [Clear(alarm, end, detected, score=round(memory.peak, 3))] if alarm is not None else []

    def _detection(self, memory: PlantMemory, shares: Rows, past: Rows, now: Rows, end: int) -> Detection:
        worst = [int(i) for i in np.argsort(-shares)[:MOST_NAMED] if shares[i] >= NAMED_FROM]
        signals = [
            {
                "signal": self.model.signals[self.model.targets[i]],
                "share": round(float(shares[i]), 3),
                "value": float(now[self.model.targets[i]]),
                "expected": round(self._predictor.expected(past, now, i), 4),
            }
            for i in worst
        ]
        first = signals[0]
        sensor, _, channel = str(first["signal"]).partition("/")
        return self._origin.detection(
            "process.multivariate",
            sensor=sensor,
            subject=channel,
            start=end - self._period_us,
            detected=end,
            score=float(shares.max()),
            priority=Priority.HIGH,
            why=f"{first['signal']} says {first['value']:g} where the other signals make {first['expected']:.4g} "
            f"expected; {len(signals)} signal(s) do not agree with normal operation",
            evidence={
                "signals": signals,
                "threshold": 1.0,
                "expected_false_share": self.model.false_share,
                "windows": list(self.model.windows),
                "model_rows": self.model.rows,
                "scores": memory.scores,
                "period_s": self.model.period_s,
            },
        )


SPEC = Spec(
    name="process",
    version=1,
    scope=Scope.HUB,
    types=("process.multivariate",),
    config=ProcessConfig,
    make=ProcessDetector,
    kinds=frozenset({SensorKind.PROCESS, SensorKind.ENVIRONMENT, SensorKind.POWER}),
    no_share={"process.multivariate": FITTED},
    source="ridge regression, residuals by quantiles of the history; after Taormina et al. 2018 (BATADAL)",
    warm_up="a model fitted on normal history",
)
