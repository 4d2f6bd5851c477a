"""Copies of earlier stretches, and what only looks like one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from hubwatch_core.wire import Channel, Clear, Detection, Sensor
from hubwatch_core.words import ChannelKind, SensorKind
from hubwatch_detectors.chunk import Chunk, ChunkReading
from hubwatch_detectors.contract import Finding, Origin, Site
from hubwatch_detectors.integrity.replayed import Replayed, ReplayedConfig
from support.detectors_hub import AGENT, BEGIN, HUB

SECOND_US = 1_000_000


def played(
    values: NDArray[np.float64], kind: ChannelKind = ChannelKind.GAUGE, jitter: float = 0.0, **config: object
) -> list[Finding]:
    sensor = Sensor("s-1", SensorKind.PROCESS, "z", channels=[Channel("x", "1", kind, SECOND_US)])
    settings = {"min_tokens": 50, "reach_h": 0.1, **config}
    detector = Replayed(ReplayedConfig.model_validate(settings), Origin("replayed", 1, HUB, "s-1"), Site())
    late = np.random.default_rng(9).uniform(0, jitter, len(values))
    times = [BEGIN + round((i + each) * SECOND_US) for i, each in enumerate(late.tolist())]
    readings = [ChunkReading(t, "x", x) for t, x in zip(times, values.tolist(), strict=True)]
    return detector.update(Chunk(HUB, AGENT, sensor, tuple(readings)))


def noise(samples: int = 800, seed: int = 1) -> NDArray[np.float64]:
    return np.round(np.random.default_rng(seed).normal(20, 1, samples), 1)


def test_copy_is_found_with_the_distance_to_what_it_copies_and_ends_with_it() -> None:
    values = noise()
    values[500:640] = values[200:340]
    detection, end = played(values)
    assert isinstance(detection, Detection)
    assert isinstance(end, Clear)
    assert detection.evidence["lag_s"] == pytest.approx(300)
    assert 500 <= (detection.start - BEGIN) / SECOND_US <= 510
    assert 630 <= (end.end - BEGIN) / SECOND_US <= 641


@pytest.mark.parametrize("begin", range(440, 560, 10))
def test_copy_is_found_wherever_it_begins_between_two_choices_of_the_window(begin: int) -> None:
    values = np.random.default_rng(7).normal(20, 1, 800)
    values[begin : begin + 60] = values[200:260]
    assert len([each for each in played(values) if isinstance(each, Detection)]) == 1


def test_copy_with_another_jitter_is_found() -> None:
    values = noise()
    values[500:640] = values[200:340]
    assert len([each for each in played(values, jitter=0.9) if isinstance(each, Detection)]) == 1


def test_increments_of_a_counter_are_compared() -> None:
    steps = np.random.default_rng(2).poisson(30, 800).astype(float)
    steps[500:640] = steps[200:340]
    assert len([each for each in played(np.cumsum(steps), ChannelKind.COUNTER) if isinstance(each, Detection)]) == 1


@pytest.mark.parametrize(
    "values",
    [
        noise(3000),
        np.random.default_rng(3).poisson(0.4, 3000).astype(float),
        (np.arange(3000) // 7 % 2).astype(float),
        np.round(20 + 5 * np.sin(np.arange(3000) / 30) + np.random.default_rng(4).normal(0, 0.1, 3000), 1),
    ],
    ids=["noise", "neutrons", "square", "sine"],
)
def test_what_repeats_by_nature_is_no_copy(values: NDArray[np.float64]) -> None:
    assert played(values) == []


def test_short_copy_is_chance() -> None:
    values = noise()
    values[500:510] = values[200:210]
    assert played(values) == []


def test_fast_channel_keeps_only_some_fingerprints_and_still_finds_a_long_copy() -> None:
    values = noise(9000)
    values[6000:8000] = values[1000:3000]
    found = [each for each in played(values, reach_h=6) if isinstance(each, Detection)]
    assert [each.evidence["lag_s"] for each in found] == [pytest.approx(5000)]
