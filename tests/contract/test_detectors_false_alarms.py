"""What the detectors promise about false alarms, held against simulation with fixed seeds.

The full figures come from `make bench ONLY=detectors-rates`; here is what fits into a test run.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from hubwatch_core.wire import Detection
from hubwatch_detectors.config import Settings
from hubwatch_detectors.engine import Engine
from support.detectors_hub import at, birth
from support.detectors_rates import (
    brute_force_attempts,
    brute_force_false_alarms,
    frozen_delay_s,
    frozen_false_alarms,
    passages,
)
from support.detectors_stories import attacked, quiet

CLEAN = 3000
"""No alarm in 2 995 clean occupancies shows a rate of at most 1e-3 with 95 % confidence."""


def test_clean_vehicles_alarm_less_often_than_once_in_a_thousand() -> None:
    result = passages(CLEAN, seed=11)
    assert (result.gamma, result.neutron) == (0, 0)


def test_lower_threshold_gives_the_false_alarms_it_stands_for() -> None:
    # 3.5 sigma is about 1 % an occupancy, 4.20 would be 0.1 % (reference table, k-sigma of 1 s, known background).
    result = passages(1500, gamma_sigma=3.5, neutron_chance=1e-3, seed=12)
    assert 0.004 < result.gamma_share() < 0.02
    assert 0.002 < result.neutron / result.occupancies < 0.03


def test_sources_are_found_as_often_as_the_reference_table_says_and_before_they_are_gone() -> None:
    # d = 8 at 1e-4 an occupancy: 0.989; 5 sigma is a little stricter.
    result = passages(300, d=8, gamma_cps=2000, seed=13)
    assert result.gamma_share() > 0.93
    assert np.median(result.gamma_delays_s) < 0.3


def test_shadow_of_a_vehicle_costs_sensitivity_and_makes_no_alarms() -> None:
    assert passages(300, shadow=(0.05, 0.25), seed=14).gamma == 0
    assert passages(200, d=16, shadow=(0.05, 0.25), seed=15).gamma_share() > 0.95


def test_benign_denials_at_random_alarm_once_in_many_years() -> None:
    assert brute_force_false_alarms(reader_years=50, seed=2) <= 6
    assert brute_force_attempts(60) < 4.5


def test_lower_burst_sum_is_faster_at_the_false_alarms_the_documentation_says() -> None:
    assert brute_force_attempts(60, runs=2000, burst_sum=13.2) == pytest.approx(3.74, abs=0.1)
    assert 10 < brute_force_false_alarms(reader_years=100, seed=2, burst_sum=13.2) < 60


def test_living_counts_are_not_called_frozen_and_frozen_ones_are_found_in_seconds() -> None:
    assert frozen_false_alarms(200_000, seed=3) == 0
    assert frozen_delay_s(history=100, runs=40) < 4


@pytest.mark.parametrize("seed", [1, 2])
def test_hours_of_normal_life_are_quiet(seed: int) -> None:
    engine = Engine(Settings().rules())
    hub = quiet(seed=seed, minutes=60)
    hub.frame_s = 1.0
    assert engine.birth(birth(), at(0)) == []
    assert [found for frame in hub.frames() for found in engine.frame(frame, frame.sent)] == []


def test_attack_after_hours_of_normal_life_is_found_with_every_rule() -> None:
    engine = Engine(
        Settings.model_validate(
            {"neighbours": [{"hub": "rotterdam", "from": "fence-1", "to": "fence-2", "distance_m": 6}]}
        ).rules()
    )
    engine.birth(birth(), at(0))
    life, attack = quiet(seed=5, minutes=60), attacked(start=3600.0)
    life.frame_s = attack.frame_s = 1.0
    frames = [*life.frames(), *attack.frames()]
    found = []
    for seq, frame in enumerate(frames, 1):
        found += engine.frame(msgspec.structs.replace(frame, seq=seq), frame.sent)
    assert {each.type for each in found if isinstance(each, Detection)} == {
        "radiation.gamma",
        "radiation.neutron",
        "access.forced",
        "access.held",
        "access.brute_force",
        "perimeter.intrusion",
        "perimeter.crossing",
        "integrity.value_frozen",
    }
