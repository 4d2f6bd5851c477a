"""What people do with incidents, written down: each act changes the incident and adds to its journal.

Every function works inside the transaction of `moving`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hubwatch_core.alarm import SYSTEM, Adjudication
from hubwatch_core.permission import Actor
from hubwatch_store.database import DatabaseConnection, fetch, write


@dataclass(frozen=True, slots=True)
class Doer:
    """Who did something, and whether they had shown who they are; None where no person acted."""

    name: str = SYSTEM
    verified: bool | None = None

    @classmethod
    def of(cls, person: Actor) -> Doer:
        """Return a person as one who did something."""
        return cls(person.name, person.verified)


async def comment(connection: DatabaseConnection, incident: int, hub: str, by: Doer, text: str) -> None:
    """Say something of an incident: from now on only a person closes it."""
    await write(connection, "incidents", "comment", id=incident)
    await _add(connection, incident, hub, "commented", by, note=text)


async def assign(
    connection: DatabaseConnection, incident: int, hub: str, by: Doer, person: str | None, note: str | None
) -> None:
    """Give an incident to somebody, or (None) to nobody."""
    await write(connection, "incidents", "assign", id=incident, person=person)
    action = "unassigned" if person is None else "assigned"
    await _add(connection, incident, hub, action, by, note=note, person=person)


async def merge(
    connection: DatabaseConnection, incident: int, other: int, hub: str, by: Doer, note: str | None, at: datetime
) -> None:
    """Make another incident of the same hub a part of this one."""
    await write(connection, "incidents", "take_over", id=incident, other=other, at=at)
    await _add(connection, incident, hub, "merged", by, note=note, other=other)
    await _add(connection, other, hub, "merged_into", by, note=note, other=incident)


async def not_of(connection: DatabaseConnection, incident: int, alarms: Sequence[int]) -> list[int]:
    """Return those of some alarms that are none of an incident."""
    return [row["alarm"] for row in await fetch(connection, "incidents", "not_of", id=incident, alarms=list(alarms))]


async def split(
    connection: DatabaseConnection, incident: int, hub: str, by: Doer, alarms: Sequence[int], note: str | None
) -> int:
    """Begin an incident with some alarms of another one; return its number."""
    (row,) = await fetch(connection, "incidents", "split", id=incident, alarms=list(alarms))
    made = int(row["id"])
    await write(connection, "incidents", "left_over", id=incident)
    await _add(connection, incident, hub, "split", by, note=note, other=made)
    await _add(connection, made, hub, "split_from", by, note=note, other=incident)
    return made


async def raised(connection: DatabaseConnection, incident: int, hub: str, alarm: int, note: str) -> None:
    """Write down that an alarm has made an incident more severe."""
    await _add(connection, incident, hub, "raised", Doer(), note=note, alarm=alarm)


async def close(
    connection: DatabaseConnection, incident: int, hub: str, by: Doer, verdict: Adjudication, note: str | None,
    at: datetime,
) -> None:  # fmt: skip
    """Say what an incident was, which ends it, and each of its alarms that nobody has judged by itself."""
    word = str(verdict)
    await write(connection, "incidents", "close", id=incident, verdict=word, at=at, by=by.name)
    await write(
        connection, "false_alarms", "adjudicate_incident", incident=incident, verdict=word, by=by.name, note=note,
        verified=bool(by.verified), at=at,
    )  # fmt: skip
    await _add(connection, incident, hub, "closed", by, note=note, verdict=word, at=at)


async def _add(
    connection: DatabaseConnection, incident: int, hub: str, action: str, by: Doer, *, note: str | None = None,
    alarm: int | None = None, other: int | None = None, verdict: str | None = None, person: str | None = None,
    at: datetime | None = None,
) -> None:  # fmt: skip
    await write(
        connection, "incidents", "add", incident=incident, hub=hub, action=action, by=by.name, verified=by.verified,
        note=note, alarm=alarm, other=other, verdict=verdict, person=person, at=at,
    )  # fmt: skip
