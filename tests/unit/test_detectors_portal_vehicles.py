"""Vehicles in a portal as the detector sees them: early, parked, with cargo, fast and slow devices, hand-set rules."""

from __future__ import annotations

import numpy as np
import pytest

from hubwatch_core.wire import Clear
from support.detectors_hub import at
from support.detectors_portal import PortalBench
from support.portal_lane import Lane
from support.portal_model import Shadow, Traffic


def learned(**config: float | bool) -> PortalBench:
    bench = PortalBench(**config)
    bench.steady(330, gamma=100, neutron=0, occupied=0)
    return bench


def drive(bench: PortalBench, peak: float, samples: int = 50, load: float = 0.0) -> None:
    """Let a vehicle pass that shields a tenth and has a source in its middle, or a load."""
    y = (np.arange(samples) - samples / 2) / 5.6
    cargo = np.clip((samples / 2 - 5 - np.abs(np.arange(samples) - samples / 2)) / 8, 0, 1)
    counts = 90 + peak * (1 + y**2) ** -1.5 + load * cargo
    bench.rows({"gamma": float(round(each)), "neutron": 0, "occupied": 1} for each in counts)


def test_vehicle_with_a_weak_source_is_alarmed_when_it_leaves() -> None:
    bench = learned()
    start = bench.now + 0.2
    drive(bench, peak=35)
    assert bench.types == []
    bench.row(gamma=100, neutron=0, occupied=0)
    (detection,) = bench.detections
    assert (detection.type, detection.start, detection.end) == ("radiation.gamma", at(start), at(bench.now))
    assert detection.evidence["rule"] == "profile"
    assert detection.evidence["source_counts"] == pytest.approx(35 * 2 * 5.6, rel=0.3)
    assert detection.evidence["source_at_s"] == pytest.approx(5, abs=0.5)
    assert detection.evidence["shielded_share"] == pytest.approx(0.1, abs=0.05)
    assert len(detection.evidence["profile"]["t_s"]) <= 64
    assert "gamma counts above" in detection.why


def test_strong_source_is_alarmed_at_once_and_the_end_gives_the_highest_score() -> None:
    bench = learned()
    drive(bench, peak=400)
    (detection,) = bench.detections
    bench.row(gamma=100, neutron=0, occupied=0)
    assert detection.detected < at(bench.now - 4.8)
    end = bench.found[-1]
    assert isinstance(end, Clear)
    assert end.score is not None
    assert end.score > 1.2 * detection.score


def test_cargo_that_fills_the_vehicle_is_called_norm_and_not_alarmed() -> None:
    bench = learned()
    drive(bench, peak=0, load=35)
    bench.row(gamma=100, neutron=0, occupied=0)
    (detection,) = bench.detections
    assert (detection.type, detection.priority) == ("radiation.norm", 4)
    assert detection.end is not None


def test_vehicle_that_stays_is_judged_before_it_leaves() -> None:
    bench = learned()
    drive(bench, peak=35, samples=310)
    assert bench.types == ["radiation.gamma"]
    assert bench.detections[0].end is None
    bench.row(gamma=100, neutron=0, occupied=0)
    assert bench.types == ["radiation.gamma", "clear"]


def test_vehicle_that_stays_for_hours_keeps_the_state_small() -> None:
    bench = learned()
    bench.steady(3000, gamma=90, neutron=0, occupied=1)
    assert len(bench.detector.state()) < 20_000
    bench.row(gamma=100, neutron=0, occupied=0)
    assert bench.types == []


def test_rule_set_by_hand_goes_before_the_profile_and_says_so() -> None:
    bench = learned(gamma_sigma=8.0)
    drive(bench, peak=35)
    bench.row(gamma=100, neutron=0, occupied=0)
    assert bench.types == []
    drive(bench, peak=80)
    assert bench.types == ["radiation.gamma"]
    assert bench.detections[0].evidence["set_by_hand"] is True


def test_measured_speed_sets_the_width_that_is_looked_for() -> None:
    fast, unknown = learned(), learned()
    fast.channels["speed"] = "speed"
    shape = 90 + 45 * (1 + ((np.arange(50) - 25) / 1.6) ** 2) ** -1.5  # 2.5 m at 7.8 m/s, five samples a second
    fast.rows({"gamma": float(round(each)), "neutron": 0, "occupied": 1, "speed": 7.8} for each in shape)
    unknown.rows({"gamma": float(round(each)), "neutron": 0, "occupied": 1} for each in shape)
    for bench in (fast, unknown):
        bench.row(gamma=100, neutron=0, occupied=0)
    (found,) = fast.detections
    assert (found.evidence["speed_m_s"], found.evidence["speed_is"]) == (7.8, "measured")
    assert all(found.score > each.score for each in unknown.detections)


@pytest.mark.parametrize("sample_s", [0.1, 0.2, 1.0])
def test_devices_of_any_pace_find_the_same(sample_s: float) -> None:
    lane = Lane(Traffic(sample_s=sample_s), seed=3, false_alarms_per_occupancy=1e-3)
    assert lane.pass_by(12).share("radiation.gamma") == 0
    assert lane.pass_by(12, Traffic(Shadow(), d=14, sample_s=sample_s)).share("radiation.gamma") > 0.8


def test_neutrons_too_few_for_the_sliding_sum_are_found_by_the_profile() -> None:
    lane = Lane(Traffic(sample_s=0.2), seed=4)
    assert lane.pass_by(20, Traffic(sample_s=0.2, neutrons=26)).share("radiation.neutron") > 0.8
