"""Exercises: somebody begins one, it makes up detections, ends by itself or is ended, and a report says how it went.

Works inside the transaction of the caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hubwatch_alarms.facts import iso
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.scenarios import MAX_DRILL_S, DrillScenario, placed, scenario_of
from hubwatch_core.alarm import EXERCISE
from hubwatch_core.clock import to_datetime, to_us
from hubwatch_core.errors import Permanent
from hubwatch_core.permission import Actor, UserAct, may
from hubwatch_store.alarms import Drill, drills, expected
from hubwatch_store.database import DatabaseConnection, database_clock
from hubwatch_store.users import check_may, record


@dataclass(frozen=True, slots=True)
class DrillWish:
    """Which scenario somebody wants to try, where and for how long; without `duration_s` as the scenario says."""

    scenario: str
    hub: str
    zone: str | None = None
    duration_s: float | None = None
    note: str | None = None


class NoSuchDrill(Permanent):
    """There is no drill of that number, or it is of a hub that the person does not see."""

    def __init__(self, number: int) -> None:
        super().__init__(f"there is no drill {number}; `hubwatch alarms drill --list` shows those there were")


async def start(
    connection: DatabaseConnection, person: Actor, wish: DrillWish, scenarios: Mapping[str, DrillScenario]
) -> Drill:
    """Begin an exercise of one of some scenarios.

    Raises NotAllowed, BadCall, or Permanent when it cannot be there or another one runs.
    """
    check_may(person, UserAct.ALARM_DRILL, wish.hub)
    scenario = scenario_of(wish.scenario, scenarios)
    duration_s = scenario.for_s if wish.duration_s is None else wish.duration_s
    if not 0 < duration_s <= MAX_DRILL_S:
        raise Permanent(f"an exercise may last at most {MAX_DRILL_S / 3600:g} h")
    missing = await expected.unknown(connection, wish.hub, wish.zone, None)
    if missing is not None:
        raise Permanent(missing)
    place = f"hub {wish.hub}" if wish.zone is None else f"zone {wish.zone} of hub {wish.hub}"
    steps = placed(scenario, await drills.sensors(connection, wish.hub, wish.zone), place)
    began = await database_clock(connection)
    ends = to_datetime(began) + timedelta(seconds=duration_s)
    values = {
        "hub": wish.hub, "scenario": wish.scenario, "title": scenario.title, "zone": wish.zone, "ends": ends,
        "by": person.name, "verified": person.verified, "note": wish.note,
    }  # fmt: skip
    drill = await drills.begin(connection, values, began, steps)
    if drill is None:
        other = await drills.running(connection, wish.hub)
        number = "another one" if other is None else f"exercise {other.id} of {other.by}"
        raise Permanent(f"{number} runs at {wish.hub}: one at a time, so that everybody knows which")
    details = {"scenario": wish.scenario, "zone": wish.zone, "until": ends.isoformat(), "note": wish.note or ""}
    await record(connection, person, str(UserAct.ALARM_DRILL), subject_of(drill.id), hub=wish.hub, details=details)
    return drill


async def end(connection: DatabaseConnection, person: Actor, number: int) -> Drill:
    """End an exercise before its time; its alarms close. Raises NotAllowed, NoSuchDrill, Permanent when it is over."""
    found = await _seen(connection, number, person)
    check_may(person, UserAct.ALARM_DRILL_END, found.hub)
    ended = await drills.end(connection, number, person.name)
    if ended is None:
        raise Permanent(f"exercise {number} is over already")
    await record(connection, person, str(UserAct.ALARM_DRILL_END), subject_of(number), hub=found.hub)
    return ended


async def report(
    connection: DatabaseConnection, number: int, instructions: Instructions, person: Actor | None = None
) -> dict[str, Any]:
    """Return as JSON values how an exercise went: who was told, by what, and who answered when. Raises NoSuchDrill."""
    drill = await _seen(connection, number, person)
    told: dict[int, list[Mapping[str, Any]]] = {}
    for row in await drills.told_of(connection, number):
        told.setdefault(row["alarm"], []).append(row)
    found = [
        _alarm(row, told.get(row["alarm"], []), instructions.of(row["type"], drill.hub).title)
        for row in await drills.alarms_of(connection, number)
    ]
    steps = await drills.steps_of(connection, number)
    return facts_of_drill(drill) | {
        "steps": len(steps),
        "made_up": sum(step["sent"] for step in steps),
        "alarms": found,
        "told": sum(any(each["outcome"] == "delivered" for each in alarm["told"]) for alarm in found),
        "answered": sum(alarm["answered_by"] is not None for alarm in found),
    }


def facts_of_drill(drill: Drill) -> dict[str, Any]:
    """Return an exercise as JSON values."""
    return {
        "drill": drill.id,
        "title": f"{EXERCISE}: {drill.title}",
        "scenario": drill.scenario,
        "hub": drill.hub,
        "zone": drill.zone,
        "began": _iso(drill.began),
        "until": _iso(drill.ends),
        "by": drill.by,
        "verified": drill.verified,
        "note": drill.note,
        "ended": _iso(drill.ended),
        "ended_by": drill.ended_by,
    }


def subject_of(number: int) -> str:
    """Return how an exercise is called in the journal of acts."""
    return f"exercise {number}"


def _alarm(row: Mapping[str, Any], told: Sequence[Mapping[str, Any]], title: str) -> dict[str, Any]:
    opened: datetime = row["opened"]
    return {
        "alarm": row["alarm"],
        "title": f"{EXERCISE}: {title}",
        "type": row["type"],
        "zone": row["zone"],
        "sensor": row["sensor"],
        "priority": row["priority"],
        "state": row["state"],
        "opened": _iso(opened),
        "told": [_told(each, opened) for each in told],
        "escalated": row["steps_told"],
        "answered_by": row["answered_by"],
        "answer": row["answer"],
        "answered_after_s": _after_s(row["answered"], opened),
    }


def _told(row: Mapping[str, Any], opened: datetime) -> dict[str, Any]:
    delivered = row["finished"] if row["state"] == "delivered" else None
    return {
        "event": row["event"],
        "route": row["route"],
        "person": row["person"],
        "outcome": row["state"],
        "tries": row["attempts"],
        "after_s": _after_s(delivered, opened),
        "error": None if row["state"] == "delivered" else row["error"],
    }


def _after_s(moment: datetime | None, since: datetime) -> float | None:
    return None if moment is None else round((moment - since).total_seconds(), 3)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else iso(to_us(moment))


async def _seen(connection: DatabaseConnection, number: int, person: Actor | None) -> Drill:
    found = await drills.one(connection, number)
    hidden = (
        found is not None and person is not None and person.verified and not may(person, UserAct.ALARM_SEE, found.hub)
    )
    if found is None or hidden:
        raise NoSuchDrill(number)
    return found
