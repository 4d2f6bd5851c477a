"""Noise that is a channel's own, and noise that somebody writes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from hubwatch_core.wire import Channel, Detection, Sensor
from hubwatch_core.words import ChannelKind, SensorKind
from hubwatch_detectors.chunk import Chunk, ChunkReading
from hubwatch_detectors.contract import Origin, Site
from hubwatch_detectors.integrity.spoofed import Spoofed, SpoofedConfig, features
from support.detectors_hub import AGENT, BEGIN, HUB

Numbers = NDArray[np.float64]


def judged(values: Numbers, unit: str = "count", kind: ChannelKind = ChannelKind.GAUGE) -> list[Detection]:
    sensor = Sensor("s-1", SensorKind.PROCESS, "z", channels=[Channel("x", unit, kind)])
    detector = Spoofed(SpoofedConfig(), Origin("spoofed", 1, HUB, "s-1"), Site())
    readings = [ChunkReading(BEGIN + i * 1_000_000, "x", x) for i, x in enumerate(values.tolist())]
    found = detector.update(Chunk(HUB, AGENT, sensor, tuple(readings)))
    return [each for each in found if isinstance(each, Detection)]


def counts(samples: int, seed: int = 1) -> Numbers:
    drift = 100 * (1 + 0.1 * np.sin(np.arange(samples) / 500))
    return np.random.default_rng(seed).poisson(drift).astype(float)


def test_counts_of_a_living_channel_are_its_own() -> None:
    assert judged(counts(20_000)) == []


@pytest.mark.parametrize(
    ("write", "feature"),
    [
        (lambda random, n: np.round(random.normal(100, 4, n)), {"size", "dispersion"}),
        (lambda random, n: np.round(100 + 10 * np.sin(np.arange(n) / 5)), {"size", "colour", "dispersion"}),
        (lambda random, n: random.poisson(100, n) + 0.25, {"decimals"}),
    ],
    ids=["too even", "a sine", "decimals"],
)
def test_written_counts_are_found_by_what_is_wrong_with_them(
    write: Callable[[np.random.Generator, int], Numbers], feature: set[str]
) -> None:
    values = counts(8000)
    values[5000:] = write(np.random.default_rng(2), 3000)
    (detection,) = judged(values)
    assert detection.evidence["feature"] in feature
    assert 4900 <= (detection.start - BEGIN) / 1e6 <= 5300


def test_openings_of_one_length_are_found() -> None:
    random = np.random.default_rng(3)
    lengths = [*random.integers(3, 40, 300).tolist(), *[10] * 40]
    values = np.concatenate([np.repeat([1.0, 0.0], [each, 20]) for each in lengths])
    (detection,) = judged(values, "1", ChannelKind.STATE)
    assert detection.evidence["feature"] == "size"


def test_channel_at_rest_is_not_called_written() -> None:
    random = np.random.default_rng(4)
    lively = np.round(random.normal(5, 1, 4000), 1)
    calm = np.where(random.random(2000) < 0.1, 0.1, 0.0)
    assert judged(np.concatenate([lively, calm, lively]), "m/s") == []


def clean_air(samples: int, seed: int = 6) -> Numbers:
    return np.round(np.random.default_rng(seed).normal(0.3, 0.15, samples), 1)


def plume(samples: int, ppm: float, seed: int = 7) -> Numbers:
    """Return a cloud that comes over some minutes and passes: it is uneven, and the more so the denser it is."""
    random = np.random.default_rng(seed)
    mean = ppm * np.sin(np.pi * (np.arange(samples) + 0.5) / samples) ** 2
    return mean * np.exp(random.normal(0, 0.25, samples))


@pytest.mark.parametrize("ppm", [2.0, 5.0, 30.0, 300.0])
@pytest.mark.parametrize("samples", [200, 900])
def test_leak_is_not_called_written_though_its_noise_grows(ppm: float, samples: int) -> None:
    values = clean_air(8000)
    values[4000 : 4000 + samples] += np.round(plume(samples, ppm), 1)
    assert judged(values, "ppm") == []


def test_noise_that_is_written_at_the_usual_level_is_found_after_a_leak_too() -> None:
    values = clean_air(9000)
    values[4000:4400] += np.round(plume(400, 30.0), 1)
    values[6000:] = 0.3 + 0.1 * np.sin(np.arange(3000) / 5)
    (detection,) = judged(values, "ppm")
    assert 5900 <= (detection.start - BEGIN) / 1e6 <= 6300


def test_level_that_stays_is_learned_anew_and_what_is_written_there_is_found() -> None:
    values = clean_air(12_000)
    values[4000:] += np.round(10 + np.random.default_rng(8).normal(0, 1, 8000), 1)
    values[9000:] = np.round(10.3 + np.random.default_rng(9).normal(0, 0.2, 3000), 1)
    (detection,) = judged(values, "ppm")
    assert 8900 <= (detection.start - BEGIN) / 1e6 <= 9300


def test_features_do_not_depend_on_the_level() -> None:
    block = np.random.default_rng(5).normal(0, 1, 64)
    first, second = features(block), features(block + 1000)
    assert first is not None
    assert second is not None
    assert first[:4] == pytest.approx(second[:4], abs=1e-6)


def test_constant_block_says_nothing_of_a_gauge() -> None:
    assert features(np.full(64, 3.0)) is None
    assert features(np.full(8, 3.0), rests=False) is not None


@pytest.mark.parametrize("kind", [ChannelKind.STATE, ChannelKind.GAUGE, ChannelKind.COUNTER])
def test_of_several_readings_at_one_time_the_first_counts(kind: ChannelKind) -> None:
    sensor = Sensor("s-1", SensorKind.PROCESS, "z", channels=[Channel("x", "1", kind)])
    once = [ChunkReading(BEGIN + i * 1_000_000, "x", float(i % 3 == 0)) for i in range(50)]
    more = [each for reading in once for each in (reading, reading._replace(value=1 - reading.value))]
    states = []
    for readings in (once, more):
        detector = Spoofed(SpoofedConfig(), Origin("spoofed", 1, HUB, "s-1"), Site())
        detector.update(Chunk(HUB, AGENT, sensor, tuple(readings)))
        states.append(detector.state())
    assert states[0] == states[1]
