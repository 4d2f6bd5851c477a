"""Acts that wait for a second person, and the acts besides alarms' that always or sometimes do."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from hubwatch_alarms import acts, suppressing
from hubwatch_alarms.people import parse_note, parse_reason
from hubwatch_console.access import Allowed, Parts, SharedParts, check_session
from hubwatch_console.paging import PageWanted, paged
from hubwatch_console.routes.answers.alarms import ApprovalAnswer, ApprovalAskedAnswer, ApprovalListAnswer
from hubwatch_console.routes.answers.described import gives
from hubwatch_console.routes.answers.hub import LevelChangeAnswer
from hubwatch_console.routes.bodies import AlarmNumber, LevelBody, NoteBody, ReasonBody
from hubwatch_core.clock import to_us
from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.permission import EVERY_HUB, Actor, UserAct, changing_level, hubs_where, may, refusal
from hubwatch_store import enrolment, site
from hubwatch_store.alarms import alarms
from hubwatch_store.database import DatabaseConnection, database_clock, translated
from hubwatch_store.keeping import legal_hold
from hubwatch_store.users import Approval, KnownCaller, NotAllowed, approvals, record

router = APIRouter(tags=["approvals"])

Looking = Annotated[KnownCaller, Depends(Allowed(UserAct.APPROVAL_SEE))]
Levelling = Annotated[KnownCaller, Depends(Allowed(UserAct.LEVEL_RAISE))]
Releasing = Annotated[KnownCaller, Depends(Allowed(UserAct.HOLD_RELEASE))]
Wanted = Annotated[PageWanted, paged("approvals", int, int, default=200, limit=1000)]


@router.get("/approvals", **gives(ApprovalListAnswer))
async def list_approvals(
    caller: Looking,
    parts: SharedParts,
    wanted: Wanted,
    decided: bool = False,
) -> dict[str, object]:
    """Return the acts that wait for a second person at the hubs that one sees; with `decided` the others after them."""
    seen = approvals_seen(caller.person)
    async with parts.pool.connection() as connection:
        found = await approvals.approvals(
            connection, decided=decided, most=wanted.most + 1, seen=seen, after=wanted.place
        )
    page, after = wanted.page(found, approvals.place_of)
    return {"approvals": [facts_of_approval(each) for each in page], "next": after}


@router.post("/approvals/{number}/approve", **gives(ApprovalAnswer))
async def approve(number: AlarmNumber, body: NoteBody, caller: Looking, parts: SharedParts) -> dict[str, object]:
    """Agree to an act, which is done at once where hubwatch does it itself."""
    note = parse_note(body.note, "note")
    check_session(caller)
    return facts_of_approval(await decide(parts, caller, number, note, agree=True))


@router.post("/approvals/{number}/refuse", **gives(ApprovalAnswer))
async def refuse(number: AlarmNumber, body: NoteBody, caller: Looking, parts: SharedParts) -> dict[str, object]:
    """Refuse an act."""
    note = parse_note(body.note, "note")
    return facts_of_approval(await decide(parts, caller, number, note, agree=False))


async def decide(parts: Parts, caller: KnownCaller, number: int, note: str | None, *, agree: bool) -> Approval:
    """Agree to an act, which is done at once where hubwatch does it itself, or refuse it."""
    if not agree:
        with translated():
            async with parts.pool.connection() as connection, connection.transaction():
                found = await approvals.to_decide(connection, caller.person, number)
                return await approvals.decide(connection, caller.person, found, agree=False, note=note)
    # Alarms are locked first, whatever it is about: a lock is never asked for by somebody who holds a later one.
    async with alarms.moving(parts.pool) as connection:
        found = await approvals.to_decide(connection, caller.person, number, parts.settings.login.second_person_after_s)
        first = await approvals.first_person(connection, found)
        done = await carry_out(connection, first, caller.person, found)
        return await approvals.decide(connection, caller.person, found, agree=True, note=note, done=done)


@router.post("/hubs/{hub}/level", **gives(LevelChangeAnswer, waits=ApprovalAskedAnswer))
async def set_level(
    hub: str, body: LevelBody, caller: Levelling, parts: SharedParts, response: Response
) -> dict[str, object]:
    """Set the security level of a hub; lowering it waits for a second person."""
    change = await change_level(parts, caller.person, hub, body.level, body.note, body.until)
    if "approval" in change:
        response.status_code = 202
    return change


async def change_level(
    parts: Parts, person: Actor, hub: str, level: int, why: str, until: datetime | None
) -> dict[str, object]:
    """Set the security level of a hub, or ask for a second person where it is lowered; return which of the two."""
    note = parse_reason(why, "note")
    if until is not None and until.tzinfo is None:
        raise BadCall("until needs a time zone")
    with translated():
        async with parts.pool.connection() as connection, connection.transaction():
            standing = await site.levels(connection, hub)
            act = changing_level(standing[0].level if standing else 1, level)
            if not may(person, act, hub):
                raise NotAllowed(refusal(person, act, hub))
            if not standing:
                raise Permanent(f"there is no hub {hub}")
            if until is not None and to_us(until) <= await database_clock(connection):
                raise BadCall("until is over already")
            if act is UserAct.LEVEL_LOWER:
                details = {"level": level, "until": None if until is None else until.isoformat()}
                number = await approvals.ask(
                    connection, person, act, hub=hub, subject=f"level {level}", reason=note,
                    valid_s=parts.settings.login.approval_s, details=details,
                )  # fmt: skip
                return {"approval": number}
            # What raises the level that was read may lower the one that stands by now.
            held = await site.hold_level(connection, hub)
            if changing_level(held, level) is not act:
                raise Permanent(f"the level of {hub} has changed meanwhile: it is {held} now")
            former = await site.set_level(connection, hub, level, by=person.name, note=note, until=until)
            await record(connection, person, str(act), f"level {level}", hub=hub, details={"note": note})
    return {"hub": hub, "level": level, "former": former}


@router.post("/holds/{hold}/release", **gives(ApprovalAskedAnswer, 202))
async def release_hold(hold: AlarmNumber, body: ReasonBody, caller: Releasing, parts: SharedParts) -> dict[str, object]:
    """Ask that a legal hold be released; it waits for a second person."""
    reason = parse_reason(body.reason, "reason")
    with translated():
        async with parts.pool.connection() as connection, connection.transaction():
            hub = await legal_hold.hub_of(connection, hold)
            number = await approvals.ask(
                connection, caller.person, UserAct.HOLD_RELEASE, hub=hub, subject=f"hold {hold}", reason=reason,
                valid_s=parts.settings.login.approval_s, details={"hold": hold},
            )  # fmt: skip
    return {"approval": number}


async def carry_out(connection: DatabaseConnection, first: Actor, second: Actor, found: Approval) -> bool:
    """Do what two persons want; return whether it is done, else whoever does it takes the approval."""
    both, why = f"{first.name} and {second.name}", found.reason
    if found.act in {UserAct.ALARM_SHELVE_RADIATION, UserAct.ALARM_SHELVE_LAST}:
        await acts.shelve_as_agreed(connection, first, second, found)
        return True
    if found.act is UserAct.ALARM_SUPPRESS_BLIND:
        await suppressing.expect_as_agreed(connection, first, second, found)
        return True
    if found.act is UserAct.LEVEL_LOWER and found.hub is not None:
        until = found.details.get("until")
        end = None if until is None else datetime.fromisoformat(until)
        await site.set_level(connection, found.hub, int(found.details["level"]), by=both, note=why, until=end)
    elif found.act is UserAct.CERTIFICATE_REVOKE and found.hub is not None:
        agent = str(found.details["agent"])
        await enrolment.revoke(connection, found.hub, agent, by=first.name, reason=why, agreed_by=second.name)
        return True
    elif found.act is UserAct.HOLD_RELEASE:
        await legal_hold.release_agreed(connection, int(found.details["hold"]), reason=why, by=both)
    else:
        return False
    details = {"agreed_by": second.name, "reason": why}
    await record(connection, first, str(found.act), found.subject, hub=found.hub, details=details)
    return True


def approvals_seen(person: Actor) -> list[str] | None:
    """Return the hubs of which a person sees what waits for a second one, None for every one."""
    hubs = hubs_where(person, UserAct.APPROVAL_SEE)
    return None if EVERY_HUB in hubs else sorted(hubs)


def facts_of_approval(found: Approval) -> dict[str, object]:
    """Return an act that waits, or what came of it."""
    return {
        "id": found.id,
        "act": str(found.act),
        "hub": found.hub,
        "subject": found.subject,
        "details": dict(found.details),
        "reason": found.reason,
        "asked_by": found.asked_by,
        "asked": found.asked.isoformat(),
        "expires": found.expires.isoformat(),
        "decision": found.decision,
        "decided_by": found.decided_by,
        "note": found.note,
        "done": found.done is not None,
    }
