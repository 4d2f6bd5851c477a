"""What a person does with an alarm: one path for the API and for commands, in the transaction of `alone`.

Whoever has shown who they are does what their roles allow; where there is no directory people are taken at their word.
Each act stands in the alarm's journal and in the journal of acts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hubwatch_alarms.incident_acts import NoSuchIncident
from hubwatch_alarms.lifecycle import MoveRefused as MoveRefused  # noqa: PLC0414 - it is what `acknowledge` raises
from hubwatch_alarms.mover import AlarmChange, apply, apply_all
from hubwatch_alarms.triggers import Acknowledge, Close, Shelve, Trigger, Unshelve
from hubwatch_core.alarm import WAITING, Adjudication, Alarm
from hubwatch_core.clock import SECOND_US
from hubwatch_core.errors import Permanent
from hubwatch_core.permission import Actor, UserAct, may, refusal, shelving
from hubwatch_core.words import Priority
from hubwatch_store.alarms import adjudications, alarms, expected, incidents
from hubwatch_store.database import DatabaseConnection, database_clock
from hubwatch_store.users import Approval, NotAllowed, approvals, record

WHY_TWO = {
    UserAct.ALARM_SHELVE_RADIATION: "it is an alarm of radiation",
    UserAct.ALARM_SHELVE_LAST: "no other sensor of its zone would be heard",
}
"""Why one person cannot set such an alarm aside alone."""


class NoSuchAlarm(Permanent):
    """There is no alarm of that number, or it is of a hub that the person does not see."""

    def __init__(self, alarm: int) -> None:
        super().__init__(f"there is no alarm {alarm}; `hubwatch alarms list` shows those that are open")


async def acknowledge(connection: DatabaseConnection, person: Actor, alarm: int, note: str | None) -> AlarmChange:
    """Take an alarm. Raises MoveRefused, NotAllowed, NoSuchAlarm."""
    found = await allowed_alarm(connection, person, alarm, UserAct.ALARM_ACKNOWLEDGE)
    return await _move(
        connection, person, UserAct.ALARM_ACKNOWLEDGE, found, lambda now: Acknowledge(now, person.name, note), note
    )


async def acknowledge_or_say(
    connection: DatabaseConnection, person: Actor, alarm: int, note: str | None
) -> AlarmChange | str:
    """Take an alarm; return instead in words why it cannot be taken. Raises NotAllowed, NoSuchAlarm."""
    try:
        return await acknowledge(connection, person, alarm, note)
    except MoveRefused as error:
        return str(error)


async def acknowledge_incident(
    connection: DatabaseConnection, person: Actor, incident: int, note: str | None
) -> list[AlarmChange]:
    """Take every alarm of an incident that nobody has taken; what others have or what is set aside stays as it is.

    Raises NotAllowed, NoSuchIncident.
    """
    hub = await incidents.hub_of(connection, incident)
    if hub is None or (person.verified and not may(person, UserAct.ALARM_SEE, hub)):
        raise NoSuchIncident(incident)
    _check(person, UserAct.ALARM_ACKNOWLEDGE, hub)
    waiting = [each for each in await incidents.open_alarms(connection, incident) if each.state in WAITING]
    now = await database_clock(connection)
    taken = await apply_all(connection, waiting, Acknowledge(now, person.name, note), verified=person.verified)
    for change in taken:
        if change.entries:
            await _record(connection, person, UserAct.ALARM_ACKNOWLEDGE, change.alarm, {"note": note or ""})
    return taken


async def shelve(
    connection: DatabaseConnection,
    person: Actor,
    alarm: int,
    duration_s: float,
    note: str,
    approval_s: float = 0,
    critical_max_s: float | None = None,
    agreed_by: str | None = None,
) -> AlarmChange | int:
    """Set an alarm aside for a time; return instead the number of the approval that it waits for.

    Radiation and the last sensor of a zone that is heard need a second person: without a directory whoever is named as
    `agreed_by`. Raises MoveRefused, NotAllowed, NoSuchAlarm, and Permanent when nobody is named, or when an alarm of
    priority 1 is to be set aside for too long.
    """
    found = await existing(connection, alarm, person)
    if critical_max_s is not None and found.priority == Priority.CRITICAL and duration_s > critical_max_s:
        longest = f"{critical_max_s / 3600:g} h (shelving.critical_max_s)"
        raise Permanent(f"alarm {alarm} is critical: it may be shelved for at most {longest}")
    act = shelving(found.type)
    _check(person, act, found.hub)
    if act is UserAct.ALARM_SHELVE and await expected.only_watcher(connection, found, await database_clock(connection)):
        act = UserAct.ALARM_SHELVE_LAST
    if act is UserAct.ALARM_SHELVE:
        return await _shelve(connection, person, act, found, duration_s, note)
    if not person.verified:
        second = named_second(person, agreed_by, WHY_TWO[act])
        return await _shelve(connection, person, act, found, duration_s, _agreed(note, second))
    return await approvals.ask(
        connection, person, act, hub=found.hub, subject=subject_of(found.id), reason=note, valid_s=approval_s,
        details={"alarm": found.id, "duration_s": duration_s},
    )  # fmt: skip


async def shelve_as_agreed(
    connection: DatabaseConnection, first: Actor, second: Actor, agreed: Approval
) -> AlarmChange:
    """Set an alarm aside as two persons want it; the time counts from now. Raises MoveRefused, NoSuchAlarm."""
    found = await existing(connection, int(agreed.details["alarm"]))
    note = _agreed(agreed.reason, second.name)
    return await _shelve(connection, first, agreed.act, found, float(agreed.details["duration_s"]), note)


async def unshelve(connection: DatabaseConnection, person: Actor, alarm: int, note: str | None) -> AlarmChange:
    """Take an alarm off the shelf. Raises MoveRefused, NotAllowed, NoSuchAlarm."""
    found = await allowed_alarm(connection, person, alarm, UserAct.ALARM_UNSHELVE)
    return await _move(
        connection, person, UserAct.ALARM_UNSHELVE, found, lambda now: Unshelve(now, person.name, note), note
    )


async def close(connection: DatabaseConnection, person: Actor, alarm: int, reason: str) -> AlarmChange:
    """End an alarm whatever its condition does. Raises MoveRefused, NotAllowed, NoSuchAlarm."""
    found = await allowed_alarm(connection, person, alarm, UserAct.ALARM_CLOSE)
    return await _move(
        connection, person, UserAct.ALARM_CLOSE, found, lambda now: Close(now, person.name, reason), reason
    )


async def adjudicate(
    connection: DatabaseConnection, person: Actor, alarm: int, verdict: Adjudication, note: str | None
) -> Alarm:
    """Record what an alarm was, and return it. Raises NotAllowed, NoSuchAlarm."""
    found = await allowed_alarm(connection, person, alarm, UserAct.ALARM_ADJUDICATE)
    if found.exercise is not None:
        raise Permanent(f"alarm {alarm} is of exercise {found.exercise}: there is nothing to judge")
    await adjudications.adjudicate(connection, alarm, verdict, by=person.name, note=note, verified=person.verified)
    await _record(connection, person, UserAct.ALARM_ADJUDICATE, found, {"verdict": str(verdict), "note": note or ""})
    return found


async def existing(connection: DatabaseConnection, alarm: int, person: Actor | None = None) -> Alarm:
    """Return an alarm that a person sees; raises NoSuchAlarm."""
    found = await alarms.alarm_by_id(connection, alarm)
    hidden = (
        found is not None and person is not None and person.verified and not may(person, UserAct.ALARM_SEE, found.hub)
    )
    if found is None or hidden:
        raise NoSuchAlarm(alarm)
    return found


async def allowed_alarm(connection: DatabaseConnection, person: Actor, alarm: int, act: UserAct) -> Alarm:
    """Return an alarm with which a person may do that; raises NoSuchAlarm, NotAllowed."""
    found = await existing(connection, alarm, person)
    _check(person, act, found.hub)
    return found


def subject_of(alarm: int) -> str:
    """Return how an alarm is called in the journal of acts."""
    return f"alarm {alarm}"


def named_second(person: Actor, agreed_by: str | None, why: str) -> str:
    """Return who agrees with somebody where there is no directory; raises Permanent when nobody else is named."""
    if agreed_by is None or agreed_by.casefold() == person.name.casefold():
        raise Permanent(f"{why}: a second person must agree (--agreed-by NAME)")
    return agreed_by


def _agreed(note: str, second: str) -> str:
    return f"{note} (agreed by {second})"


def _check(person: Actor, act: UserAct, hub: str) -> None:
    if person.verified and not may(person, act, hub):
        raise NotAllowed(refusal(person, act, hub))


async def _shelve(
    connection: DatabaseConnection, person: Actor, act: UserAct, found: Alarm, duration_s: float, note: str
) -> AlarmChange:
    def until(now: int) -> Trigger:
        return Shelve(now, person.name, now + int(duration_s * SECOND_US), note)

    return await _move(connection, person, act, found, until, note)


async def _move(
    connection: DatabaseConnection,
    person: Actor,
    act: UserAct,
    found: Alarm,
    trigger: Callable[[int], Trigger],
    note: str | None,
) -> AlarmChange:
    now = await database_clock(connection)
    change = await apply(connection, found, trigger(now), verified=person.verified)
    if change.entries:
        await _record(connection, person, act, found, {"note": note or ""})
    return change


async def _record(
    connection: DatabaseConnection, person: Actor, act: UserAct, found: Alarm, details: Mapping[str, object]
) -> None:
    await record(connection, person, str(act), subject_of(found.id), hub=found.hub, details=details)
