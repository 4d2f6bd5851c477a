"""The door detector: forced, held, and readers that keep refusing."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from hubwatch_core.wire import Detection
from hubwatch_detectors.access import AccessConfig
from support.detectors_door import DoorBench


def closed_door(**config: float) -> DoorBench:
    bench = DoorBench(**config)
    bench.position(0, 0)
    return bench


def test_opening_without_grant_is_forced_after_the_grace() -> None:
    bench = closed_door()
    bench.position(100, 1)
    bench.now(100.9)
    assert bench.story == []
    bench.now(101.1)
    assert bench.story == [("access.forced", 100, 101)]
    bench.position(103, 0)
    assert bench.story[-1] == ("clear", 103, 103)


@pytest.mark.parametrize("authority", ["access.granted", "door.rex"])
def test_opening_after_a_grant_or_request_to_exit_is_in_order(authority: str) -> None:
    bench = closed_door()
    bench.event(95, authority, "badge:1")
    bench.position(100, 1)
    bench.position(103, 0)
    bench.now(200)
    assert bench.story == []


def test_grant_that_is_too_old_explains_nothing() -> None:
    bench = closed_door()
    bench.event(80, "access.granted", "badge:1")
    bench.position(100, 1)
    bench.now(102)
    assert bench.story == [("access.forced", 100, 101)]


def test_grant_that_arrives_after_the_opening_it_explains_is_waited_for() -> None:
    bench = closed_door()
    bench.position(100, 1)
    bench.position(100.2, 1)
    bench.event(99.9, "access.granted", "badge:1")
    bench.now(102)
    late = closed_door()
    late.position(100, 1)
    late.event(100.8, "access.granted", "badge:1")
    late.now(102)
    assert (bench.story, late.story) == ([], [])


def test_denied_badge_explains_no_opening() -> None:
    bench = closed_door()
    bench.event(99, "access.denied", "badge:1", reader="in")
    bench.position(100, 1)
    bench.now(102)
    assert bench.story == [("access.forced", 100, 101)]


def test_short_opening_is_forced_too_and_is_over_when_it_is_told() -> None:
    bench = closed_door()
    bench.position(100, 1)
    bench.position(100.4, 0)
    bench.now(102)
    assert bench.story == [("access.forced", 100, 101)]
    assert isinstance(bench.last, Detection)
    assert bench.last.end == bench.last.start + 400_000


def test_door_that_is_opened_twice_within_the_grace_is_one_finding() -> None:
    bench = closed_door()
    for t, value in ((100.0, 1), (100.2, 0), (100.4, 1)):
        bench.position(t, value)
    bench.now(102)
    bench.position(110, 0)
    assert bench.story == [("access.forced", 100, 101), ("clear", 110, 110)]


def test_door_known_by_events_alone_is_judged_the_same() -> None:
    bench = DoorBench()
    bench.event(0, "door.closed")
    bench.event(100, "door.opened")
    bench.now(102)
    bench.event(105, "door.closed")
    assert bench.story == [("access.forced", 100, 101), ("clear", 105, 105)]


def test_event_and_reading_of_the_same_opening_are_one() -> None:
    bench = closed_door()
    bench.event(95, "access.granted", "badge:1")
    bench.position(100.1, 1)
    bench.event(100, "door.opened")
    bench.position(103, 0)
    bench.event(102.9, "door.closed")
    bench.now(300)
    assert bench.story == []


def test_door_found_open_at_the_start_is_not_forced_but_held_in_time() -> None:
    bench = DoorBench()
    bench.position(0, 1)
    bench.now(29)
    assert bench.story == []
    bench.now(31)
    assert bench.story == [("access.held", 0, 30)]


def test_door_held_open_after_a_grant_is_told_until_it_closes() -> None:
    bench = closed_door(held_s=20)
    bench.event(99, "access.granted", "badge:1")
    bench.position(100, 1)
    bench.now(119.9)
    assert bench.story == []
    bench.position(125, 1)
    bench.position(130, 0)
    assert bench.story == [("access.held", 100, 120), ("clear", 130, 130)]


def test_forced_door_that_stays_open_is_not_told_twice() -> None:
    bench = closed_door()
    bench.position(100, 1)
    bench.now(500)
    assert bench.story == [("access.forced", 100, 101)]


def test_verdict_of_the_door_controller_is_taken_at_once_and_not_twice() -> None:
    bench = closed_door()
    bench.position(100, 1)
    bench.event(100.1, "door.forced")
    bench.event(100.3, "door.forced")
    bench.now(102)
    bench.position(104, 0)
    bench.event(104.5, "door.forced")
    assert bench.story == [("access.forced", 100, 100.1), ("clear", 104, 104)]


def test_controller_of_a_door_without_contact_makes_a_finding_that_is_over() -> None:
    bench = DoorBench()
    bench.event(50, "door.forced")
    bench.event(60, "door.held")
    assert [each.end == each.start for each in bench.found if isinstance(each, Detection)] == [True, True]


def test_fourth_denial_in_a_row_is_brute_force() -> None:
    bench = closed_door()
    for i in range(3):
        bench.event(100 + 10 * i, "access.denied", f"badge:{i}", reader="in", reason="unknown_card")
    assert bench.story == []
    bench.event(130, "access.denied", "badge:3", reader="in")
    (detection,) = bench.found
    assert isinstance(detection, Detection)
    assert (detection.type, detection.subject, detection.priority) == ("access.brute_force", "reader:in", 2)
    assert detection.evidence == {"denials": 4, "subjects": ["badge:0", "badge:1", "badge:2", "badge:3"]}


def test_three_denials_are_brute_force_only_when_no_person_could_be_so_fast() -> None:
    typed, machine = closed_door(), closed_door()
    for i in range(3):
        typed.event(100 + 5 * i, "access.denied", "badge:1", reader="in", reason="wrong_pin")
        machine.event(100 + 0.5 * i, "access.denied", f"badge:{i}", reader="in")
    assert typed.story == []
    assert machine.story == [("access.brute_force", 100, 101)]


def test_brute_force_ends_a_minute_after_the_last_denial_and_counts_afresh() -> None:
    bench = closed_door()
    for i in range(6):
        bench.event(100 + 5 * i, "access.denied", "badge:1", reader="in")
    bench.now(190)
    assert bench.story == [("access.brute_force", 100, 115), ("clear", 125, 185)]
    for i in range(3):
        bench.event(200 + 5 * i, "access.denied", "badge:1", reader="in")
    bench.now(300)
    assert len(bench.story) == 2


def test_slow_denials_and_denials_at_two_readers_are_normal() -> None:
    bench = closed_door()
    for i in range(20):
        bench.event(600 * i, "access.denied", f"badge:{i}", reader="in")
    for i in range(3):
        bench.event(20_000 + 5 * i, "access.denied", f"badge:{i}", reader="in")
        bench.event(20_000.5 + 5 * i, "access.denied", f"badge:{i}", reader="out")
    bench.now(50_000)
    assert bench.story == []


def test_readers_without_number_stay_bounded() -> None:
    bench = closed_door()
    for i in range(500):
        bench.event(100 + i * 0.1, "access.denied", f"badge:{i}", reader=f"reader-{i}")
    assert len(bench.detector.memory.readers) <= 17
    assert [kind for kind, _, _ in bench.story] == ["access.brute_force"]  # the crowd of strange readers is one


def test_attack_rate_below_the_benign_one_is_refused() -> None:
    with pytest.raises(ValidationError, match="attack_per_h must be more"):
        AccessConfig(benign_per_h=60, attack_per_h=1)
