"""The door detector: forced, held, and readers that keep refusing."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from hubwatch_core.wire import Clear, Detection
from hubwatch_detectors.access.door_config import AccessConfig
from support.detectors_door import DoorBench, one_person_site


def closed_door(**config: float) -> DoorBench:
    bench = DoorBench(None, **config)
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


def test_third_or_fourth_badge_that_is_refused_in_a_row_is_brute_force() -> None:
    bench = closed_door()
    for i in range(2):
        bench.event(100 + 10 * i, "access.denied", f"badge:{i}", reader="in", reason="unknown_card")
    assert bench.story == []
    for i in range(2, 4):
        bench.event(100 + 10 * i, "access.denied", f"badge:{i}", reader="in")
    (detection,) = bench.found
    assert isinstance(detection, Detection)
    assert (detection.type, detection.subject, detection.priority) == ("access.brute_force", "reader:in", 2)
    assert detection.evidence["subjects"] == ["badge:0", "badge:1", "badge:2"]
    assert "3 denials within 20 s at one reader" in detection.why
    assert detection.score >= detection.evidence["threshold"]


def test_person_who_mistypes_and_gets_in_is_forgiven_and_one_who_never_does_is_not() -> None:
    clumsy, guessing = closed_door(), closed_door()
    for i in range(20):
        for k in range(3):
            clumsy.event(100 + 900 * i + 7 * k, "access.denied", "badge:1", reader="in", reason="wrong_pin")
        clumsy.event(100 + 900 * i + 25, "access.granted", "badge:1", reader="in")
        guessing.event(100 + 30 * i, "access.denied", "badge:1", reader="in", reason="wrong_pin")
    assert clumsy.story == []
    assert [kind for kind, _, _ in guessing.story] == ["access.brute_force"]


def test_slow_attempts_are_found_where_a_reader_hardly_ever_refuses() -> None:
    bench = closed_door()
    for i in range(20):
        bench.event(100_000 * i, "access.denied", f"badge:{i}", reader="in")
        bench.event(100_000 * i + 9, "access.granted", f"badge:{i}", reader="in")
    assert bench.story == []
    for i in range(5):
        bench.event(2_100_000 + 1200 * i, "access.denied", f"badge:{100 + i}", reader="in")
    assert [kind for kind, _, _ in bench.story] == ["access.brute_force"]


def test_brute_force_ends_after_its_last_denial_with_its_highest_score_and_counts_afresh() -> None:
    bench = closed_door()
    for i in range(8):
        bench.event(100 + 5 * i, "access.denied", f"badge:{i}", reader="in")
    bench.now(300)
    detection, clear = bench.found
    assert isinstance(detection, Detection)
    assert isinstance(clear, Clear)
    assert bench.story[1] == ("clear", 135, 195)
    assert clear.score is not None
    assert clear.score > detection.score
    for i in range(2):
        bench.event(400 + 5 * i, "access.denied", "badge:1", reader="in")
    bench.now(600)
    assert len(bench.story) == 2


def test_attack_teaches_a_reader_nothing() -> None:
    bench = closed_door()
    before = bench.detector.memory.readers.get("in")
    for i in range(200):
        bench.event(100 + 60 * i, "access.denied", f"badge:{i}", reader="in")
    bench.now(50_000)
    assert before is None
    assert bench.detector.memory.readers["in"].history.episodes < 2


def test_threshold_set_by_hand_goes_before_the_days_between_false_alarms() -> None:
    bold, shy = closed_door(burst_score=1.0), closed_door(burst_score=50.0)
    for i in range(12):
        bold.event(100 + 30 * i, "access.denied", f"badge:{i}", reader="in")
        shy.event(100 + 30 * i, "access.denied", f"badge:{i}", reader="in")
    assert bold.story[0] == ("access.brute_force", 100, 130)
    assert [kind for kind, _, detected in shy.story if detected < 300] == []


def test_denials_at_two_readers_are_told_apart() -> None:
    bench = closed_door()
    for i in range(2):
        bench.event(20_000 + 20 * i, "access.denied", f"badge:{i}", reader="in")
        bench.event(20_000.5 + 20 * i, "access.denied", f"badge:{i}", reader="out")
    bench.now(50_000)
    assert bench.story == []


def test_tamper_and_duress_are_told_at_once_and_once() -> None:
    bench = closed_door()
    for _ in range(2):
        bench.event(100, "device.tamper", reader="in")
        bench.event(110, "access.granted", "badge:1", reader="in", duress=True)
        bench.event(120, "access.duress", "badge:2", reader="in")
    assert bench.story == [("access.tamper", 100, 100), ("access.duress", 110, 110), ("access.duress", 120, 120)]
    assert [each.priority for each in bench.found if isinstance(each, Detection)] == [2, 1, 1]


@pytest.mark.parametrize("attrs", [{"duress": [1]}, {"duress": "no"}, {"duress": 0}, {"reason": 7}, {}])
def test_what_does_not_say_duress_is_none(attrs: dict[str, object]) -> None:
    bench = closed_door()
    bench.event(110, "access.granted", "badge:1", **attrs)
    assert bench.story == []


def turnstile() -> DoorBench:
    bench = DoorBench(site=one_person_site())
    bench.position(0, 0)
    return bench


def test_turnstile_that_turns_twice_for_one_grant_lets_somebody_follow() -> None:
    bench, door = turnstile(), closed_door()
    for each in (bench, door):
        each.event(99, "access.granted", "badge:1", reader="in")
        for t, value in ((100, 1), (101, 0), (102, 1), (103, 0)):
            each.position(t, value)
        each.now(110)
    assert bench.story == [("access.tailgating", 102, 103)]
    assert door.story == []


@pytest.mark.parametrize(
    ("first", "second", "again"),
    [("access.granted", "access.granted", 102), ("door.rex", None, 102), ("access.granted", None, 101.2)],
    ids=["two grants", "two who leave", "a bounce"],
)
def test_other_second_openings_are_no_tailgating(first: str, second: str | None, again: float) -> None:
    bench = turnstile()
    bench.event(99, first, "badge:1", reader="in")
    bench.position(100, 1)
    bench.position(101, 0)
    bench.position(again, 1)
    if second is not None:
        bench.event(102.5, second, "badge:2", reader="in")
    bench.position(103, 0)
    bench.now(110)
    assert bench.story == []


def opened(bench: DoorBench, begin: float, seconds: float) -> None:
    bench.event(begin - 1, "access.granted", "badge:1", reader="in")
    bench.position(begin, 1)
    bench.position(begin + seconds, 0)


def test_regular_door_that_stands_open_for_two_is_tailgating_and_is_not_learned() -> None:
    bench = closed_door()
    for i in range(80):
        opened(bench, 100 + 100 * i, 4.0 + 0.1 * (i % 3))
    assert bench.story == []
    learned = bench.detector.memory.open_times.mean
    opened(bench, 20_000, 5.7)
    (detection,) = bench.found
    assert isinstance(detection, Detection)
    assert (detection.type, detection.priority) == ("access.tailgating", 4)
    assert detection.evidence["usual_seconds"] == pytest.approx(4.1, abs=0.01)
    assert bench.detector.memory.open_times.mean == learned


def test_door_whose_times_scatter_is_not_judged_by_them() -> None:
    bench = closed_door()
    for i in range(80):
        opened(bench, 100 + 100 * i, 3.0 + i % 4)
    opened(bench, 20_000, 9.0)
    assert bench.story == []


def test_door_without_history_is_not_judged_by_its_open_times() -> None:
    bench = closed_door()
    for i in range(20):
        opened(bench, 100 + 100 * i, 4.0)
    opened(bench, 20_000, 20.0)
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
