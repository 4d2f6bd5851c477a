"""Which alarms belong to one incident: near in time, and in one place or grave."""

from __future__ import annotations

from collections.abc import Sequence

from hubwatch_core.clock import SECOND_US
from hubwatch_core.words import Priority
from hubwatch_store.alarm_rows import Alarm
from hubwatch_store.incidents import Neighbour

WINDOW_US = 5 * 60 * SECOND_US
"""Alarms that opened within this of each other may belong together. Our choice: about what a person needs to walk from
a fence to a door inside it."""


def incident_of(alarm: Alarm, neighbours: Sequence[Neighbour]) -> int | None:
    """Choose the open incident that a newly opened alarm belongs to; None means it begins its own.

    `neighbours` are alarms of the same hub, newest first. An alarm belongs with one in its zone; when either of the
    two is critical, the whole hub is one place, because a grave event shows in more than one zone. Its zone goes first.
    """
    near = [other for other in neighbours if abs(other.opened - alarm.opened) <= WINDOW_US]
    for other in near:
        if alarm.zone is not None and other.zone == alarm.zone:
            return other.incident
    for other in near:
        if Priority.CRITICAL in {alarm.priority, other.priority}:
            return other.incident
    return None
