"""Alarms: look at them, and what people do with them, by the same functions as the commands."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from hubwatch_alarms import acts, views
from hubwatch_alarms.facts import facts_of
from hubwatch_alarms.mover import AlarmChange
from hubwatch_alarms.people import check_duration, parse_adjudication, parse_note, parse_reason
from hubwatch_console.access import Allowed, Parts, SharedParts
from hubwatch_console.paging import PageWanted, cursor_of, paged
from hubwatch_console.polled import polled
from hubwatch_console.routes.answers.alarms import (
    AlarmChangeAnswer,
    AlarmDetailsAnswer,
    AlarmListAnswer,
    ApprovalAskedAnswer,
    VerdictAnswer,
)
from hubwatch_console.routes.answers.described import gives
from hubwatch_console.routes.bodies import AdjudicationBody, AlarmNumber, NoteBody, ReasonBody, ShelveBody
from hubwatch_core.permission import EVERY_HUB, Actor, UserAct, hubs_where
from hubwatch_store.alarms import alarms
from hubwatch_store.database import translated
from hubwatch_store.users import KnownCaller

router = APIRouter(prefix="/alarms", tags=["alarms"])

Seeing = Annotated[KnownCaller, Depends(Allowed(UserAct.ALARM_SEE))]
Acknowledging = Annotated[KnownCaller, Depends(Allowed(UserAct.ALARM_ACKNOWLEDGE))]
Shelving = Annotated[KnownCaller, Depends(Allowed(UserAct.ALARM_SHELVE))]
Unshelving = Annotated[KnownCaller, Depends(Allowed(UserAct.ALARM_UNSHELVE))]
Closing = Annotated[KnownCaller, Depends(Allowed(UserAct.ALARM_CLOSE))]
Adjudicating = Annotated[KnownCaller, Depends(Allowed(UserAct.ALARM_ADJUDICATE))]
Wanted = Annotated[PageWanted, paged("alarms", *[int] * 8, default=100, limit=1000)]


@router.get("", **gives(AlarmListAnswer, is_polled=True))
async def list_alarms(
    request: Request,
    caller: Seeing,
    parts: SharedParts,
    wanted: Wanted,
    hub: Annotated[str | None, Query(max_length=63)] = None,
    closed: bool = False,
) -> Response:
    """Return the alarms of the hubs that one sees, in the order in which they want attention."""
    with translated():
        async with parts.pool.connection() as connection:
            found = await views.listed(
                connection, hub=hub, closed=closed, most=wanted.most, seen=seen_by(caller.person), after=wanted.place
            )
    return polled(request, {
        "alarms": found.facts(parts.instructions),
        "more": found.more,
        "at_least": found.at_least,
        "floods": list(found.floods),
        "next": None if found.place is None else cursor_of(wanted.kind, found.place),
    })  # fmt: skip


@router.get("/{alarm}", **gives(AlarmDetailsAnswer))
async def show_alarm(alarm: AlarmNumber, caller: Seeing, parts: SharedParts) -> dict[str, object]:
    """Return everything about one alarm."""
    with translated():
        async with parts.pool.connection() as connection:
            whole = await views.details(connection, alarm, caller.person)
    return whole.facts(parts.instructions)


@router.post("/{alarm}/acknowledge", **gives(AlarmChangeAnswer))
async def acknowledge(
    alarm: AlarmNumber, body: NoteBody, caller: Acknowledging, parts: SharedParts
) -> dict[str, object]:
    """Take an alarm."""
    note = parse_note(body.note, "note")
    async with alarms.moving(parts.pool) as connection:
        change = await acts.acknowledge(connection, caller.person, alarm, note)
    return _facts(parts, change)


@router.post("/{alarm}/shelve", **gives(AlarmChangeAnswer, waits=ApprovalAskedAnswer))
async def shelve(
    alarm: AlarmNumber, body: ShelveBody, caller: Shelving, parts: SharedParts, response: Response
) -> dict[str, object]:
    """Set an alarm aside for a time; radiation, and the last sensor of a zone, wait for a second one."""
    check_duration(parts.settings.shelving, body.duration_s)
    note = parse_reason(body.note, "note")
    async with alarms.moving(parts.pool) as connection:
        change = await acts.shelve(
            connection, caller.person, alarm, body.duration_s, note, parts.settings.login.approval_s,
            parts.settings.shelving.critical_max_s,
        )  # fmt: skip
    if isinstance(change, int):
        response.status_code = 202
        return {"approval": change}
    return _facts(parts, change)


@router.post("/{alarm}/unshelve", **gives(AlarmChangeAnswer))
async def unshelve(alarm: AlarmNumber, body: NoteBody, caller: Unshelving, parts: SharedParts) -> dict[str, object]:
    """Take an alarm off the shelf."""
    note = parse_note(body.note, "note")
    async with alarms.moving(parts.pool) as connection:
        change = await acts.unshelve(connection, caller.person, alarm, note)
    return _facts(parts, change)


@router.post("/{alarm}/close", **gives(AlarmChangeAnswer))
async def close(alarm: AlarmNumber, body: ReasonBody, caller: Closing, parts: SharedParts) -> dict[str, object]:
    """End an alarm whatever its condition does."""
    reason = parse_reason(body.reason, "reason")
    async with alarms.moving(parts.pool) as connection:
        change = await acts.close(connection, caller.person, alarm, reason)
    return _facts(parts, change)


@router.post("/{alarm}/adjudicate", **gives(VerdictAnswer))
async def adjudicate(
    alarm: AlarmNumber, body: AdjudicationBody, caller: Adjudicating, parts: SharedParts
) -> dict[str, object]:
    """Say what an alarm was."""
    note = parse_note(body.note, "note")
    verdict = parse_adjudication(body.verdict, note, "note")
    async with alarms.moving(parts.pool) as connection:
        found = await acts.adjudicate(connection, caller.person, alarm, verdict, note)
    return {"alarm": found.id, "verdict": str(verdict), "by": caller.person.name}


def seen_by(person: Actor) -> list[str] | None:
    """Return the hubs that a person sees, None for every one."""
    hubs = hubs_where(person, UserAct.ALARM_SEE)
    return None if EVERY_HUB in hubs else sorted(hubs)


def _facts(parts: Parts, change: AlarmChange) -> dict[str, object]:
    title = parts.instructions.of(change.alarm.type, change.alarm.hub).title
    return facts_of(change.alarm, title) | {"changed": bool(change.entries)}
