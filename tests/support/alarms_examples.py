"""Detections and alarms that the alarm tests begin with."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from hubwatch_core.alarm import Alarm, DetectedCondition
from hubwatch_core.clock import SECOND_US
from hubwatch_core.wire import Detection
from hubwatch_core.words import AlarmState

START_US = 1_795_284_000 * SECOND_US


def detection(
    *,
    number: int = 1,
    start: int = START_US,
    priority: int = 2,
    over: bool = False,
    late: bool = False,
    type_: str = "perimeter.intrusion",
    hub: str = "rotterdam",
    sensor: str = "fence-1",
    subject: str | None = None,
    why: str = "the fence moved for 2.1 s",
    end: int | None = None,
    score: float = 6.25,
) -> Detection:
    """Make a detection known a second after its start; `number` makes its id, `over` ends it after half a second."""
    return Detection(
        id=f"01JD3Z{number:020d}",
        type=type_,
        hub=hub,
        sensor=sensor,
        subject=subject,
        start=start,
        end=start + SECOND_US // 2 if over else end,
        detected=start + SECOND_US,
        score=score,
        priority=priority,
        detector="perimeter",
        version=1,
        late=late,
        why=why,
    )


def condition(**what: Any) -> DetectedCondition:
    """Make what alarms see of such a detection."""
    found = detection(**what)
    names = {field.name for field in fields(DetectedCondition)} - {"peak", "exercise"}
    return DetectedCondition(**{name: getattr(found, name) for name in names}, peak=found.score)


def alarm(*, state: AlarmState = AlarmState.UNACKNOWLEDGED, acknowledged_by: str | None = None) -> Alarm:
    """Make an alarm as a gamma detection at a portal opens it."""
    return Alarm(
        id=41,
        hub="rotterdam",
        zone="gate-2",
        sensor="rpm-2",
        type="radiation.gamma",
        subject=None,
        priority=1,
        state=state,
        opened=START_US,
        last_active=START_US + SECOND_US,
        detections=1,
        active=1,
        why="gamma 6.2 sigma over background during an occupancy",
        score=6.2,
        late=False,
        acknowledged=None if acknowledged_by is None else START_US + 5 * SECOND_US,
        acknowledged_by=acknowledged_by,
    )
