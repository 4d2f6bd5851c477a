"""Area monitors: rises of any size, what is kept out, and what background is learned."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from hubwatch_core.wire import Event
from hubwatch_detectors import binary
from hubwatch_detectors.chunk import Chunk, ChunkReading
from hubwatch_detectors.methods.scatter import Scatter
from hubwatch_detectors.radiation.area import AreaMemory
from hubwatch_detectors.radiation.area_background import AreaBackground, believed_hours
from hubwatch_detectors.radiation.area_change import ChangeScan, Known
from hubwatch_detectors.radiation.area_monitor import AreaMonitor
from hubwatch_detectors.radiation.area_rain import LastingRain
from hubwatch_detectors.radiation.area_threshold import expected_rate, level, levels, top_level
from support.area_model import NAME, AreaBench, Values, counts, delay_s, monitor, ramp, steps
from support.detectors_hub import AGENT, BEGIN, HUB

CERTAIN = Known(1e12, 0.0, 0.0, 0.0, 1.0)
HOUR = 3600


@pytest.fixture(scope="module")
def learned() -> bytes:
    """What a monitor remembers after three hours of 10 counts/s."""
    bench = AreaBench()
    bench.feed(counts(np.random.default_rng(1), 3 * HOUR))
    assert bench.found == []
    return bench.detector.state()


def after(state: bytes, **config: Any) -> AreaBench:
    bench = AreaBench(**config)
    bench.detector.restore(state)
    bench.t = BEGIN + 3 * HOUR * 1_000_000
    return bench


def known(bench: AreaBench) -> AreaMonitor:
    return bench.detector.memory.monitors[NAME]


def random(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("ratio", "mean_s", "runs"), [(2.0, 5.0, 60), (1.5, 15.0, 30), (1.2, 80.0, 10)])
def test_step_is_found_as_soon_as_its_size_allows(learned: bytes, ratio: float, mean_s: float, runs: int) -> None:
    delays = [delay_s(after(learned), steps(random(i), ratio, 10, 1.0, 600)) for i in range(runs)]
    assert np.mean(delays) < mean_s


def test_ramp_is_not_learned_before_it_is_found(learned: bytes) -> None:
    minutes = [delay_s(after(learned), ramp(random(i), 0.10, 10, 3 * HOUR)) / 60 for i in range(3)]
    assert max(minutes) < 70


def test_detection_says_how_much_for_how_long_and_ends_with_its_peak(learned: bytes) -> None:
    bench = after(learned)
    (detection,) = bench.feed(np.concatenate([counts(random(2), 30, 30), counts(random(3), 120)]))
    assert (detection.type, detection.sensor, detection.priority) == ("radiation.area", NAME, 1)
    assert abs(detection.start - BEGIN - 3 * HOUR * 1_000_000) < 10_000_000
    assert "more gamma than background" in detection.why
    assert detection.evidence["background"] == pytest.approx(10, rel=0.05)
    assert len(detection.evidence["series"]) <= 120
    (end,) = bench.clears
    assert end.id == detection.id
    assert end.score is not None
    assert end.score > 2 * detection.score
    assert 25e6 < end.end - detection.start < 50e6


def test_small_rise_is_told_as_high_not_critical(learned: bytes) -> None:
    bench = after(learned)
    found = [each for _ in range(60) for each in bench.feed(counts(random(4), 60, 10.7))]
    assert found[0].priority == 2


def test_one_reading_that_stands_out_alone_is_kept_out(learned: bytes) -> None:
    bench = after(learned)
    values = counts(random(5), 600)
    values[100] = values[300] = values[400] = 5000
    assert bench.feed(values) == []
    assert known(bench).spikes == 3
    assert known(bench).background.rate == pytest.approx(10, rel=0.02)


def test_spike_that_the_next_reading_confirms_is_judged(learned: bytes) -> None:
    (detection,) = after(learned).feed(np.array([10.0, 5000.0, 5000.0, 10.0]))
    assert detection.detected - detection.start <= 2_000_000


def test_detector_that_counts_nothing_does_not_end_an_alarm(learned: bytes) -> None:
    bench = after(learned)
    assert len(bench.feed(counts(random(6), 30, 40))) == 1
    bench.feed(np.zeros(600))
    assert bench.clears == []
    assert known(bench).background.rate == pytest.approx(10, rel=0.02)


def test_ten_readings_a_second_are_put_together() -> None:
    bench = AreaBench(monitor(period_s=0.1))
    assert bench.feed(counts(random(7), 1800, 10, 0.1)) == []
    assert known(bench).background.rate == pytest.approx(10, rel=0.05)
    assert delay_s(bench, steps(random(8), 2.0, 10, 0.1, 120), 0.1) < 15


def test_dose_rate_is_judged_by_its_own_noise() -> None:
    bench = AreaBench(monitor("dose_rate", "µSv/h"))
    assert bench.feed(smoothed(random(9), 2 * HOUR, 1.0)) == []
    (detection,) = bench.feed(smoothed(random(10), 600, 1.5))
    assert detection.evidence["unit"] == "µSv/h"
    assert detection.evidence["background"] == pytest.approx(0.1, rel=0.03)
    assert detection.detected - bench.t < 120e6


def test_constant_dose_rate_and_empty_counts_find_nothing() -> None:
    flat = AreaBench(monitor("dose_rate", "µSv/h"))
    assert flat.feed(np.full(2000, 0.1)) == []
    assert AreaBench().feed(np.zeros(2000)) == []


def test_nothing_is_found_before_background_is_learned() -> None:
    bench = AreaBench(warm_up_s=300)
    assert bench.feed(np.concatenate([counts(random(11), 200), counts(random(12), 60, 100)])) == []


def test_values_that_cannot_be_are_left_out(learned: bytes) -> None:
    bench = after(learned)
    assert bench.feed(np.array([-5.0, 1e30, -1e308, 10.0])) == []


def test_rain_is_expected_to_bring_more() -> None:
    rate, minutes = 20.0, 90
    found = {}
    for gauge in (True, False):
        bench, pick = AreaBench(), random(13)
        bench.feed(counts(pick, HOUR, 50))
        lasting = 0.0
        for _ in range(minutes):
            if gauge:
                bench.rain(bench.t, rate)
            lasting += (rate - lasting) * (1 - math.exp(-1 / 45))
            bench.feed(counts(pick, 60, 50 * (1 + 0.01 * lasting)))
        found[gauge] = len(bench.found)
    assert found[False] > 0
    assert found[True] == 0


def test_hours_that_differ_are_learned_and_equal_ones_are_not() -> None:
    wave = [0.05 * math.sin(2 * math.pi * hour / 24) for hour in range(24)]
    noise = random(14).normal(0, 0.003, 24)
    believed = believed_hours([a + b for a, b in zip(wave, noise, strict=True)], [100_000.0] * 24)
    assert believed == pytest.approx([each - float(np.mean(noise)) for each in wave], abs=0.02)
    assert believed_hours(noise.tolist(), [100_000.0] * 24) == []


def test_background_that_wanders_from_hour_to_hour_makes_long_windows_less_certain() -> None:
    steady, wandering, pick = AreaBackground(), AreaBackground(), random(15)
    for hour in range(60):
        offset = 1 + float(pick.normal(0, 0.03))
        for back, factor in ((steady, 1.0), (wandering, offset)):
            for block in range(12):
                back.begin(BEGIN + hour * 3_600_000_000 + block * 300_000_000, 0.0)
                for _ in range(30):
                    back.add(float(pick.poisson(100 * factor)))
                back.close(0, 1e9)
    assert steady.wander < 0.005**2
    assert 0.015**2 < wandering.wander < 0.04**2


def test_alarm_of_the_monitor_itself_is_one_detection_that_ends(learned: bytes) -> None:
    bench = after(learned)
    for t in (1, 5, 20):
        event = Event(NAME, bench.t + t * 1_000_000, "device.alarm")
        bench.found += bench.detector.update(Chunk.of(HUB, AGENT, bench.sensor, [], [event]))
    bench.found += bench.detector.advance(bench.t + 200_000_000)
    assert len(bench.found) == 2
    assert bench.clears[0].end == bench.t + 20_000_000


def test_another_device_or_place_is_learned_anew_and_ends_what_was_open(learned: bytes) -> None:
    bench = after(learned)
    bench.feed(counts(random(16), 30, 40))
    bench.sensor = monitor(zone="gate")
    assert bench.feed(counts(random(17), 600, 40)) == []
    assert len(bench.clears) == 1
    assert known(bench).background.rate == pytest.approx(40, rel=0.05)


def test_rise_that_stays_is_told_as_over_and_learned() -> None:
    bench = AreaBench(relearn_days=0.02)
    bench.feed(counts(random(18), 600))
    bench.feed(counts(random(19), HOUR, 20))
    (end,) = bench.clears
    assert end.why is not None
    assert "learned as background" in end.why
    assert known(bench).background.rate == pytest.approx(20, rel=0.05)


def test_level_set_by_hand_goes_before_the_allowed_rate(learned: bytes) -> None:
    bench = after(learned, level_sigma=9.0)
    (detection,) = bench.feed(counts(random(20), 60, 30))
    assert detection.evidence["level_by_hand"] is True
    assert detection.evidence["nats_needed"] > 35


def test_fewer_allowed_false_alarms_raise_the_level() -> None:
    week, year = (top_level(1 / (days * 86_400), 14_400) for days in (7, 365))
    assert year > week + 3
    assert expected_rate(week, 14_400) == pytest.approx(1 / 604_800, rel=0.01)
    assert level(week, 1) > level(week, 1000) > level(week, 10_000)


def test_scan_finds_what_a_look_at_every_window_finds() -> None:
    pick, table = random(21), levels(6.0, 400)
    values = pick.poisson(3, 400).astype(float)
    values[300:330] = pick.poisson(5, 30)
    scan = ChangeScan()
    for i, value in enumerate(values):
        scan.add(i, value, 3.0)
        found = scan.best(CERTAIN, table)
        scan.look_again()
        best = strongest(values[: i + 1], 3.0, table)
        assert (found is not None) == (best >= 0)
        if found is not None:
            assert found.nats - found.level == pytest.approx(best)
            return
    pytest.fail("the rise was not found")


def test_scatter_knows_a_filter_and_counts() -> None:
    slow = Scatter()
    for value in smoothed(random(22), 20_000, 1.0):
        slow.add(float(value))
    # Means of many readings scatter as the counts behind them: 10 a second give 0.1 µSv/h.
    assert slow.dispersion(counts=False) == pytest.approx(0.01, rel=0.3)
    plain = Scatter()
    for value in counts(random(23), 5000):
        plain.add(float(value))
    assert plain.dispersion(counts=True) == 1.0


def test_rain_lasts_and_fades() -> None:
    rain = LastingRain()
    for minute in range(240):
        rain.add(BEGIN + minute * 60_000_000, 10.0 if minute < 120 else 0.0)
    assert rain.lasting(BEGIN + 240 * 60_000_000) == pytest.approx(10 * math.exp(-118 / 45), rel=0.15)
    assert rain.lasting(BEGIN) == 0.0


def test_memory_of_a_monitor_is_small_after_hours() -> None:
    bench = AreaBench()
    bench.feed(counts(random(24), 3 * HOUR))
    assert len(bench.detector.state()) < 5000
    assert binary.decode(bench.detector.state(), AreaMemory) == bench.detector.memory


def test_clamped_times_of_one_frame_all_count() -> None:
    bench = AreaBench(monitor(period_s=0.1))
    for second in range(200):
        t = BEGIN + second * 1_000_000
        readings = tuple(ChunkReading(t, "gamma", 1.0) for _ in range(10))
        bench.detector.update(Chunk(HUB, AGENT, bench.sensor, readings))
    assert known(bench).background.rate == pytest.approx(10, rel=1e-2)


def smoothed(pick: np.random.Generator, seconds: int, ratio: float) -> Values:
    """Return a dose rate (0.1 µSv/h in background) as a device shows it that smooths counts over 5 s."""
    values, last = np.empty(seconds), 10.0 * ratio
    for i, count in enumerate(pick.poisson(10 * ratio, seconds)):
        last += (count - last) / 5
        values[i] = last / 100
    return values


def strongest(values: Values, mean: float, table: tuple[float, ...]) -> float:
    """Return by how much the best window that ends now passes its level."""
    best = -math.inf
    for length in range(1, len(values) + 1):
        counted, expected = float(values[-length:].sum()), mean * length
        if counted > expected:
            best = max(best, counted * math.log(counted / expected) - counted + expected - table[length])
    return best
