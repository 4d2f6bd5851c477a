"""The simulators behind the figures of gas sensors, scanners, supplies, silence, gaps, lanes and doors."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import detectors_absence as absence
from benchmarks import detectors_equipment as equipment
from support.equipment_model import DAY_S, HEADWAY_S, clean_air, mains, read, vehicles


def random(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_vehicles_keep_their_order_and_some_never_come_to_the_second_step() -> None:
    passing = vehicles(random(), 4000, per_h=60, missing=0.1)
    first, second = ([t for t in times if t is not None] for times in zip(*passing, strict=True))
    assert min(np.diff(first)) >= HEADWAY_S
    assert min(np.diff(second)) >= HEADWAY_S * (1 - 1e-9)
    assert 4000 - len(second) == pytest.approx(400, abs=100)
    assert 3600 / np.mean(np.diff(first)) == pytest.approx(60, rel=0.1)


def test_air_and_mains_are_what_the_models_say() -> None:
    air, volts = clean_air(random(), 0, DAY_S), mains(random(), 20_000, 1.0, dips_per_day=0)
    assert (air.mean(), air.std()) == pytest.approx((0.5, 0.17), abs=0.02)
    assert volts.mean() == pytest.approx(231, abs=2)
    assert clean_air(random(), 0, 3600, 1 / 3600)[-600:].mean() > 1.2


def test_lost_readings_are_a_share_of_all() -> None:
    assert len(read(random(), 0, 10_000, 1.0, lost=0.2)) == pytest.approx(8000, rel=0.03)


def test_silence_is_told_after_five_periods_or_ten_seconds() -> None:
    figures = absence.silence(random()) | absence.offline(random())
    assert figures["silent_delay_0.2"] == pytest.approx(10.5, abs=0.6)
    assert figures["silent_delay_60"] == pytest.approx(305, abs=6)
    assert figures["offline_delay"] == pytest.approx(15.5, abs=0.6)


def test_three_values_that_cannot_be_are_told_and_two_are_not() -> None:
    figures = absence.ranges(random())
    assert [figures[f"range_found_{length}"] for length in absence.STRETCHES] == [0, 0, 1, 1, 1]
    assert figures["range_delay_60"] == 120


def test_every_outage_is_told_before_what_hangs_on_it_falls_silent() -> None:
    figures = equipment.outages(random())
    assert figures["power_in_order"] == 1
    assert figures["power_warning_15"] == pytest.approx(15, abs=0.5)


def test_figures_have_intervals_around_them() -> None:
    figures = equipment.share("a", 3, 10) | equipment.rate_of("b", 2, 5.0) | equipment.mean("c", [1.0, 2.0, 3.0])
    for key in "abc":
        assert figures[f"{key}_low"] < figures[key] < figures[f"{key}_high"]
