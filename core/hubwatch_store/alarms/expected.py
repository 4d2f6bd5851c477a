"""What is expected before there is an alarm: planned works, what is out of service, zones in maintenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from hubwatch_core.alarm import Alarm
from hubwatch_core.clock import SECOND_US, to_datetime
from hubwatch_core.ids import new_ulid
from hubwatch_core.words import Priority
from hubwatch_store.alarms.alarms import alarm_of
from hubwatch_store.database import DatabaseConnection, fetch, write

MOST_SUPPRESSED = 1_000

BURST = "integrity.suppression_burst"
BURST_LEAST = 5
BURST_S = 10 * 60.0
"""So many acts of setting aside in so short a time are told. Our choice: a shift sets aside a few alarms an hour, and
whoever wants to blind a hub has more to do."""


class ExpectedKind(StrEnum):
    """Why alarms are expected."""

    WORKS = "works"
    """Planned works."""
    OUT_OF_SERVICE = "out_of_service"
    """What reports them is being repaired, or broken."""
    MAINTENANCE = "maintenance"
    """A zone is in maintenance; what that means says the hub's table."""


@dataclass(frozen=True, slots=True)
class ExpectedAlarms:
    """One record: where, of which types, from when to when, by whom and why. What is empty means all."""

    id: int
    kind: ExpectedKind
    hub: str
    zone: str | None
    sensor: str | None
    types: tuple[str, ...]
    starts: datetime
    ends: datetime
    critical: bool
    """Whether alarms of priority 1, duress and tampering are expected, too."""
    by: str
    verified: bool
    reason: str
    agreed_by: str | None
    """The second person."""
    made: datetime
    lifted: datetime | None
    lifted_by: str | None


@dataclass(frozen=True, slots=True)
class OpenCause:
    """Where there is an open alarm of a type."""

    hub: str
    zone: str | None
    sensor: str
    type: str


async def in_force(connection: DatabaseConnection, now: int) -> list[ExpectedAlarms]:
    """Return what is expected at a moment."""
    return [_expected(row) for row in await fetch(connection, "expected", "in_force", now=to_datetime(now))]


async def suppressed(
    connection: DatabaseConnection, *, hub: str | None = None, seen: Sequence[str] | None = None,
    most: int = MOST_SUPPRESSED, after: Sequence[Any] | None = None,
) -> list[Mapping[str, Any]]:  # fmt: skip
    """Return all that nobody is told of now or later, as the view has it, of the hubs that are `seen`.

    With `after` those whose hub, kind (`what`), beginning (text, `infinity` for none) and number come after these.
    """
    place = dict(zip(("after_hub", "after_what", "after_since", "after_id"), after or (None,) * 4, strict=True))
    values = {"hub": hub, "seen": None if seen is None else list(seen), "most": most}
    return list(await fetch(connection, "expected", "suppressed", **values, **place))


async def one(connection: DatabaseConnection, number: int) -> ExpectedAlarms | None:
    """Return one record, whatever became of it."""
    rows = await fetch(connection, "expected", "one", id=number)
    return _expected(rows[0]) if rows else None


async def add(connection: DatabaseConnection, **values: object) -> ExpectedAlarms:
    """Write a record of these fields."""
    (row,) = await fetch(connection, "expected", "add", **values)
    return _expected(row)


async def lift(connection: DatabaseConnection, number: int, by: str) -> ExpectedAlarms | None:
    """End one before its time; None when it was over already."""
    rows = await fetch(connection, "expected", "lift", id=number, by=by)
    return _expected(rows[0]) if rows else None


async def blinded(
    connection: DatabaseConnection, hub: str, zone: str | None, sensor: str | None, starts: datetime, ends: datetime
) -> list[str]:
    """Return the zones of which no sensor would be heard if a sensor, a zone or a hub were silent for that time."""
    rows = await fetch(
        connection, "expected", "watchers", hub=hub, zone=zone, sensor=sensor, starts=starts, ends=ends
    )  # fmt: skip
    return sorted(row["zone"] for row in rows if not row["heard"])


async def measures_radiation(connection: DatabaseConnection, hub: str, zone: str | None, sensor: str | None) -> bool:
    """Return whether a sensor, or one of a zone or hub, measures radiation."""
    (row,) = await fetch(connection, "expected", "measures_radiation", hub=hub, zone=zone, sensor=sensor)
    return bool(row["measures"])


async def unknown(connection: DatabaseConnection, hub: str, zone: str | None, sensor: str | None) -> str | None:
    """Return in words what of a place there is not, None when all of it is there."""
    (row,) = await fetch(connection, "expected", "known", hub=hub, zone=zone, sensor=sensor)
    for name, called in (("hub", hub), ("zone", zone), ("sensor", sensor)):
        if not row[name]:
            return f"there is no {name} {called}" if name == "hub" else f"hub {hub} has no {name} {called}"
    return None


async def only_watcher(connection: DatabaseConnection, alarm: Alarm, now: int) -> bool:
    """Return whether an alarm's sensor is the last of several in its zone that is still heard."""
    moment, after = to_datetime(now), to_datetime(now + SECOND_US)
    rows = await fetch(
        connection, "expected", "watchers", hub=alarm.hub, zone=alarm.zone, sensor=alarm.sensor, starts=moment,
        ends=after,
    )  # fmt: skip
    return any(row["sensors"] > 1 and not row["heard"] for row in rows)


async def causes(connection: DatabaseConnection, types: Sequence[str]) -> frozenset[OpenCause]:
    """Return where there are open alarms of some types."""
    return frozenset(OpenCause(**row) for row in await fetch(connection, "expected", "causes", types=list(types)))


async def reconsidered(connection: DatabaseConnection, hubs: Sequence[str]) -> list[Alarm]:
    """Return the open alarms of some hubs, and all that are set aside because they are expected."""
    return [alarm_of(row) for row in await fetch(connection, "expected", "reconsidered", hubs=list(hubs))]


async def tell_bursts(connection: DatabaseConnection, now: int) -> list[str]:
    """Make a detection at each hub where many alarms were set aside in a short time; return these hubs."""
    since = to_datetime(now - int(BURST_S * SECOND_US))
    rows = await fetch(connection, "expected", "bursts", since=since, least=BURST_LEAST, type=BURST)
    for row in rows:
        why = f"{row['acts']} alarms or sensors were set aside within {BURST_S / 60:g} minutes"
        await write(
            connection, "expected", "tell_burst", id=new_ulid(), type=BURST, hub=row["hub"], now=to_datetime(now),
            score=float(row["acts"]), priority=int(Priority.HIGH), why=why,
        )  # fmt: skip
    return [row["hub"] for row in rows]


def _expected(row: Mapping[str, Any]) -> ExpectedAlarms:
    return ExpectedAlarms(**{**row, "kind": ExpectedKind(row["kind"]), "types": tuple(row["types"])})
