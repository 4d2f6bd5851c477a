"""The lifecycle by example; every order of moves is in tests/property/test_alarms_lifecycle.py."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from hubwatch_alarms.lifecycle import QUIET_US, MoveRefused, move
from hubwatch_alarms.triggers import Acknowledge, Cleared, Close, Detected, ShelfExpired, Shelve, Unshelve, Unwatched
from hubwatch_core.alarm import SYSTEM, Action, Alarm, DetectedCondition, JournalEntry
from hubwatch_core.clock import SECOND_US
from hubwatch_core.words import AlarmState
from support.alarms_examples import START_US, condition

LATER = START_US + 30 * SECOND_US
MUCH_LATER = START_US + QUIET_US + 60 * SECOND_US


def opened(found: DetectedCondition | None = None) -> Alarm:
    return move(None, Detected(START_US, found or condition(), new_id=7, zone="north"))[0]


def detected(alarm: Alarm, found: DetectedCondition) -> Alarm:
    return move(alarm, Detected(found.detected, found, new_id=8))[0]


def ended(alarm: Alarm, at: int = LATER) -> Alarm:
    return move(alarm, Cleared(at, condition().id, at))[0]


def acknowledged(alarm: Alarm, by: str = "kim") -> Alarm:
    return move(alarm, Acknowledge(LATER, by))[0]


def shelved(alarm: Alarm) -> Alarm:
    return move(alarm, Shelve(LATER, "kim", MUCH_LATER, "works on the fence"))[0]


def test_opened_alarm_has_what_the_detection_says() -> None:
    found = condition(priority=3, subject="badge:7F3A", why="seven denials in 20 s")
    alarm, (entry,) = move(None, Detected(LATER, found, new_id=7, zone="north"))
    assert (alarm.id, alarm.hub, alarm.zone, alarm.sensor) == (7, "rotterdam", "north", "fence-1")
    assert (alarm.type, alarm.subject, alarm.priority) == ("perimeter.intrusion", "badge:7F3A", 3)
    assert (alarm.opened, alarm.last_active) == (found.start, found.detected)
    assert (alarm.why, alarm.score, alarm.late) == (found.why, found.score, False)
    assert (entry.action, entry.at, entry.by, entry.detection) == (Action.OPENED, LATER, SYSTEM, found.id)


def test_detection_already_over_opens_a_returned_alarm() -> None:
    found = condition(over=True)
    alarm = opened(found)
    assert alarm.state is AlarmState.RETURNED
    assert (alarm.returned, alarm.active) == (found.end, 0)


def test_late_detection_is_marked_in_why_and_journal() -> None:
    found = condition(late=True, why="the fence moved")
    alarm, (entry,) = move(None, Detected(LATER, found, new_id=7))
    assert alarm.late
    assert alarm.why == "late: the fence moved"
    assert entry.note == "late: began 2026-11-21 18:00:00 UTC, known 2026-11-21 18:00:01 UTC"


def test_late_detection_does_not_speak_over_a_live_one_but_moves_since_back() -> None:
    old = condition(number=2, start=START_US - 600 * SECOND_US, late=True, why="old news")
    alarm = detected(opened(), old)
    assert alarm.why == condition().why
    assert not alarm.late
    assert alarm.opened == old.start


def test_late_but_more_urgent_detection_speaks() -> None:
    alarm = detected(opened(), condition(number=2, priority=1, late=True, why="two zones"))
    assert (alarm.priority, alarm.why, alarm.late) == (1, "late: two zones", True)


def test_less_urgent_detection_changes_neither_priority_nor_why() -> None:
    alarm = detected(opened(), condition(number=2, priority=4, why="a bird"))
    assert (alarm.priority, alarm.why, alarm.detections) == (2, condition().why, 2)


def test_newer_detection_of_the_same_priority_gives_its_why() -> None:
    assert detected(opened(), condition(number=2, why="moved again")).why == "moved again"


def test_repeated_detection_of_an_acknowledged_alarm_leaves_it_with_its_holder() -> None:
    alarm = detected(acknowledged(opened()), condition(number=2, start=LATER))
    assert (alarm.state, alarm.acknowledged_by) == (AlarmState.ACKNOWLEDGED, "kim")


@pytest.mark.parametrize("prepare", [acknowledged, shelved])
def test_more_urgent_detection_takes_an_alarm_from_its_holder_and_off_its_shelf(prepare: object) -> None:
    assert callable(prepare)
    alarm, (entry,) = move(prepare(opened()), Detected(LATER, condition(number=2, priority=1), new_id=8))
    assert entry.action is Action.RAISED
    assert alarm.state is AlarmState.UNACKNOWLEDGED
    assert (alarm.acknowledged_by, alarm.acknowledged, alarm.shelved_until) == (None, None, None)
    assert alarm.priority == 1


@pytest.mark.parametrize(("quiet_us", "action"), [(QUIET_US - 1, Action.REPEATED), (QUIET_US, Action.RECURRED)])
def test_returned_condition_is_told_again_only_after_a_quiet_time(quiet_us: int, action: Action) -> None:
    gone = ended(opened())
    back = condition(number=2, start=gone.last_active + quiet_us)
    alarm, (entry,) = move(gone, Detected(back.detected, back, new_id=8))
    assert entry.action is action
    assert (alarm.state, alarm.returned, alarm.active) == (AlarmState.UNACKNOWLEDGED, None, 1)


def test_end_of_one_of_two_detections_tells_nothing() -> None:
    both = detected(opened(), condition(number=2))
    alarm, entries = move(both, Cleared(LATER, condition().id, LATER))
    assert entries == ()
    assert (alarm.state, alarm.active) == (AlarmState.UNACKNOWLEDGED, 1)


def test_end_of_an_acknowledged_condition_closes() -> None:
    alarm, entries = move(acknowledged(opened()), Cleared(MUCH_LATER, condition().id, LATER))
    assert alarm.state is AlarmState.NORMAL
    assert (alarm.returned, alarm.closed) == (LATER, MUCH_LATER)
    assert [entry.action for entry in entries] == [Action.RETURNED, Action.CLOSED]


def test_acknowledging_a_returned_alarm_closes_it_in_that_persons_name() -> None:
    alarm, entries = move(ended(opened()), Acknowledge(LATER, "kim", "a fox"))
    assert alarm.state is AlarmState.NORMAL
    assert [(entry.action, entry.by, entry.note) for entry in entries] == [
        (Action.ACKNOWLEDGED, "kim", "a fox"),
        (Action.CLOSED, "kim", None),
    ]


def test_acknowledging_twice_is_nothing_for_the_holder_and_refused_for_others() -> None:
    held = acknowledged(opened())
    assert move(held, Acknowledge(MUCH_LATER, "kim")) == (held, ())
    with pytest.raises(MoveRefused, match=r"alarm 7 is with kim, who acknowledged it at 2026-11-21 18:00:30 UTC"):
        move(held, Acknowledge(MUCH_LATER, "lee"))


@pytest.mark.parametrize(
    "trigger", [Acknowledge(MUCH_LATER, "lee"), Shelve(LATER, "lee", MUCH_LATER, "works")], ids=["ack", "shelve"]
)
def test_closed_alarm_refuses_and_says_when_and_by_whom_it_was_closed(trigger: Acknowledge | Shelve) -> None:
    closed = acknowledged(ended(opened()))
    with pytest.raises(MoveRefused, match=r"already closed \(at 2026-11-21 18:00:30 UTC, acknowledged by kim\)"):
        move(closed, trigger)


def test_acknowledging_a_shelved_alarm_is_refused_with_what_to_do() -> None:
    with pytest.raises(MoveRefused, match="unshelve it first"):
        move(shelved(opened()), Acknowledge(LATER, "kim"))


def test_shelving_into_the_past_is_refused() -> None:
    with pytest.raises(MoveRefused, match="that is over"):
        move(opened(), Shelve(LATER, "kim", LATER, "works"))


def test_unshelving_what_is_not_shelved_is_refused() -> None:
    with pytest.raises(MoveRefused, match="is not shelved, it is unacknowledged"):
        move(opened(), Unshelve(LATER, "kim"))


def test_who_unshelves_a_present_condition_has_it() -> None:
    alarm = move(shelved(opened()), Unshelve(MUCH_LATER, "lee"))[0]
    assert (alarm.state, alarm.acknowledged_by, alarm.acknowledged) == (AlarmState.ACKNOWLEDGED, "lee", MUCH_LATER)


def test_who_acknowledged_before_the_shelving_still_has_it_after() -> None:
    alarm = move(shelved(acknowledged(opened())), Unshelve(MUCH_LATER, "lee"))[0]
    assert (alarm.state, alarm.acknowledged_by) == (AlarmState.ACKNOWLEDGED, "kim")


def test_shelf_that_is_not_over_yet_stays() -> None:
    alarm = shelved(opened())
    assert move(alarm, ShelfExpired(MUCH_LATER - 1)) == (alarm, ())


def test_shelf_over_with_the_condition_present_is_unacknowledged_whoever_had_it() -> None:
    alarm = move(shelved(acknowledged(opened())), ShelfExpired(MUCH_LATER))[0]
    assert (alarm.state, alarm.acknowledged_by, alarm.shelved_until) == (AlarmState.UNACKNOWLEDGED, None, None)


def test_shelf_over_with_a_condition_seen_and_gone_meanwhile_waits_for_a_person() -> None:
    on_shelf = shelved(acknowledged(opened()))
    seen = detected(on_shelf, condition(number=2, start=LATER, over=True))
    gone = ended(seen, at=MUCH_LATER)
    assert move(gone, ShelfExpired(MUCH_LATER))[0].state is AlarmState.RETURNED


@pytest.mark.parametrize("prepare", [lambda alarm: alarm, acknowledged, ended, shelved])
def test_closing_ends_an_alarm_in_every_open_state_with_who_and_why(prepare: Callable[[Alarm], Alarm]) -> None:
    before = prepare(opened())
    alarm, entries = move(before, Close(MUCH_LATER, "lee", "the fence was taken down"))
    assert (alarm.state, alarm.closed, alarm.active, alarm.shelved_until) == (AlarmState.NORMAL, MUCH_LATER, 0, None)
    assert entries == (
        JournalEntry(
            Action.CLOSED, MUCH_LATER, before.state, AlarmState.NORMAL, by="lee", note="the fence was taken down"
        ),
    )


def test_closing_does_not_say_that_the_condition_went_nor_that_somebody_had_taken_the_alarm() -> None:
    alarm = move(opened(), Close(LATER, "lee", "the fence was taken down"))[0]
    assert (alarm.returned, alarm.acknowledged_by) == (None, None)
    with pytest.raises(MoveRefused, match=r"already closed \(at 2026-11-21 18:00:30 UTC, never acknowledged\)"):
        move(alarm, Close(MUCH_LATER, "lee", "again"))


def test_end_that_comes_after_the_closing_changes_nothing_and_a_new_detection_opens_anew() -> None:
    closed = move(opened(), Close(LATER, "lee", "works"))[0]
    assert move(closed, Cleared(MUCH_LATER, condition().id, MUCH_LATER)) == (closed, ())
    alarm, (entry,) = move(closed, Detected(MUCH_LATER, condition(number=2, start=MUCH_LATER), new_id=8))
    assert (alarm.id, entry.action) == (8, Action.OPENED)


def test_condition_that_nobody_watches_any_more_waits_for_a_person_unless_one_has_it() -> None:
    both = detected(opened(), condition(number=2))
    gone = Unwatched(LATER, SYSTEM, "the agent was taken away")
    alarm, (entry,) = move(both, gone)
    assert (alarm.state, alarm.active, alarm.returned) == (AlarmState.RETURNED, 0, both.last_active)
    assert (entry.action, entry.by, entry.note) == (Action.RETURNED, SYSTEM, "the agent was taken away")
    assert move(alarm, gone) == (alarm, ())
    held, entries = move(acknowledged(both), gone)
    assert held.state is AlarmState.NORMAL
    assert [entry.action for entry in entries] == [Action.RETURNED, Action.CLOSED]


def test_move_changes_no_alarm_in_place() -> None:
    before = opened()
    copy = dataclasses.replace(before)
    detected(before, condition(number=2, priority=1))
    assert before == copy


def test_people_cannot_act_on_no_alarm() -> None:
    with pytest.raises(MoveRefused, match="no alarm"):
        move(None, Acknowledge(LATER, "kim"))


def test_peak_is_the_highest_score_of_all_detections_up_to_their_ends() -> None:
    alarm = opened(condition(score=6.1))
    assert alarm.peak == 6.1
    alarm = detected(alarm, condition(number=2, score=5.0))
    assert alarm.peak == 6.1
    alarm = move(alarm, Cleared(LATER, condition().id, LATER, peak=50.0))[0]
    assert (alarm.score, alarm.peak) == (5.0, 50.0)


def closed() -> Alarm:
    """Return an alarm that a person acknowledged and whose condition was there until LATER."""
    alarm = ended(acknowledged(opened()))
    assert alarm.state is AlarmState.NORMAL
    return alarm


def test_late_detection_of_the_time_of_a_closed_alarm_is_counted_and_does_not_open_it() -> None:
    found = condition(number=2, start=START_US + 1, end=LATER - 1, late=True, score=9.0)
    alarm, (entry,) = move(closed(), Detected(MUCH_LATER, found, new_id=8))
    assert (alarm.id, alarm.state, alarm.closed) == (7, AlarmState.NORMAL, closed().closed)
    assert (alarm.detections, alarm.peak) == (2, 9.0)
    assert (entry.action, entry.from_state, entry.to_state) == (Action.REPEATED, AlarmState.NORMAL, AlarmState.NORMAL)
    assert entry.note is not None
    assert entry.note.startswith("late: ")


@pytest.mark.parametrize(
    "found",
    [
        condition(number=2, start=START_US + 1, end=LATER - 1),
        condition(number=2, start=START_US + 1, late=True),
        condition(number=2, start=START_US + 1, end=LATER + 1, late=True),
        condition(number=2, start=START_US - 1, end=LATER - 1, late=True),
    ],
    ids=["live", "goes on", "goes on beyond it", "began before it"],
)
def test_what_a_closed_alarm_did_not_stand_for_opens_another(found: DetectedCondition) -> None:
    alarm, (entry,) = move(closed(), Detected(MUCH_LATER, found, new_id=8))
    assert (alarm.id, alarm.late, entry.action) == (8, found.late, Action.OPENED)
