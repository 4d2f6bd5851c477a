"""When an alarm opens, changes hands and closes: a pure function from (alarm, trigger) to (alarm, journal entries).

The states are those of ISA-18.2 / IEC 62682. The whole table, made from this code, is in docs/reference/alarms.md.
Where the standard leaves a choice, ours is said at the function that makes it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from hubwatch_alarms.triggers import (
    PLAIN,
    Acknowledge,
    Cleared,
    Close,
    Detected,
    OffDelayOver,
    Overdue,
    Release,
    ShelfExpired,
    Shelve,
    Suppress,
    Trigger,
    TypeRules,
    Unshelve,
    Unwatched,
)
from hubwatch_core.alarm import (
    SET_ASIDE,
    SYSTEM,
    TOLD,
    WAITING,
    Action,
    Alarm,
    DetectedCondition,
    JournalEntry,
    never_folded,
)
from hubwatch_core.clock import SECOND_US, clock_text
from hubwatch_core.errors import Permanent
from hubwatch_core.words import AlarmState

UNACKNOWLEDGED = AlarmState.UNACKNOWLEDGED
ACKNOWLEDGED = AlarmState.ACKNOWLEDGED
RETURNED = AlarmState.RETURNED
NORMAL = AlarmState.NORMAL
SHELVED = AlarmState.SHELVED
SUPPRESSED = AlarmState.SUPPRESSED
OUT_OF_SERVICE = AlarmState.OUT_OF_SERVICE

QUIET_US = 5 * 60 * SECOND_US
"""A condition that comes back after this long is told again. Our choice: the group_interval default of Alertmanager,
long enough that a chattering contact (three times a minute and more) is told once."""

CHATTER_US = 60 * 60 * SECOND_US
"""For how long after somebody acknowledged an alarm its condition may come and go without being told again. Our choice:
short enough that whoever has it is still on shift."""

Moved = tuple[Alarm, tuple[JournalEntry, ...]]


class MoveRefused(Permanent):
    """A person asked for a move that this alarm's state does not allow; the text says why and what to do."""


def move(alarm: Alarm | None, trigger: Trigger, rules: TypeRules = PLAIN) -> Moved:
    """Apply `trigger`; return the alarm as it stands then and what goes into its journal (empty: nothing to tell).

    A detection with no alarm, or a closed one, opens a new one. Raises MoveRefused, and then nothing has changed.
    """
    moved, entries = _moved(alarm, trigger, rules)
    realarm = _realarm(moved, entries, trigger.at, rules)
    return (moved if realarm == moved.realarm else replace(moved, realarm=realarm)), entries


def _realarm(alarm: Alarm, entries: tuple[JournalEntry, ...], at: int, rules: TypeRules) -> int | None:
    if alarm.state not in WAITING or not rules.realarm_us:
        return None
    told = any(entry.action in TOLD for entry in entries)
    return at + rules.realarm_us if told or alarm.realarm is None else alarm.realarm


def _moved(alarm: Alarm | None, trigger: Trigger, rules: TypeRules) -> Moved:
    if isinstance(trigger, Detected):
        return _detected(alarm, trigger, rules)
    if alarm is None:
        raise MoveRefused("there is no alarm to act on")
    match trigger:
        case Acknowledge():
            return _acknowledge(alarm, trigger)
        case Shelve():
            return _shelve(alarm, trigger)
        case Unshelve():
            return _unshelve(alarm, trigger)
        case Close():
            return _close(alarm, trigger)
        case _:
            return _moved_by_itself(alarm, trigger, rules)


def _moved_by_itself(
    alarm: Alarm,
    trigger: Cleared | ShelfExpired | Unwatched | Suppress | Release | OffDelayOver | Overdue,
    rules: TypeRules,
) -> Moved:
    """Apply what no person asked for: it is never refused."""
    match trigger:
        case Cleared():
            moved = _cleared(alarm, trigger, rules)
        case ShelfExpired():
            moved = _shelf_expired(alarm, trigger)
        case Unwatched():
            moved = _unwatched(alarm, trigger)
        case Suppress():
            moved = _suppress(alarm, trigger)
        case Release():
            moved = _release(alarm, trigger)
        case OffDelayOver():
            moved = _off_delay_over(alarm, trigger)
        case Overdue():
            moved = _overdue(alarm, trigger)
        case _:
            assert_never(trigger)
    return moved


def _detected(alarm: Alarm | None, trigger: Detected, rules: TypeRules) -> Moved:
    detection = trigger.detection
    if alarm is not None and was_dealt_with(alarm, detection):
        changed = replace(alarm, detections=alarm.detections + 1, peak=max(alarm.peak, detection.score, detection.peak))
        note = _lateness(detection)
        return changed, (_entry(Action.REPEATED, alarm, changed, trigger.at, note=note, detection=detection.id),)
    if alarm is not None and trigger.aside is None and came_back(alarm, trigger):
        return _reopened(alarm, trigger)
    if alarm is None or alarm.state is NORMAL:
        return _open(trigger, rules)
    action, state = _repetition(alarm, trigger)
    counted = _counted(alarm, detection, trigger.at)
    is_taken = state is ACKNOWLEDGED
    changed = replace(
        counted,
        state=state,
        unseen=counted.unseen and state in SET_ASIDE,
        shelved_until=counted.shelved_until if state is SHELVED else None,
        # Nobody has taken this occurrence yet, even if somebody took an earlier or less urgent one.
        acknowledged=counted.acknowledged if is_taken else None,
        acknowledged_by=counted.acknowledged_by if is_taken else None,
    )
    return changed, (_entry(action, alarm, changed, trigger.at, note=_lateness(detection), detection=detection.id),)


def came_back(alarm: Alarm, trigger: Detected) -> bool:
    """Return whether a detection is the condition of an alarm that somebody had and that closed a moment ago.

    Not so what is always told, and what has come and gone for CHATTER_US.
    """
    found = trigger.detection
    if alarm.state is not NORMAL or alarm.closed is None or alarm.acknowledged is None or found.late:
        return False
    if found.priority < alarm.priority or never_folded(alarm.type, alarm.priority):
        return False
    soon = 0 <= trigger.at - alarm.closed < QUIET_US and found.start - alarm.last_active < QUIET_US
    return soon and alarm.returned is not None and 0 <= trigger.at - alarm.acknowledged < CHATTER_US


def _reopened(alarm: Alarm, trigger: Detected) -> Moved:
    """Whoever had acknowledged it has it again; what was over when it was found is counted and opens nothing."""
    found = trigger.detection
    counted = _counted(alarm, found, trigger.at)
    if found.end is not None:
        return counted, (_entry(Action.REPEATED, alarm, counted, trigger.at, detection=found.id),)
    changed = replace(counted, state=ACKNOWLEDGED, closed=None)
    return changed, (_entry(Action.REOPENED, alarm, changed, trigger.at, detection=found.id),)


def was_dealt_with(alarm: Alarm, found: DetectedCondition) -> bool:
    """Return whether a closed alarm stood for a late detection: all of it lies in the time for which the condition was
    known to be there. People closed the alarm knowing that, so it is counted and nobody is told again.
    """
    if alarm.state is not NORMAL or not found.late or found.end is None:
        return False
    return alarm.opened <= found.start and found.end <= alarm.last_active


def _open(trigger: Detected, rules: TypeRules) -> Moved:
    """A detection that has already ended opens an alarm that has already returned: it still waits for a person."""
    found, aside = trigger.detection, trigger.aside
    seen_as = UNACKNOWLEDGED if found.end is None else RETURNED
    alarm = Alarm(
        id=trigger.new_id,
        hub=found.hub,
        zone=trigger.zone,
        sensor=found.sensor,
        type=found.type,
        subject=found.subject,
        priority=found.priority,
        state=seen_as if aside is None else aside.state,
        opened=found.start,
        last_active=_last_seen(found),
        detections=1,
        active=int(found.end is None),
        why=_why(found),
        score=found.score,
        late=found.late,
        returned=found.end,
        peak=max(found.score, found.peak),
        unseen=aside is not None,
        latching=rules.latching,
        exercise=found.exercise,
    )
    note = _lateness(found) if aside is None else aside.reason
    entry = JournalEntry(Action.OPENED, trigger.at, None, alarm.state, note=note, detection=found.id)
    return alarm, (entry,)


def _repetition(alarm: Alarm, trigger: Detected) -> tuple[Action, AlarmState]:
    """A detection on an open alarm: which word, which state.

    More urgent than the alarm was: whoever acknowledged or shelved it judged something lesser, so it is
    unacknowledged again, unless it is expected at its new priority, too. Otherwise it is counted; an acknowledged alarm
    stays with its responder and one that is set aside where it is. A returned alarm becomes active again, and is told
    again when it had been quiet for QUIET_US: by the times of its detections or, as the clock they come from may have
    been set back, by the hub's own.
    """
    found = trigger.detection
    if found.priority < alarm.priority and (trigger.aside is None or alarm.state is not trigger.aside.state):
        gone = found.end is not None and alarm.active == 0 and alarm.returns_at is None
        return Action.RAISED, RETURNED if gone else UNACKNOWLEDGED
    if alarm.state is not RETURNED:
        return Action.REPEATED, alarm.state
    hub_quiet_us = 0 if found.late else trigger.quiet_us
    quiet = max(found.start - alarm.last_active, hub_quiet_us) >= QUIET_US or alarm.last_active > trigger.at
    return Action.RECURRED if quiet else Action.REPEATED, UNACKNOWLEDGED if found.end is None else RETURNED


def _counted(alarm: Alarm, found: DetectedCondition, now: int) -> Alarm:
    active = alarm.active + (found.end is None)
    last_active = _later(alarm.last_active, _last_seen(found), now)
    counted = replace(
        alarm,
        opened=min(alarm.opened, found.start),
        last_active=last_active,
        returned=None if active or alarm.returns_at is not None else last_active,
        returns_at=None if active else alarm.returns_at,
        detections=alarm.detections + 1,
        active=active,
        peak=max(alarm.peak, found.score, found.peak),
    )
    # An old finding that arrives late does not speak over a live one of the same priority.
    if found.priority > alarm.priority or (found.priority == alarm.priority and found.late > alarm.late):
        return counted
    return replace(counted, priority=found.priority, why=_why(found), score=found.score, late=found.late)


def _cleared(alarm: Alarm, trigger: Cleared, rules: TypeRules) -> Moved:
    """Only the end of the last detection that is still open returns the alarm; the others are not told.

    With an off delay it returns later, unless it comes back before.
    """
    if alarm.active == 0:
        return alarm, ()
    last_active = _later(alarm.last_active, trigger.end, trigger.at)
    changed = replace(alarm, active=alarm.active - 1, last_active=last_active, peak=max(alarm.peak, trigger.peak))
    if changed.active:
        return changed, ()
    if rules.off_delay_us and alarm.state not in SET_ASIDE:
        return replace(changed, returns_at=trigger.at + rules.off_delay_us), ()
    changed = _returned(changed, trigger.at)
    entry = _entry(Action.RETURNED, alarm, changed, trigger.at, note=trigger.why, detection=trigger.detection)
    return _with_closing(entry, changed)


def _off_delay_over(alarm: Alarm, trigger: OffDelayOver) -> Moved:
    if alarm.returns_at is None or (alarm.returns_at > trigger.at and not trigger.clock_set_back):
        return alarm, ()
    changed = _returned(alarm, trigger.at)
    return _with_closing(_entry(Action.RETURNED, alarm, changed, trigger.at), changed)


def _overdue(alarm: Alarm, trigger: Overdue) -> Moved:
    """Tell it again; how it stands does not change."""
    if alarm.state not in WAITING or alarm.realarm is None:
        return alarm, ()
    if alarm.realarm > trigger.at and not trigger.clock_set_back:
        return alarm, ()
    return alarm, (_entry(Action.REALARMED, alarm, alarm, trigger.at),)


def _returned(alarm: Alarm, at: int) -> Alarm:
    """A latching alarm stays with whoever has it until they reset it by acknowledging it once more."""
    changed = replace(_settled(alarm), active=0, returned=alarm.last_active)
    if alarm.state is ACKNOWLEDGED and not alarm.latching:
        return replace(changed, state=NORMAL, closed=at)
    return replace(changed, state=RETURNED) if alarm.state is UNACKNOWLEDGED else changed


def _settled(alarm: Alarm) -> Alarm:
    """Return an alarm that does not wait for its condition to come back any more."""
    return alarm if alarm.returns_at is None else replace(alarm, returns_at=None, returned=alarm.last_active)


def _suppress(alarm: Alarm, trigger: Suppress) -> Moved:
    """Being expected or out of service goes over the shelf. Who had acknowledged it stays known."""
    aside = trigger.aside
    if alarm.state in {NORMAL, aside.state}:
        return alarm, ()
    changed = replace(_settled(alarm), state=aside.state, shelved_until=None)
    action = Action.TAKEN_OUT if aside.state is OUT_OF_SERVICE else Action.SUPPRESSED
    return changed, (_entry(action, alarm, changed, trigger.at, note=aside.reason),)


def _release(alarm: Alarm, trigger: Release) -> Moved:
    """A condition that is still there lands unacknowledged, whoever had it before.

    What came and went meanwhile was expected: such an alarm closes. One that was there before and that nobody has
    acknowledged still waits for a person.
    """
    if alarm.state not in {SUPPRESSED, OUT_OF_SERVICE}:
        return alarm, ()
    if alarm.active:
        changed = replace(alarm, state=UNACKNOWLEDGED, acknowledged=None, acknowledged_by=None)
    elif alarm.acknowledged is None and not alarm.unseen:
        changed = replace(alarm, state=RETURNED)
    elif alarm.acknowledged is not None and alarm.latching:
        changed = replace(alarm, state=ACKNOWLEDGED)
    else:
        changed = replace(alarm, state=NORMAL, closed=trigger.at)
    changed = replace(changed, unseen=False)
    return _with_closing(_entry(Action.RELEASED, alarm, changed, trigger.at, note=trigger.reason), changed)


def _close(alarm: Alarm, trigger: Close) -> Moved:
    """Ends of its detections that come later find it closed and change nothing; a new detection opens a new alarm.

    `returned` stays empty when nobody saw the condition go, and `acknowledged_by` when nobody had taken the alarm.
    """
    _refuse_closed(alarm)
    changed = replace(alarm, state=NORMAL, active=0, shelved_until=None, returns_at=None, closed=trigger.at)
    return changed, (_entry(Action.CLOSED, alarm, changed, trigger.at, by=trigger.by, note=trigger.reason),)


def _unwatched(alarm: Alarm, trigger: Unwatched) -> Moved:
    """As when the last detection ends: what nobody has acknowledged still waits for a person."""
    if alarm.active == 0:
        return alarm, ()
    changed = _returned(alarm, trigger.at)
    entry = _entry(Action.RETURNED, alarm, changed, trigger.at, by=trigger.by, note=trigger.reason)
    return _with_closing(entry, changed)


def _acknowledge(alarm: Alarm, trigger: Acknowledge) -> Moved:
    """Acknowledging one's own alarm again changes nothing; another person's is refused with the holder's name.

    A latching alarm whose condition has gone is reset by acknowledging it once it has been acknowledged.
    """
    _refuse_closed(alarm)
    _refuse_set_aside(alarm)
    reset = alarm.state is ACKNOWLEDGED and alarm.returned is not None
    if alarm.state is ACKNOWLEDGED and not reset:
        if alarm.acknowledged_by == trigger.by:
            return alarm, ()
        raise MoveRefused(
            f"alarm {alarm.id} is with {alarm.acknowledged_by}, who acknowledged it at {clock_text(alarm.acknowledged)}"
        )
    changed = replace(alarm, state=ACKNOWLEDGED, acknowledged=trigger.at, acknowledged_by=trigger.by)
    if reset or (alarm.state is RETURNED and not alarm.latching):
        changed = replace(changed, state=NORMAL, closed=trigger.at)
    entry = _entry(Action.ACKNOWLEDGED, alarm, changed, trigger.at, by=trigger.by, note=trigger.note)
    return _with_closing(entry, changed)


def _shelve(alarm: Alarm, trigger: Shelve) -> Moved:
    """Shelving a shelved alarm gives it a new time; who had acknowledged it stays known."""
    _refuse_closed(alarm)
    if alarm.state is not SHELVED:
        _refuse_set_aside(alarm)
    if trigger.until <= trigger.at:
        raise MoveRefused(f"alarm {alarm.id} cannot be shelved until {clock_text(trigger.until)}: that is over")
    changed = replace(_settled(alarm), state=SHELVED, shelved_until=trigger.until)
    note = f"until {clock_text(trigger.until)}: {trigger.note}"
    return changed, (_entry(Action.SHELVED, alarm, changed, trigger.at, by=trigger.by, note=note),)


def _unshelve(alarm: Alarm, trigger: Unshelve) -> Moved:
    """Who takes an alarm off the shelf has it (ISA-18.2 §11.7.3): acknowledged, or closed if the condition has gone."""
    if alarm.state is not SHELVED:
        raise MoveRefused(f"alarm {alarm.id} is not shelved, it is {_words(alarm.state)}")
    changed = replace(alarm, shelved_until=None, state=ACKNOWLEDGED)
    if alarm.acknowledged_by is None:
        changed = replace(changed, acknowledged=trigger.at, acknowledged_by=trigger.by)
    if not alarm.active and not alarm.latching:
        changed = replace(changed, state=NORMAL, closed=trigger.at)
    entry = _entry(Action.UNSHELVED, alarm, changed, trigger.at, by=trigger.by, note=trigger.note)
    return _with_closing(entry, changed)


def _shelf_expired(alarm: Alarm, trigger: ShelfExpired) -> Moved:
    """A condition that is still there lands unacknowledged (ISA-18.2 §11.7.3), whoever had it before.

    One that has gone closes if it had been acknowledged before it was shelved and was not seen since; otherwise a
    person still has to look at it.
    """
    if alarm.state is not SHELVED or alarm.shelved_until is None:
        return alarm, ()
    if alarm.shelved_until > trigger.at and not trigger.clock_set_back:
        return alarm, ()
    changed = replace(alarm, shelved_until=None)
    if alarm.active:
        changed = replace(changed, state=UNACKNOWLEDGED, acknowledged=None, acknowledged_by=None)
    elif alarm.acknowledged is None:
        changed = replace(changed, state=RETURNED)
    elif alarm.latching:
        changed = replace(changed, state=ACKNOWLEDGED)
    else:
        changed = replace(changed, state=NORMAL, closed=trigger.at)
    note = "the hub's clock was set back: for how long it was shelved is not known" if trigger.clock_set_back else None
    return _with_closing(_entry(Action.SHELF_EXPIRED, alarm, changed, trigger.at, note=note), changed)


def _with_closing(entry: JournalEntry, alarm: Alarm) -> Moved:
    """Add the closing line, so that a route told of closings hears of it whatever move closed the alarm."""
    if alarm.state is not NORMAL:
        return alarm, (entry,)
    return alarm, (entry, JournalEntry(Action.CLOSED, entry.at, NORMAL, NORMAL, by=entry.by))


def _entry(
    action: Action,
    before: Alarm,
    after: Alarm,
    at: int,
    *,
    by: str = SYSTEM,
    note: str | None = None,
    detection: str | None = None,
) -> JournalEntry:
    return JournalEntry(action, at, before.state, after.state, by=by, note=note, detection=detection)


def _refuse_closed(alarm: Alarm) -> None:
    if alarm.state is NORMAL:
        at = clock_text(alarm.closed)
        raise MoveRefused(
            f"alarm {alarm.id} is already closed (at {at}, never acknowledged)"
            if alarm.acknowledged_by is None
            else f"alarm {alarm.id} is already closed (at {at}, acknowledged by {alarm.acknowledged_by})"
        )


def _refuse_set_aside(alarm: Alarm) -> None:
    if alarm.state is SHELVED:
        raise MoveRefused(f"alarm {alarm.id} is shelved until {clock_text(alarm.shelved_until)}: unshelve it first")
    if alarm.state in SET_ASIDE:
        raise MoveRefused(
            f"alarm {alarm.id} is {_words(alarm.state)}: `hubwatch alarms suppressions` shows by whom and until when"
        )


def _words(state: AlarmState) -> str:
    return str(state).replace("_", " ")


def _later(known: int, new: int, now: int) -> int:
    """Return the later of two times; one of the future is of a clock that was wrong and gives way."""
    return new if known > now else max(known, new)


def _last_seen(found: DetectedCondition) -> int:
    return found.detected if found.end is None else found.end


def _why(found: DetectedCondition) -> str:
    return f"late: {found.why}" if found.late else found.why


def _lateness(found: DetectedCondition) -> str | None:
    if not found.late:
        return None
    return f"late: began {clock_text(found.start)}, known {clock_text(found.detected)}"
