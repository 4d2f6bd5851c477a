"""Which sensors cannot be seen now, and why. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hubwatch_console.watching import HEARD_WITHIN_S
from hubwatch_core.words import Quality

SILENT_AFTER_S = 60.0
"""Where a profile does not say how long a sensor may be silent."""
OWN_KINDS = ("maintenance", "works", "out_of_service")


@dataclass(frozen=True, slots=True)
class SensorSight:
    """A sensor, and why it is not seen; None where it is."""

    hub: str
    zone: str
    sensor: str
    kind: str
    agent: str | None
    cause: str | None
    age_s: float | None
    """Of its newest reading."""
    unseen_s: float | None
    """How long it has not been seen; None where it was never seen, or is seen."""
    until: datetime | None
    by: str | None
    """Who said that it is expected, or has its alarm."""
    alarm: int | None
    alarm_type: str | None
    priority: int | None
    exercise: int | None
    """The drill that made its alarm up; None where it is real."""
    reason: str | None


def sights(rows: Sequence[Mapping[str, Any]]) -> list[SensorSight]:
    """Return whether each sensor is seen."""
    return [
        SensorSight(
            row["hub"], row["zone"] or "–", row["sensor"], row["kind"], row["agent"], cause_of(row), row["age_s"],
            _unseen_s(row), row["until"], row["expected_by"] or row["acknowledged_by"], row["alarm"], row["alarm_type"],
            row["priority"], row["exercise"], row["reason"],
        )
        for row in rows
    ]  # fmt: skip


def cause_of(row: Mapping[str, Any]) -> str | None:
    """Return why a sensor is not seen: what is nearest to the root of it first."""
    age_s, heard_s = row["age_s"], row["agent_heard_s"]
    if row["agent_state"] == "offline":
        return "agent"
    if heard_s is None or heard_s > HEARD_WITHIN_S:
        return "silent"
    if row["channels"] and age_s is None:
        return "never"
    if age_s is not None and age_s > (row["max_age_s"] or SILENT_AFTER_S):
        return "device"
    if row["quality"] == Quality.BAD:
        return "bad"
    return row["expected"] if row["expected"] in OWN_KINDS else None


def _unseen_s(row: Mapping[str, Any]) -> float | None:
    """Return since when a sensor is not seen: its newest reading, or where it has only events when its agent spoke."""
    since: float | None = row["agent_heard_s"] if row["age_s"] is None and not row["channels"] else row["age_s"]
    return since


def blind_by_hub(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, int]:
    """Return how many sensors of each hub are not seen; only of hubs with such."""
    return Counter(row["hub"] for row in rows if cause_of(row) is not None)


def blind_zones(found: Sequence[SensorSight]) -> list[tuple[str, str, list[SensorSight], int]]:
    """Return the zones with sensors that are not seen: hub, zone, those sensors, and how many there are in all."""
    zones: dict[tuple[str, str], list[SensorSight]] = {}
    for each in found:
        zones.setdefault((each.hub, each.zone), []).append(each)
    blind = [
        (hub, zone, [each for each in sensors if each.cause is not None], len(sensors))
        for (hub, zone), sensors in zones.items()
    ]
    # A zone where nothing is seen goes before one where something is.
    return sorted((each for each in blind if each[2]), key=lambda each: (len(each[2]) < each[3], each[0], each[1]))
