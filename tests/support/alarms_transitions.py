"""The table of the lifecycle, made by running it: every trigger on an alarm in every state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from hubwatch_alarms.lifecycle import QUIET_US, MoveRefused, move
from hubwatch_alarms.triggers import (
    PLAIN,
    Acknowledge,
    Aside,
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
from hubwatch_core.alarm import SYSTEM, Action, Alarm, DetectedCondition
from hubwatch_core.clock import SECOND_US
from hubwatch_core.words import AlarmState, Priority

_START = 1_700_000_000 * SECOND_US
_SOON = _START + 60 * SECOND_US
_LATER = _START + 2 * QUIET_US
_WORKS = Aside(AlarmState.SUPPRESSED, "works 1")
_TAKEN_OUT = Aside(AlarmState.OUT_OF_SERVICE, "out of service 2")
_OFF_DELAY = TypeRules(off_delay_us=QUIET_US)
_LATCHING = TypeRules(latching=True)


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
        "detected, expected": replace(_detected(_SOON), aside=_WORKS),
        "detected, out of service": replace(_detected(_SOON), aside=_TAKEN_OUT),
        "detected soon after it closed": replace(_detected(_START + 70 * SECOND_US), at=_START + 70 * SECOND_US),
        "cleared, the last": Cleared(_LATER, "01JD3Z00000000000000000000", _LATER),
        "acknowledged by the holder": Acknowledge(_LATER, "kim"),
        "acknowledged by another": Acknowledge(_LATER, "lee"),
        "shelved": Shelve(_LATER, "lee", _LATER + QUIET_US, "works on the fence"),
        "unshelved": Unshelve(_LATER, "lee"),
        "shelf expired": ShelfExpired(_LATER + QUIET_US),
        "closed with a reason": Close(_LATER, "lee", "the fence was taken down"),
        "no longer watched": Unwatched(_LATER, SYSTEM, "the agent was taken away"),
        "expected from now on": Suppress(_LATER, _WORKS),
        "out of service from now on": Suppress(_LATER, _TAKEN_OUT),
        "expected no more": Release(_LATER, "works 1 is over"),
        "off delay over": OffDelayOver(_LATER + QUIET_US),
        "not taken in time": Overdue(_LATER + QUIET_US),
    }
)
"""One trigger of each kind that makes a difference; the holder of the alarms below is kim."""


def _alarms() -> dict[str, tuple[Alarm | None, TypeRules]]:
    """Return an alarm in each state, and the rules of its type."""
    present, _ = move(None, _detected(_START))
    held, _ = move(present, Acknowledge(_START, "kim"))
    over = Cleared(_START, "01JD3Z00000000000000000000", _START + SECOND_US)
    gone, _ = move(present, over)
    shelve = Shelve(_START, "kim", _LATER + QUIET_US, "works on the fence")
    expected, _ = move(present, Suppress(_START, _WORKS))
    unseen, _ = move(None, replace(_detected(_START), aside=_WORKS))
    plain = {
        "no alarm": None,
        "unacknowledged": present,
        "acknowledged": held,
        "returned": gone,
        "shelved, present": move(present, shelve)[0],
        "shelved, gone": move(gone, shelve)[0],
        "shelved, gone, had been acknowledged": _held_then_gone(held, shelve),
        "suppressed, present": expected,
        "suppressed, gone": move(expected, over)[0],
        "suppressed, came and went": move(unseen, over)[0],
        "out of service": move(present, Suppress(_START, _TAKEN_OUT))[0],
        "normal": move(gone, Acknowledge(_START, "kim"))[0],
    }
    special = {
        "unacknowledged, off delay runs": (move(present, over, _OFF_DELAY)[0], _OFF_DELAY),
        "latched": (move(replace(held, latching=True), over)[0], _LATCHING),
    }
    return {name: (alarm, PLAIN) for name, alarm in plain.items()} | special


def _held_then_gone(held: Alarm, shelve: Shelve) -> Alarm:
    shelved, _ = move(held, shelve)
    return move(shelved, Cleared(_START, "01JD3Z00000000000000000000", _START + SECOND_US))[0]


def _cell(alarm: Alarm | None, rules: TypeRules, trigger: Trigger) -> str:
    if isinstance(trigger, Overdue) and alarm is not None:
        # Of a type that is told again; otherwise nothing happens.
        alarm, rules = replace(alarm, realarm=_LATER), replace(rules, realarm_us=QUIET_US)
    try:
        moved, entries = move(alarm, trigger, rules)
    except MoveRefused:
        return "refused"
    if not entries:
        return "–"
    words = " + ".join(entry.action for entry in entries)
    is_new = alarm is not None and entries[0].action is Action.OPENED
    state = "new alarm" if is_new else str(moved.state).replace("_", " ")
    return f"{state} ({words})"


def markdown() -> str:
    """Return the table as Markdown: a row for each trigger, a column for each state, in a cell the new state and what
    the journal says; `–` where nothing changes that would be told."""
    alarms = _alarms()
    lines = ["| | " + " | ".join(f"**{name}**" for name in alarms) + " |", "|--" * (len(alarms) + 1) + "|"]
    for name, trigger in TRIGGERS.items():
        cells = " | ".join(_cell(*alarm, trigger) for alarm in alarms.values())
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines) + "\n"
