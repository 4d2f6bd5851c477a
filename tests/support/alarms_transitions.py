"""The table of the lifecycle, made by running it: every trigger on an alarm in every state."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hubwatch_alarms.lifecycle import QUIET_US, MoveRefused, move
from hubwatch_alarms.triggers import (
    Acknowledge,
    Cleared,
    Close,
    Detected,
    ShelfExpired,
    Shelve,
    Trigger,
    Unshelve,
    Unwatched,
)
from hubwatch_core.alarm import SYSTEM, Alarm, DetectedCondition
from hubwatch_core.clock import SECOND_US
from hubwatch_core.words import AlarmState, Priority

_START = 1_700_000_000 * SECOND_US
_SOON = _START + 60 * SECOND_US
_LATER = _START + 2 * QUIET_US


def _detection(start: int, *, priority: int = Priority.HIGH, over: bool = False) -> DetectedCondition:
    return DetectedCondition(
        id="01JD3Z00000000000000000000",
        type="perimeter.intrusion",
        hub="example",
        sensor="fence-1",
        subject=None,
        start=start,
        end=start + SECOND_US if over else None,
        detected=start + SECOND_US,
        score=5.0,
        priority=priority,
        late=False,
        why="the fence moved",
    )


def _detected(start: int, *, priority: int = Priority.HIGH, over: bool = False) -> Detected:
    return Detected(_LATER, _detection(start, priority=priority, over=over), 1)


TRIGGERS: Mapping[str, Trigger] = MappingProxyType(
    {
        "detected": _detected(_SOON),
        "detected after 5 quiet minutes": _detected(_LATER),
        "detected, more urgent": _detected(_SOON, priority=Priority.CRITICAL),
        "detected, already over": _detected(_SOON, over=True),
        "cleared, the last": Cleared(_LATER, "01JD3Z00000000000000000000", _LATER),
        "acknowledged by the holder": Acknowledge(_LATER, "kim"),
        "acknowledged by another": Acknowledge(_LATER, "lee"),
        "shelved": Shelve(_LATER, "lee", _LATER + QUIET_US, "works on the fence"),
        "unshelved": Unshelve(_LATER, "lee"),
        "shelf expired": ShelfExpired(_LATER + QUIET_US),
        "closed with a reason": Close(_LATER, "lee", "the fence was taken down"),
        "no longer watched": Unwatched(_LATER, SYSTEM, "the agent was taken away"),
    }
)
"""One trigger of each kind that makes a difference; the holder of the alarms below is kim."""


def _alarms() -> dict[str, Alarm | None]:
    present, _ = move(None, _detected(_START))
    held, _ = move(present, Acknowledge(_START, "kim"))
    gone, _ = move(present, Cleared(_START, "01JD3Z00000000000000000000", _START + SECOND_US))
    shelve = Shelve(_START, "kim", _LATER + QUIET_US, "works on the fence")
    return {
        "no alarm": None,
        "unacknowledged": present,
        "acknowledged": held,
        "returned": gone,
        "shelved, present": move(present, shelve)[0],
        "shelved, gone": move(gone, shelve)[0],
        "shelved, gone, had been acknowledged": _held_then_gone(held, shelve),
        "normal": move(gone, Acknowledge(_START, "kim"))[0],
    }


def _held_then_gone(held: Alarm, shelve: Shelve) -> Alarm:
    shelved, _ = move(held, shelve)
    return move(shelved, Cleared(_START, "01JD3Z00000000000000000000", _START + SECOND_US))[0]


def _cell(alarm: Alarm | None, trigger: Trigger) -> str:
    try:
        moved, entries = move(alarm, trigger)
    except MoveRefused:
        return "refused"
    if not entries:
        return "–"
    words = " + ".join(entry.action for entry in entries)
    state = "new alarm" if alarm is not None and alarm.state is AlarmState.NORMAL else moved.state
    return f"{state} ({words})"


def markdown() -> str:
    """Return the table as Markdown: a row for each trigger, a column for each state, in a cell the new state and what
    the journal says; `–` where nothing changes that would be told."""
    alarms = _alarms()
    lines = ["| | " + " | ".join(f"**{name}**" for name in alarms) + " |", "|--" * (len(alarms) + 1) + "|"]
    for name, trigger in TRIGGERS.items():
        cells = " | ".join(_cell(alarm, trigger) for alarm in alarms.values())
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines) + "\n"
