"""Which alarms belong to one incident: of one cause, or near in time, and on foot by the site's ways and doors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from hubwatch_core.alarm import Alarm, never_folded
from hubwatch_core.clock import SECOND_US
from hubwatch_core.words import Priority
from hubwatch_store.alarms import NearbyAlarm

WINDOW_S = 5 * 60
WINDOW_US = WINDOW_S * SECOND_US
"""Alarms that opened within this of each other may belong together, and so may zones that are no further apart on foot.
Our choice: about what a person needs to walk from a fence to a door inside it."""

SYMPTOMS = frozenset({"integrity.sensor_silent", "integrity.agent_offline", "integrity.gap", "power.lost", "power.low"})
"""What a loss of power or of an agent explains, as `hubwatch.alarm_causes` has it. All else of integrity may be an
attack, for which a power cut is a good moment."""

Apart = Callable[[str, str], float | None]
"""Gives how many seconds a person walks between two zones, whichever way is shorter; None where no way is known."""


def unknown(_one: str, _other: str) -> None:
    """Say that no way is known, as at a hub without a site."""


def may_be_symptom(alarm: Alarm) -> bool:
    """Return whether an alarm may be there only because something else is: a sensor without power or agent."""
    return alarm.type in SYMPTOMS and not never_folded(alarm.type, alarm.priority)


def incident_of(alarm: Alarm, neighbours: Sequence[NearbyAlarm], apart: Apart = unknown) -> int | None:
    """Choose the open incident that a newly opened alarm belongs to; None means it begins its own.

    `neighbours` are alarms of the same hub, newest first. An alarm belongs with one in its zone; else with the one that
    is the fewest steps away, within the window. Where no way between two zones is known they belong together when one
    of the two alarms is critical, because a grave event shows in more than one zone.
    """
    near = [other for other in neighbours if abs(other.opened - alarm.opened) <= WINDOW_US]
    for other in near:
        if alarm.zone is not None and other.zone == alarm.zone:
            return other.incident
    away = [(_seconds(alarm, other, apart), other) for other in near]
    nearest = _nearest(away)
    return nearest if nearest is not None else _grave(alarm, [other for seconds, other in away if seconds is None])


def _seconds(alarm: Alarm, other: NearbyAlarm, apart: Apart) -> float | None:
    return None if alarm.zone is None or other.zone is None else apart(alarm.zone, other.zone)


def _nearest(away: Iterable[tuple[float | None, NearbyAlarm]]) -> int | None:
    """Return the incident of the alarm that is nearest on foot, of equals the newest."""
    reached = [(seconds, other) for seconds, other in away if seconds is not None and seconds <= WINDOW_S]
    return min(reached, key=lambda each: each[0])[1].incident if reached else None


def _grave(alarm: Alarm, others: Iterable[NearbyAlarm]) -> int | None:
    for other in others:
        if Priority.CRITICAL in {alarm.priority, other.priority}:
            return other.incident
    return None
