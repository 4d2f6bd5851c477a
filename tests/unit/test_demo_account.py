from __future__ import annotations

from collections import Counter
from io import StringIO

import pytest
from rich.console import Console

from hubwatch_ops.demo import script
from hubwatch_ops.demo.account import AFTER_S, SENSORS, DetectedAttack, Difference, bit, compare, heard, hidden, match
from hubwatch_ops.demo.plant import Plant
from hubwatch_ops.demo.report import AlarmLine, ExpectedLine, Percentiles, Report, percentiles, show
from hubwatch_ops.demo.script import Expected, Played, ScriptStep


async def _nothing(_: Plant) -> None: ...


def attack(began: float, *expects: Expected) -> Played:
    return Played(ScriptStep(0.0, "an attack", _nothing, expects), began)


def test_equal_multisets_differ_in_nothing() -> None:
    assert compare({1: 2, 5: 1}, {5: 1, 1: 2}) == Difference(0, 0)


def test_a_mark_that_is_not_stored_is_lost() -> None:
    assert compare({1: 1, 2: 1}, {1: 1}) == Difference(1, 0)


def test_a_mark_that_is_stored_twice_is_duplicated() -> None:
    assert compare({1: 1}, {1: 2}) == Difference(0, 1)


def test_a_lost_mark_is_not_made_good_by_a_duplicated_one() -> None:
    assert compare({1: 1, 2: 1}, {1: 2}) == Difference(1, 1)


def test_a_mark_no_device_handed_out_counts_as_duplicated() -> None:
    assert compare({}, {7: 1}) == Difference(0, 1)


def test_differences_add_up() -> None:
    assert Difference(1, 2) + Difference(3, 4) == Difference(4, 6)


def test_what_was_published_before_anybody_subscribed_is_not_lost_but_what_came_after_is() -> None:
    assert heard([1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 3.0, 5.0]) == [2.0, 3.0, 4.0, 5.0]
    assert heard([1.0, 2.0], [2.0]) == [2.0]
    assert heard([1.0, 2.0], []) == []


def test_a_value_that_comes_twice_does_not_look_like_the_first_that_was_heard() -> None:
    assert heard([3.0, 1.0, 2.0, 3.0, 4.0], [3.0, 4.0]) == [3.0, 4.0]


def test_bit_counts_the_states_of_one_input() -> None:
    assert bit({0b00: 5, 0b01: 2, 0b11: 1}, 0) == Counter({0: 5, 1: 3})
    assert bit({0b00: 5, 0b01: 2, 0b11: 1}, 1) == Counter({0: 7, 1: 1})


def test_an_attack_that_was_alarmed_in_time_is_found() -> None:
    lines, strangers = match(
        [attack(100.0, Expected("access.forced", "door-1", 3.0))], [DetectedAttack("access.forced", "door-1", 101.5)]
    )
    assert lines == [ExpectedLine("access.forced", "door-1", True, 1.5)]
    assert strangers == []


def test_an_attack_that_was_alarmed_too_late_is_missed_but_its_alarm_is_not_false() -> None:
    lines, strangers = match(
        [attack(100.0, Expected("access.forced", "door-1", 3.0))], [DetectedAttack("access.forced", "door-1", 104.0)]
    )
    assert lines == [ExpectedLine("access.forced", "door-1", False, 4.0)]
    assert strangers == []


def test_an_attack_without_alarm_is_missed() -> None:
    lines, _ = match([attack(100.0, Expected("access.forced", "door-1", 3.0))], [])
    assert lines == [ExpectedLine("access.forced", "door-1", False, None)]


def test_an_alarm_at_another_sensor_is_false() -> None:
    stranger = DetectedAttack("access.forced", "door-2", 101.0)
    lines, strangers = match([attack(100.0, Expected("access.forced", "door-1", 3.0))], [stranger])
    assert not lines[0].found
    assert strangers == [stranger]


def test_an_alarm_before_its_attack_is_not_a_finding() -> None:
    lines, strangers = match(
        [attack(100.0, Expected("access.forced", "door-1", 3.0))], [DetectedAttack("access.forced", "door-1", 99.0)]
    )
    assert lines == [ExpectedLine("access.forced", "door-1", False, None)]
    assert len(strangers) == 1


def test_false_detection_that_hides_in_the_alarm_of_an_earlier_attack_is_counted() -> None:
    attacks = [attack(100.0, Expected("radiation.gamma", "rpm-1", 5.0))]
    during = [DetectedAttack("radiation.gamma", "rpm-1", at) for at in (102.0, 106.0)]
    later = DetectedAttack("radiation.gamma", "rpm-1", 130.0)
    elsewhere = [DetectedAttack("radiation.gamma", "rpm-2", 130.0), DetectedAttack("radiation.neutron", "rpm-1", 130.0)]
    # What opens an alarm of its own is among the strangers of the alarms already, as is what came before the attack.
    assert hidden(attacks, [*during, later, *elsewhere, DetectedAttack("radiation.gamma", "rpm-1", 90.0)]) == [later]


def test_second_attack_of_a_kind_explains_its_own_detections() -> None:
    attacks = [attack(at, Expected("access.forced", "door-1", 3.0)) for at in (100.0, 200.0)]
    found = [DetectedAttack("access.forced", "door-1", at) for at in (101.0, 160.0, 201.0)]
    assert hidden(attacks, found) == [found[1]]


def test_no_attack_of_the_script_goes_on_for_longer_than_its_detections_may_take() -> None:
    assert max(expected.within_s for step in script.STEPS for expected in step.expects) < AFTER_S


def test_percentiles_are_nearest_rank_and_zero_of_nothing() -> None:
    assert percentiles([]) == Percentiles(0.0, 0.0)
    assert percentiles([float(i) for i in range(100)]) == Percentiles(50.0, 99.0)


def report(**changes: object) -> Report:
    values: dict[str, object] = {
        "readings": 10,
        "events": 1,
        "frames": 2,
        "lost": 0,
        "duplicated": 0,
        "differ": {},
        "unexplained_gaps": 0,
        "detections": [],
        "alarms": [AlarmLine("access.forced", "door-1", "unacknowledged", 1)],
        "expected": [ExpectedLine("access.forced", "door-1", True, 1.0)],
        "false_alarms": 0,
        "latency_ms": Percentiles(1.0, 2.0),
        "poll_wait_ms": Percentiles(1.0, 2.0),
        "alarm_latency_ms": Percentiles(1.0, 2.0),
        "alarms_measured": 2,
        "seconds": 60.0,
    }
    return Report(**{**values, **changes})  # type: ignore[arg-type]  # the table above is the typed one


def test_report_names_of_what_readings_were_lost() -> None:
    said = StringIO()
    show(report(lost=3, differ={"area-1 gamma": [3, 0]}), Console(file=said, width=100))
    assert "of area-1 gamma: 3 lost, 0 duplicated" in said.getvalue()


def test_a_clean_report_passes() -> None:
    assert report().passed


@pytest.mark.parametrize(
    "fault",
    [
        {"lost": 1},
        {"duplicated": 1},
        {"unexplained_gaps": 1},
        {"false_alarms": 1},
        {"readings": 0},
        {"expected": [ExpectedLine("access.forced", "door-1", False, None)]},
    ],
    ids=lambda fault: next(iter(fault)),
)
def test_any_single_fault_fails_the_report(fault: dict[str, object]) -> None:
    assert not report(**fault).passed


def test_the_script_fits_into_the_shortest_demo() -> None:
    ends = [step.at + max(each.within_s for each in step.expects) for step in script.STEPS if step.expects]
    assert max(ends) <= script.SHORTEST_S
    assert [step.at for step in script.STEPS] == sorted(step.at for step in script.STEPS)


def test_the_script_attacks_every_family_and_only_sensors_that_exist() -> None:
    expected = [each for step in script.STEPS for each in step.expects]
    families = {each.type.partition(".")[0] for each in expected}
    assert families == {"radiation", "perimeter", "access", "integrity", "screening"}
    assert {each.sensor for each in expected} <= SENSORS | {"quay"}
