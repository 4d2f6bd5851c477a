"""One gauge by itself: what is new, and what is only rare."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from hubwatch_core.wire import Channel, Clear, Detection, Sensor
from hubwatch_core.words import SensorKind
from hubwatch_detectors.chunk import Chunk, ChunkReading
from hubwatch_detectors.contract import Finding, Origin, Site
from hubwatch_detectors.process.series import SeriesConfig, SeriesDetector
from support.detectors_hub import AGENT, BEGIN, HUB

SENSOR = Sensor("s-1", SensorKind.PROCESS, "z", channels=[Channel("x", "bar")])
MINUTE_US = 60_000_000


def detector(**config: object) -> SeriesDetector:
    return SeriesDetector(SeriesConfig.model_validate(config), Origin("series", 1, HUB, "s-1"), Site())


def fed(one: SeriesDetector, values: Iterable[float], first: int = 0) -> list[Finding]:
    readings = [ChunkReading(BEGIN + (first + i) * MINUTE_US, "x", x) for i, x in enumerate(values)]
    return one.update(Chunk(HUB, AGENT, SENSOR, tuple(readings)))


def noise(samples: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(10, 1, samples)


def found(findings: Iterable[Finding]) -> list[Detection]:
    return [each for each in findings if isinstance(each, Detection)]


def test_spike_without_a_like_is_found_and_ends_when_it_was_calm() -> None:
    one = detector(calm_samples=30)
    assert fed(one, noise(1000)) == []
    detection, end = fed(one, [25.0, *noise(60, 2)], 1000)
    assert isinstance(detection, Detection)
    assert isinstance(end, Clear)
    assert detection.start == BEGIN + 1000 * MINUTE_US
    assert detection.evidence["value"] == 25
    assert end.end < end.detected


def test_rare_value_that_was_seen_before_is_not_new() -> None:
    values = np.round(noise(1500))
    values[50:55] = 10, 18, 18, 18, 10
    assert fed(detector(), [*values, 10, 18, 18, 18, 10]) == []


def test_nothing_is_found_before_there_is_a_history() -> None:
    assert fed(detector(min_history=200), [*noise(150), 90.0, *noise(20)]) == []


def test_what_stays_is_one_detection_and_known_half_a_day_later() -> None:
    one = detector()
    fed(one, noise(1000))
    first = fed(one, noise(1500) + 15, 1000)
    assert len(found(first)) == 1
    assert isinstance(first[-1], Clear)
    assert found(fed(one, noise(200), 2500)) == []
    assert found(fed(one, noise(200) + 15, 2700)) == []


def test_same_anomaly_within_half_a_day_is_found_again() -> None:
    one = detector(calm_samples=20)
    fed(one, noise(1000))
    counts = [len(found(fed(one, [30.0, *noise(59, i)], 1000 + 60 * i))) for i in range(4)]
    assert counts == [1, 1, 1, 1]


def test_fast_samples_are_averaged() -> None:
    slow, fast = detector(), detector()
    values = [*noise(400), 40, 40, *noise(10)]
    readings = [
        ChunkReading(BEGIN + i * MINUTE_US + part * 10_000_000, "x", x + part - 2.5)
        for i, x in enumerate(values)
        for part in range(6)
    ]
    times = [each.start // MINUTE_US for each in found(fast.update(Chunk(HUB, AGENT, SENSOR, tuple(readings))))]
    assert times == [each.start // MINUTE_US for each in found(fed(slow, values))]


def test_constant_that_moves_for_the_first_time_is_new() -> None:
    assert len(found(fed(detector(), [5.0] * 300 + [5.5, 5.5]))) == 1
