"""When an alarm opens, changes hands and closes: a pure function from (alarm, trigger) to (alarm, journal entries).

The states are those of ISA-18.2 / IEC 62682. The whole table, made from this code, is in docs/reference/alarms.md.
Where the standard leaves a choice, ours is said at the function that makes it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from hubwatch_alarms.clock_text import clock_text
from hubwatch_alarms.triggers import Acknowledge, Cleared, Detected, ShelfExpired, Shelve, Trigger, Unshelve
from hubwatch_core.clock import SECOND_US
from hubwatch_core.errors import Permanent
from hubwatch_core.wire import Detection
from hubwatch_core.words import AlarmState
from hubwatch_store.alarm_rows import SYSTEM, Action, Alarm, Entry

UNACKNOWLEDGED = AlarmState.UNACKNOWLEDGED
ACKNOWLEDGED = AlarmState.ACKNOWLEDGED
RETURNED = AlarmState.RETURNED
NORMAL = AlarmState.NORMAL
SHELVED = AlarmState.SHELVED

QUIET_US = 5 * 60 * SECOND_US
"""A condition that comes back after this long is told again. Our choice: the group_interval default of Alertmanager,
long enough that a chattering contact (three times a minute and more) is told once."""

Moved = tuple[Alarm, tuple[Entry, ...]]


class MoveRefused(Permanent):
    """A person asked for a move that this alarm's state does not allow; the text says why and what to do."""


def move(alarm: Alarm | None, trigger: Trigger) -> Moved:
    """Apply `trigger`; gives the alarm as it stands then and what goes into its journal (empty: nothing to tell).

    A detection with no alarm, or a closed one, opens a new one. Raises MoveRefused, and then nothing has changed.
    """
    if isinstance(trigger, Detected):
        return _detected(alarm, trigger)
    if alarm is None:
        raise MoveRefused("there is no alarm to act on")
    match trigger:
        case Cleared():
            return _cleared(alarm, trigger)
        case Acknowledge():
            return _acknowledge(alarm, trigger)
        case Shelve():
            return _shelve(alarm, trigger)
        case Unshelve():
            return _unshelve(alarm, trigger)
        case ShelfExpired():
            return _shelf_expired(alarm, trigger)
    assert_never(trigger)


def _detected(alarm: Alarm | None, trigger: Detected) -> Moved:
    if alarm is None or alarm.state is NORMAL:
        return _open(trigger)
    detection = trigger.detection
    action, state = _repetition(alarm, detection)
    counted = _counted(alarm, detection)
    changed = replace(counted, state=state)
    if state is not SHELVED:
        changed = replace(changed, shelved_until=None)
    if state is not ACKNOWLEDGED:
        # Nobody has taken this occurrence yet, even if somebody took an earlier or less urgent one.
        changed = replace(changed, acknowledged=None, acknowledged_by=None)
    return changed, (_entry(action, alarm, changed, trigger.at, note=_lateness(detection), detection=detection.id),)


def _open(trigger: Detected) -> Moved:
    """A detection that has already ended opens an alarm that has already returned: it still waits for a person."""
    found = trigger.detection
    alarm = Alarm(
        id=trigger.new_id,
        hub=found.hub,
        zone=trigger.zone,
        sensor=found.sensor,
        type=found.type,
        subject=found.subject,
        priority=found.priority,
        state=UNACKNOWLEDGED if found.end is None else RETURNED,
        opened=found.start,
        last_active=_last_seen(found),
        detections=1,
        active=int(found.end is None),
        why=_why(found),
        score=found.score,
        late=found.late,
        returned=found.end,
    )
    entry = Entry(Action.OPENED, trigger.at, None, alarm.state, note=_lateness(found), detection=found.id)
    return alarm, (entry,)


def _repetition(alarm: Alarm, found: Detection) -> tuple[Action, AlarmState]:
    """A detection on an open alarm: which word, which state.

    More urgent than the alarm was: whoever acknowledged or shelved it judged something lesser, so it is
    unacknowledged again. Otherwise it is counted; an acknowledged alarm stays with its responder and a shelved one on
    its shelf. A returned alarm becomes active again, and is told again when it had been quiet for QUIET_US.
    """
    if found.priority < alarm.priority:
        gone = found.end is not None and alarm.active == 0
        return Action.RAISED, RETURNED if gone else UNACKNOWLEDGED
    if alarm.state is not RETURNED:
        return Action.REPEATED, alarm.state
    quiet = found.start - alarm.last_active >= QUIET_US
    return Action.RECURRED if quiet else Action.REPEATED, UNACKNOWLEDGED if found.end is None else RETURNED


def _counted(alarm: Alarm, found: Detection) -> Alarm:
    active = alarm.active + (found.end is None)
    last_active = max(alarm.last_active, _last_seen(found))
    counted = replace(
        alarm,
        opened=min(alarm.opened, found.start),
        last_active=last_active,
        returned=None if active else last_active,
        detections=alarm.detections + 1,
        active=active,
    )
    # An old finding that arrives late does not speak over a live one of the same priority.
    if found.priority > alarm.priority or (found.priority == alarm.priority and found.late > alarm.late):
        return counted
    return replace(counted, priority=found.priority, why=_why(found), score=found.score, late=found.late)


def _cleared(alarm: Alarm, trigger: Cleared) -> Moved:
    """Only the end of the last detection that is still open returns the alarm; the others are not told."""
    if alarm.active == 0:
        return alarm, ()
    last_active = max(alarm.last_active, trigger.end)
    changed = replace(alarm, active=alarm.active - 1, last_active=last_active)
    if changed.active:
        return changed, ()
    changed = replace(changed, returned=last_active)
    if alarm.state is ACKNOWLEDGED:
        changed = replace(changed, state=NORMAL, closed=trigger.at)
    elif alarm.state is UNACKNOWLEDGED:
        changed = replace(changed, state=RETURNED)
    return _with_closing(_entry(Action.RETURNED, alarm, changed, trigger.at, detection=trigger.detection), changed)


def _acknowledge(alarm: Alarm, trigger: Acknowledge) -> Moved:
    """Acknowledging one's own alarm again changes nothing; another person's is refused with the holder's name."""
    _refuse_closed(alarm)
    if alarm.state is SHELVED:
        raise MoveRefused(f"alarm {alarm.id} is shelved until {clock_text(alarm.shelved_until)}: unshelve it first")
    if alarm.state is ACKNOWLEDGED:
        if alarm.acknowledged_by == trigger.by:
            return alarm, ()
        raise MoveRefused(
            f"alarm {alarm.id} is with {alarm.acknowledged_by}, who acknowledged it at {clock_text(alarm.acknowledged)}"
        )
    changed = replace(alarm, state=ACKNOWLEDGED, acknowledged=trigger.at, acknowledged_by=trigger.by)
    if alarm.state is RETURNED:
        changed = replace(changed, state=NORMAL, closed=trigger.at)
    entry = _entry(Action.ACKNOWLEDGED, alarm, changed, trigger.at, by=trigger.by, note=trigger.note)
    return _with_closing(entry, changed)


def _shelve(alarm: Alarm, trigger: Shelve) -> Moved:
    """Shelving a shelved alarm gives it a new time; who had acknowledged it stays known."""
    _refuse_closed(alarm)
    if trigger.until <= trigger.at:
        raise MoveRefused(f"alarm {alarm.id} cannot be shelved until {clock_text(trigger.until)}: that is over")
    changed = replace(alarm, state=SHELVED, shelved_until=trigger.until)
    note = f"until {clock_text(trigger.until)}: {trigger.note}"
    return changed, (_entry(Action.SHELVED, alarm, changed, trigger.at, by=trigger.by, note=note),)


def _unshelve(alarm: Alarm, trigger: Unshelve) -> Moved:
    """Who takes an alarm off the shelf has it (ISA-18.2 §11.7.3): acknowledged, or closed if the condition has gone."""
    if alarm.state is not SHELVED:
        raise MoveRefused(f"alarm {alarm.id} is not shelved, it is {alarm.state}")
    changed = replace(alarm, shelved_until=None, state=ACKNOWLEDGED)
    if alarm.acknowledged_by is None:
        changed = replace(changed, acknowledged=trigger.at, acknowledged_by=trigger.by)
    if not alarm.active:
        changed = replace(changed, state=NORMAL, closed=trigger.at)
    entry = _entry(Action.UNSHELVED, alarm, changed, trigger.at, by=trigger.by, note=trigger.note)
    return _with_closing(entry, changed)


def _shelf_expired(alarm: Alarm, trigger: ShelfExpired) -> Moved:
    """A condition that is still there lands unacknowledged (ISA-18.2 §11.7.3), whoever had it before.

    One that has gone closes if it had been acknowledged before it was shelved and was not seen since; otherwise a
    person still has to look at it.
    """
    if alarm.state is not SHELVED or alarm.shelved_until is None or alarm.shelved_until > trigger.at:
        return alarm, ()
    changed = replace(alarm, shelved_until=None)
    if alarm.active:
        changed = replace(changed, state=UNACKNOWLEDGED, acknowledged=None, acknowledged_by=None)
    elif alarm.acknowledged is None:
        changed = replace(changed, state=RETURNED)
    else:
        changed = replace(changed, state=NORMAL, closed=trigger.at)
    return _with_closing(_entry(Action.SHELF_EXPIRED, alarm, changed, trigger.at), changed)


def _with_closing(entry: Entry, alarm: Alarm) -> Moved:
    """Add the closing line, so that a route told of closings hears of it whatever move closed the alarm."""
    if alarm.state is not NORMAL:
        return alarm, (entry,)
    return alarm, (entry, Entry(Action.CLOSED, entry.at, NORMAL, NORMAL, by=entry.by))


def _entry(
    action: Action,
    before: Alarm,
    after: Alarm,
    at: int,
    *,
    by: str = SYSTEM,
    note: str | None = None,
    detection: str | None = None,
) -> Entry:
    return Entry(action, at, before.state, after.state, by=by, note=note, detection=detection)


def _refuse_closed(alarm: Alarm) -> None:
    if alarm.state is NORMAL:
        when = clock_text(alarm.closed)
        raise MoveRefused(f"alarm {alarm.id} is already closed (at {when}, acknowledged by {alarm.acknowledged_by})")


def _last_seen(found: Detection) -> int:
    return found.detected if found.end is None else found.end


def _why(found: Detection) -> str:
    return f"late: {found.why}" if found.late else found.why


def _lateness(found: Detection) -> str | None:
    if not found.late:
        return None
    return f"late: began {clock_text(found.start)}, known {clock_text(found.detected)}"
