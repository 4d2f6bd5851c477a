"""The frozen-value detector: what stands still, and what merely rests."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from hubwatch_core.wire import Channel, Clear, Detection, Sensor
from hubwatch_core.words import ChannelKind, SensorKind
from hubwatch_detectors.chunk import Chunk, ChunkReading
from hubwatch_detectors.contract import Finding, Origin, Site
from hubwatch_detectors.integrity.frozen import Frozen, FrozenConfig, repeat_share
from support.detectors_hub import AGENT, BEGIN, HUB, at


class Gauge:
    """One channel of one sensor, read at a fixed period."""

    def __init__(self, channel: Channel, period_s: float = 0.2) -> None:
        self.sensor = Sensor("s-1", SensorKind.PROCESS, "zone-1", channels=[channel])
        self.detector = Frozen(FrozenConfig(), Origin("frozen", 1, HUB, "s-1"), Site())
        self.period_s, self.now = period_s, 0.0
        self.found: list[Finding] = []

    def say(self, values: Iterable[float]) -> list[Finding]:
        """Return values, and what was found in them."""
        readings = []
        for value in values:
            self.now += self.period_s
            readings.append(ChunkReading(at(self.now), self.sensor.channels[0].name, float(value)))
        found = self.detector.update(Chunk.of(HUB, AGENT, self.sensor, readings))
        self.found += found
        return found


COUNTS = Channel("gamma.1", "count", resolution=1)


def counts(mean: float, samples: int, seed: int = 1) -> list[float]:
    return [float(n) for n in np.random.default_rng(seed).poisson(mean, samples)]


def test_portal_counts_that_stand_still_are_found_within_seconds() -> None:
    gauge = Gauge(COUNTS)
    assert gauge.say(counts(100, 100)) == []
    since = gauge.now + 0.2
    (detection,) = gauge.say([97] * 50)
    assert isinstance(detection, Detection)
    assert (detection.type, detection.subject, detection.start) == ("integrity.value_frozen", "gamma.1", at(since))
    assert detection.detected - detection.start < 4_000_000
    (clear,) = gauge.say([103, 97])
    assert clear == Clear(detection.id, at(gauge.now - 0.2), at(gauge.now - 0.2))


def test_quiet_neutron_channel_is_never_frozen() -> None:
    gauge = Gauge(Channel("neutron.1", "count", resolution=1))
    assert gauge.say(counts(0.25, 200_000)) == []


@pytest.mark.parametrize("mean", [0.02, 1, 4, 10, 100, 2000])
def test_living_counts_of_any_rate_are_not_frozen(mean: float) -> None:
    assert Gauge(COUNTS).say(counts(mean, 50_000, seed=7)) == []


def test_counts_that_stop_altogether_are_frozen() -> None:
    gauge = Gauge(COUNTS)
    gauge.say(counts(100, 200))
    assert len(gauge.say([0] * 50)) == 1


def test_first_seconds_after_the_start_are_not_judged() -> None:
    assert Gauge(COUNTS).say([*counts(100, 20), *[100] * 200]) == []


@pytest.mark.parametrize("kind", [ChannelKind.STATE, ChannelKind.COUNTER])
def test_states_and_counters_may_stand_still(kind: ChannelKind) -> None:
    gauge = Gauge(Channel("x", "1", kind, resolution=1))
    assert gauge.say([*counts(100, 300), *[100] * 500]) == []


def test_slow_temperature_may_rest_for_hours() -> None:
    gauge = Gauge(Channel("temperature", "°C", resolution=0.1), period_s=1)
    noise = np.random.default_rng(2).normal(0, 0.05, 7200)
    assert gauge.say(np.round(18 + noise, 1)) == []
    assert gauge.say([18.0] * 20_000) == []


def test_calm_air_and_saturated_air_rest_and_a_stuck_wind_does_not() -> None:
    wind = Gauge(Channel("wind_speed", "m/s", resolution=0.1), period_s=1)
    gusts = np.abs(np.round(np.random.default_rng(3).normal(6, 1.5, 2000), 1))
    assert wind.say([*gusts, *[0.0] * 5000]) == []
    assert len(wind.say([*gusts, *[6.1] * 100])) == 1
    humidity = Gauge(Channel("humidity", "%", resolution=0.1), period_s=1)
    assert humidity.say([*np.clip(gusts + 90, 0, 99.9), *[100.0] * 5000]) == []


def test_machine_that_is_switched_off_is_not_frozen() -> None:
    gauge = Gauge(Channel("current", "A", resolution=0.1), period_s=1)
    assert gauge.say([*[0.5, 12.0] * 100, *[0.5] * 3000]) == []


def test_device_slower_than_its_polling_is_given_its_own_time() -> None:
    # Polled five times as often as it measures: every value comes five times.
    gauge = Gauge(COUNTS)
    slow = [value for value in counts(100, 300) for _ in range(5)]
    assert gauge.say(slow) == []
    assert gauge.say([99] * 60) == []
    assert len(gauge.say([99] * 300)) == 1


def test_channel_without_stated_resolution_is_judged_by_its_finest_step() -> None:
    gauge = Gauge(Channel("level", "mm"))
    values = np.round(np.random.default_rng(4).normal(500, 8, 400))
    assert gauge.say(values) == []
    assert len(gauge.say([500] * 60)) == 1


def test_frozen_time_does_not_become_normal() -> None:
    gauge = Gauge(COUNTS)
    for round_ in range(5):
        gauge.say(counts(100, 200, seed=round_))
        assert len([each for each in gauge.say([90] * 3000) if isinstance(each, Detection)]) == 1


def test_share_of_repeats_is_cautious_while_history_is_short() -> None:
    runs = [(float(i), 1) for i in range(20)]
    assert repeat_share([], 5) == 1
    assert repeat_share(runs, 50) == pytest.approx(3 / 23)
    assert repeat_share([*runs, (5.0, 4)], 5) == pytest.approx(8 / 27)


def slow(kind: ChannelKind, lengths: list[int], value: Callable[[int], float]) -> list[Finding]:
    """Return what is found in values that rest for so many minutes each."""
    sensor = Sensor("s-1", SensorKind.ENVIRONMENT, "z", channels=[Channel("x", "°C", kind, 60_000_000, 0.1)])
    detector = Frozen(FrozenConfig(), Origin("frozen", 2, HUB, "s-1"), Site())
    values = [value(i) for i, length in enumerate(lengths) for _ in range(length)]
    readings = [ChunkReading(BEGIN + i * 60_000_000, "x", x) for i, x in enumerate(values)]
    return detector.update(Chunk(HUB, AGENT, sensor, tuple(readings)))


def test_temperature_that_rests_for_hours_is_normal_and_frozen_when_it_rests_far_longer_than_ever() -> None:
    random = np.random.default_rng(1)
    lengths = [*random.integers(5, 180, 60).tolist(), 100, 2000]
    found = slow(ChannelKind.GAUGE, lengths, lambda i: 20 + 0.1 * (i % 3))
    assert [each.type for each in found if isinstance(each, Detection)] == ["integrity.value_frozen"]
    assert slow(ChannelKind.GAUGE, lengths[:-1], lambda i: 20 + 0.1 * (i % 3)) == []


def test_door_that_rests_over_the_weekend_is_normal_and_not_for_a_week() -> None:
    week = [[2, 58] * 8 * 5 + [2, 15 * 60] for _ in range(12)]
    lengths = [each for day in week for each in day]
    assert slow(ChannelKind.STATE, [*lengths, 2, 20 * 60], lambda i: float(i % 2 == 0)) == []
    found = slow(ChannelKind.STATE, [*lengths, 2, 7 * 24 * 60], lambda i: float(i % 2 == 0))
    assert len(found) == 1
