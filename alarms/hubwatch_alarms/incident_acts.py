"""What a person does with an incident: one path for the API and for commands, in the transaction of `alone`.

Whoever has shown who they are does what their roles allow; where there is no directory people are taken at their word.
Each act stands in the incident's journal and in the journal of acts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hubwatch_alarms.lifecycle import MoveRefused
from hubwatch_alarms.mover import AlarmChange, apply_all
from hubwatch_alarms.triggers import Close
from hubwatch_core.alarm import WAITING, Adjudication, Alarm
from hubwatch_core.clock import to_datetime
from hubwatch_core.errors import Permanent
from hubwatch_core.permission import Actor, UserAct, may
from hubwatch_store.alarms import Doer, StandingIncident, incident_acts, incidents
from hubwatch_store.database import DatabaseConnection, database_clock
from hubwatch_store.users import check_may, directory, record

MOST_SPLIT = 1000
MOST_NAMED = 5
"""Alarms that a refusal names; the rest is counted."""


class NoSuchIncident(Permanent):
    """There is no incident of that number, or it is of a hub that the person does not see."""

    def __init__(self, incident: int) -> None:
        super().__init__(f"there is no incident {incident}; `hubwatch alarms incidents` shows those that are open")


async def existing(connection: DatabaseConnection, incident: int, person: Actor | None = None) -> StandingIncident:
    """Return an incident that a person sees; raises NoSuchIncident."""
    found = await incidents.incident_by_id(connection, incident)
    hidden = (
        found is not None and person is not None and person.verified and not may(person, UserAct.ALARM_SEE, found.hub)
    )
    if found is None or hidden:
        raise NoSuchIncident(incident)
    return found


async def comment(connection: DatabaseConnection, person: Actor, incident: int, text: str) -> StandingIncident:
    """Say something of an incident; from now on only a person closes it. Raises NotAllowed, Permanent."""
    found = await _at_work(connection, person, incident, UserAct.INCIDENT_COMMENT)
    if found.closed is not None:
        raise Permanent(f"incident {incident} is closed: close it anew with another word, or comment before")
    await incident_acts.comment(connection, incident, found.hub, Doer.of(person), text)
    return await _done(connection, person, UserAct.INCIDENT_COMMENT, found, {"note": text})


async def assign(
    connection: DatabaseConnection, person: Actor, incident: int, to: str | None, note: str | None
) -> StandingIncident:
    """Give an incident to somebody, or (None) to nobody. Raises NotAllowed, Permanent.

    Where there is a directory only to a user who may take alarms there. What nobody has any more, and what nobody has
    commented on, closes with its last alarm.
    """
    found = await _at_work(connection, person, incident, UserAct.INCIDENT_ASSIGN)
    if found.closed is not None:
        raise Permanent(f"incident {incident} is closed: nobody can be given it")
    if to is not None and person.verified:
        await _check_somebody(connection, to, found.hub)
    if to != found.assigned:
        await incident_acts.assign(connection, incident, found.hub, Doer.of(person), to, note)
        if to is None:
            await incidents.close_when_done(connection, incident, await database_clock(connection))
    return await _done(connection, person, UserAct.INCIDENT_ASSIGN, found, {"to": to or "", "note": note or ""})


async def merge(
    connection: DatabaseConnection, person: Actor, incident: int, other: int, note: str | None
) -> StandingIncident:
    """Make another incident of the same hub a part of this one. Raises NotAllowed, Permanent."""
    found = await _at_work(connection, person, incident, UserAct.INCIDENT_MERGE)
    part = await _at_work(connection, person, other, UserAct.INCIDENT_MERGE)
    if found.id == part.id:
        raise Permanent(f"incident {incident} cannot be merged with itself")
    if found.hub != part.hub:
        raise Permanent(f"incident {other} is of another hub: people there handle it")
    if found.exercise != part.exercise:
        raise Permanent("what is real and what is an exercise cannot be one incident, nor can two exercises")
    if found.closed is not None:
        raise Permanent(f"incident {incident} is closed: merge into one that is open")
    at = to_datetime(await database_clock(connection))
    await incident_acts.merge(connection, incident, other, found.hub, Doer.of(person), note, at)
    return await _done(connection, person, UserAct.INCIDENT_MERGE, found, {"other": other, "note": note or ""})


async def split(
    connection: DatabaseConnection, person: Actor, incident: int, alarms: Sequence[int], note: str | None
) -> StandingIncident:
    """Begin an incident of its own with some alarms of one, and return it. Raises NotAllowed, Permanent."""
    found = await _at_work(connection, person, incident, UserAct.INCIDENT_SPLIT)
    wanted = sorted(set(alarms))
    if not 0 < len(wanted) <= MOST_SPLIT:
        raise Permanent(f"name 1 to {MOST_SPLIT} alarms that do not belong to incident {incident}")
    if found.closed is not None:
        raise Permanent(f"incident {incident} is closed: what it was has been said of all of its alarms")
    foreign = await incident_acts.not_of(connection, incident, wanted)
    if foreign:
        raise Permanent(f"incident {incident} has no alarm {', '.join(map(str, foreign[:MOST_NAMED]))}")
    if len(wanted) == found.alarms:
        raise Permanent(f"these are all alarms of incident {incident}: leave at least one with it")
    made = await incident_acts.split(connection, incident, found.hub, Doer.of(person), wanted, note)
    at = await database_clock(connection)
    for each in (incident, made):
        await incidents.close_when_done(connection, each, at)
    details = {"alarms": wanted, "made": made, "note": note or ""}
    await _done(connection, person, UserAct.INCIDENT_SPLIT, found, details)
    return await existing(connection, made)


async def close(
    connection: DatabaseConnection, person: Actor, incident: int, verdict: Adjudication, note: str | None,
    *, end_alarms: bool = False,
) -> tuple[StandingIncident, list[AlarmChange]]:  # fmt: skip
    """Say what an incident was, which ends it; return it and the alarms that ended with it.

    Raises NotAllowed, and Permanent while nobody has taken one of its alarms, or while one is still open, unless the
    person may close alarms and wants to (`end_alarms`). A closed one gets another word.
    """
    found = await _at_work(connection, person, incident, UserAct.INCIDENT_CLOSE)
    opened = await incidents.open_alarms(connection, incident)
    check_taken(incident, [alarm for alarm in opened if alarm.state in WAITING])
    if opened and not end_alarms:
        raise Permanent(
            f"alarm {_named(opened)} is still open in incident {incident}: "
            "wait until it is over, or let whoever may end it"
        )
    if opened:
        check_may(person, UserAct.ALARM_CLOSE, found.hub)
    now = await database_clock(connection)
    reason = f"incident {incident} closed as {verdict}" + (f": {note}" if note else "")
    await incident_acts.close(connection, incident, found.hub, Doer.of(person), verdict, note, to_datetime(now))
    ended = await apply_all(connection, opened, Close(now, person.name, reason), verified=person.verified)
    details = {"verdict": str(verdict), "note": note or "", "ended": [change.alarm.id for change in ended]}
    return await _done(connection, person, UserAct.INCIDENT_CLOSE, found, details), ended


def subject_of(incident: int) -> str:
    """Return how an incident is called in the journal of acts."""
    return f"incident {incident}"


async def _at_work(connection: DatabaseConnection, person: Actor, incident: int, act: UserAct) -> StandingIncident:
    """Return an incident with which a person may do that, and that is not part of another one."""
    found = await existing(connection, incident, person)
    check_may(person, act, found.hub)
    if found.merged_into is not None:
        raise Permanent(f"incident {incident} is a part of incident {found.merged_into}")
    return found


async def _check_somebody(connection: DatabaseConnection, name: str, hub: str) -> None:
    user = await directory.find_user(connection, name)
    if user is None or user.disabled is not None or not may(user.person(), UserAct.ALARM_ACKNOWLEDGE, hub):
        raise Permanent("there is no user of that name who may take alarms at this hub")


def check_taken(incident: int, untaken: Sequence[Alarm]) -> None:
    """Whoever closes must have seen each of its alarms, also the one that has come a moment ago."""
    if untaken:
        raise MoveRefused(
            f"nobody has taken alarm {_named(untaken)}: take them first, `hubwatch alarms ack-incident {incident}`"
        )


def _named(found: Sequence[Alarm]) -> str:
    """Return their numbers without a word, as pages say the refusal in another language."""
    numbers = ", ".join(str(alarm.id) for alarm in found[:MOST_NAMED])
    return f"{numbers} (+{len(found) - MOST_NAMED})" if len(found) > MOST_NAMED else numbers


async def _done(
    connection: DatabaseConnection, person: Actor, act: UserAct, found: StandingIncident, details: Mapping[str, object]
) -> StandingIncident:
    """Write down an act of a person, and return the incident as it is then."""
    after = await existing(connection, found.id)
    await record(connection, person, str(act), subject_of(found.id), hub=found.hub, details=details)
    return after
