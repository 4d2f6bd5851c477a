"""Raw numbers to values with quality; roll-over; changes; report by exception."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hubwatch_agents.profiles.measure import Measure
from hubwatch_agents.readings import Reading
from hubwatch_agents.values.deadband import Band, Reports
from hubwatch_agents.values.edges import On, Watch
from hubwatch_agents.values.scaling import RolloverCounter, Sample, judge
from hubwatch_core.words import Quality

LOOP: dict[str, object] = {"loop": {"raw_4ma": 0, "raw_20ma": 100, "low": 0, "high": 10}}


def measure(**more: object) -> Measure:
    return Measure.model_validate({"name": "x", "unit": "V", **more})


def test_scale_divisor_and_offset_leave_no_binary_dust() -> None:
    assert judge(measure(scale=0.1))(3.0) == Sample(0.3)
    assert judge(measure(divisor=512))(51200.0) == Sample(100.0)
    assert judge(measure(scale=0.1, offset=-40))(655.0) == Sample(25.5)


@pytest.mark.parametrize("raw", [0xFFFF, 32768.0, math.nan, math.inf])
def test_sentinel_and_not_finite_are_no_value(raw: float) -> None:
    judged = judge(measure(invalid=[0xFFFF, 0x8000]))(raw)
    assert judged.x is None
    assert judged.quality is Quality.BAD
    assert judged.reason is not None
    assert "no value" in judged.reason


@pytest.mark.parametrize("raw", [10**400, -(10**400)])
@pytest.mark.parametrize("more", [{}, {"scale": 0.3}, {"invalid": [1]}, {"states": {"1": "on"}}, LOOP])
def test_number_too_large_to_calculate_with_is_no_value(raw: int, more: dict[str, object]) -> None:
    judged = judge(measure(**more))(raw)
    assert (judged.x, judged.quality) == (None, Quality.BAD)


def test_value_that_scaling_makes_infinite_is_no_value() -> None:
    judged = judge(measure(scale=1e300))(1e300)
    assert (judged.x, judged.quality) == (None, Quality.BAD)


def test_numbers_compare_as_numbers() -> None:
    judged = judge(measure(states={"1": "open", "2": "shut"}, suspect=[3.0], invalid=[4]))
    assert [judged(raw).quality for raw in (1.0, 1, 2, 2.0)] == [Quality.GOOD] * 4
    assert [judged(raw).quality for raw in (3, 4.0)] == [Quality.UNCERTAIN, Quality.BAD]


@pytest.mark.parametrize("on", ["rise", "fall", "change", "increase"])
@pytest.mark.parametrize("nothing", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_makes_no_event_and_leaves_the_baseline(on: On, nothing: float) -> None:
    watch = Watch(on)
    assert watch.see(nothing, 0) is None
    assert watch.see(0.0, 1) is None
    assert [watch.see(x, t) for t, x in enumerate([nothing, nothing, 0, 0.0], 2)] == [None] * 4


def test_float_sentinel_is_compared_as_the_device_writes_it() -> None:
    sentinel = 3.4028234663852886e38
    assert judge(measure(invalid=[sentinel]))(sentinel).x is None


def test_implausible_value_is_kept_and_bad() -> None:
    judged = judge(measure(plausible=[0, 400]))(6553.5)
    assert judged == Sample(6553.5, Quality.BAD, "6553.5 V is outside 0 to 400")


def test_suspect_value_is_uncertain() -> None:
    assert judge(measure(suspect=[0x0550], scale=0.0625))(0x0550).quality is Quality.UNCERTAIN


def test_code_that_is_not_in_the_profile_is_uncertain() -> None:
    judged = judge(measure(kind="state", states={"0": "closed", "1": "open"}))
    assert judged(1.0).quality is Quality.GOOD
    assert judged(7.0) == Sample(7.0, Quality.UNCERTAIN, "code 7 is not in the profile")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"plausible": [5, 5]}, "lower limit first"),
        ({"rolls_at": 65536}, "for counters"),
        ({"states": {"open": "x"}}, "whole numbers"),
        ({"unknown": 1}, "Extra inputs"),
        ({"deadband": math.nan}, "finite number"),
    ],
)
def test_measure_that_makes_no_sense_is_refused(more: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        measure(**more)


def test_counter_goes_on_over_its_end_and_begins_again_after_a_restart() -> None:
    turns = RolloverCounter(65536)
    assert [turns.count(raw) for raw in (65000, 65535, 3, 10, 5)] == [65000, 65535, 65539, 65546, 5]


@given(st.lists(st.integers(0, 9999), min_size=1, max_size=200))
def test_counter_that_only_turns_never_falls(steps: list[int]) -> None:
    turns, true, seen = RolloverCounter(65536), 0, []
    for step in steps:
        true += step
        seen.append(turns.count(true % 65536))
    assert seen == sorted(seen)
    assert seen[-1] == true


@pytest.mark.parametrize(
    ("on", "values", "fires"),
    [
        ("rise", [0, 1, 1, 0, 1], [1, 4]),
        ("rise", [1, 1], []),
        ("fall", [1, 0, 0, 1, 0], [1, 4]),
        ("change", [5, 5, 6, 5], [2, 3]),
        ("increase", [65535, 0, 0, 1], [1, 3]),
    ],
)
def test_change_fires_and_the_first_value_is_the_baseline(on: On, values: list[int], fires: list[int]) -> None:
    watch = Watch(on)
    assert [i for i, value in enumerate(values) if watch.see(value, i * 10) is not None] == fires


def test_change_tells_how_long_nobody_looked() -> None:
    watch = Watch("rise")
    watch.see(0, 100)
    change = watch.see(1, 700)
    assert change is not None
    assert (change.before, change.now, change.unseen_us) == (0, 1, 600)


def reading(t: int, x: float | None, quality: Quality = Quality.GOOD) -> Reading:
    return Reading("s", "x", t, x, quality, None if quality is Quality.GOOD else "why")


def test_report_by_exception_sends_moves_quality_changes_and_at_the_latest_in_time() -> None:
    reports = Reports({("s", "x"): Band(0.5, 1_000_000)})
    given_ = [
        (reading(0, 10.0), True),
        (reading(1, 10.5), False),
        (reading(2, 10.6), True),
        (reading(3, None, Quality.BAD), True),
        (reading(4, None, Quality.BAD), False),
        (reading(5, 10.6), True),
        (reading(1_000_004, 10.6), False),
        (reading(1_000_005, 10.6), True),
    ]
    assert [reports.wanted(each) for each, _ in given_] == [wanted for _, wanted in given_]
    assert reports.unchanged == 3


def test_channel_without_dead_band_is_always_sent() -> None:
    reports = Reports({})
    assert all(reports.wanted(reading(t, 1.0)) for t in range(3))
