"""Messages that could not be processed: seen, and asked to be tried again. A collector does that."""

from __future__ import annotations

import base64
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from hubwatch_console.access import Allowed, SharedParts, in_thread
from hubwatch_console.paging import PageWanted, moment_of, paged
from hubwatch_console.routes.answers.described import gives
from hubwatch_console.routes.answers.hub import DeadLetterListAnswer, DeadLetterWholeAnswer, ReplayAskedAnswer
from hubwatch_console.routes.bodies import AlarmNumber, ReplayBody
from hubwatch_core.permission import EVERY_HUB, Actor, UserAct, hubs_where, may
from hubwatch_store.audit import journal_now
from hubwatch_store.ingest import DeadLetter, ask_replay, count_listed, listed, shown
from hubwatch_store.users import KnownCaller, NotAllowed, check_may

router = APIRouter(prefix="/dead-letters", tags=["dead letters"])

Looking = Annotated[KnownCaller, Depends(Allowed(UserAct.DEAD_LETTER_SEE))]
Replaying = Annotated[KnownCaller, Depends(Allowed(UserAct.DEAD_LETTER_REPLAY))]
Contains = Annotated[str | None, Query(max_length=256)]
MOST = 500
Wanted = Annotated[PageWanted, paged("dead letters", str, int, default=50, limit=MOST)]


@router.get("", **gives(DeadLetterListAnswer))
async def list_letters(
    caller: Looking,
    parts: SharedParts,
    wanted: Wanted,
    reason: Contains = None,
    replayed: bool = False,
) -> dict[str, object]:
    """Return dead letters of the hubs where one may see them, newest first, and how many there are."""
    hubs = _hubs(caller.person, UserAct.DEAD_LETTER_SEE)
    before = None if wanted.place is None else (moment_of(wanted.place[0], "cursor").isoformat(), wanted.place[1])

    def work(connection: Any) -> dict[str, object]:
        found = listed(connection, wanted.most + 1, reason, replayed, hubs, before)
        count = count_listed(connection, reason, replayed, hubs)
        page, after = wanted.page(found, lambda each: (each.last_seen.isoformat(), each.id))
        return {"letters": [_facts(each) for each in page], "count": count, "next": after}

    return await in_thread(parts, work)


@router.get("/{number}", **gives(DeadLetterWholeAnswer))
async def show(number: AlarmNumber, caller: Looking, parts: SharedParts) -> dict[str, object]:
    """Return a dead letter whole; its payload in base64, for it may be anything."""
    letter = await in_thread(parts, lambda connection: shown(connection, number))
    check_may(caller.person, UserAct.DEAD_LETTER_SEE, letter.hub)
    return {**_facts(letter), "payload": base64.b64encode(letter.payload).decode()}


@router.post("/{number}/replay", **gives(ReplayAskedAnswer, 202))
async def replay_one(number: AlarmNumber, caller: Replaying, parts: SharedParts) -> dict[str, object]:
    """Ask that one be tried again."""

    def work(connection: Any) -> dict[str, object]:
        letter = shown(connection, number)
        check_may(caller.person, UserAct.DEAD_LETTER_REPLAY, letter.hub)
        return _asked(connection, caller, letter.hub, None, number)

    return await in_thread(parts, work)


@router.post("/replay", **gives(ReplayAskedAnswer, 202))
async def replay(body: ReplayBody, caller: Replaying, parts: SharedParts) -> dict[str, object]:
    """Ask that all be tried again, of a hub or of those where one may."""
    if body.hub is not None:
        check_may(caller.person, UserAct.DEAD_LETTER_REPLAY, body.hub)
    return await in_thread(parts, lambda connection: _asked(connection, caller, body.hub, body.reason, None))


def _asked(
    connection: Any, caller: KnownCaller, hub: str | None, reason: str | None, number: int | None
) -> dict[str, object]:
    hubs = [hub] if hub is not None else _hubs(caller.person, UserAct.DEAD_LETTER_REPLAY)
    with connection.transaction():
        found = ask_replay(connection, caller.person.name, number=number, contains=reason, hubs=hubs)
        subject = "dead letters" if number is None else f"dead letter {number}"
        details = {"asked": len(found), "reason": reason}
        journal_now(
            connection, str(UserAct.DEAD_LETTER_REPLAY), who=caller.person.name, verified=True, hub=hub,
            subject=subject, details=details,
        )  # fmt: skip
    return {"asked": len(found)}


def _hubs(person: Actor, act: UserAct) -> list[str] | None:
    """Return the hubs where somebody may do that, None for every hub and what is of none."""
    found = hubs_where(person, act)
    if not found:
        raise NotAllowed(f"{act} is not yours to do at any hub")
    return None if EVERY_HUB in found and may(person, act, None) else sorted(found)


def _facts(letter: DeadLetter) -> dict[str, object]:
    return {
        "id": letter.id,
        "topic": letter.topic,
        "reason": letter.reason,
        "hub": letter.hub,
        "agent": letter.agent,
        "first_seen": letter.first_seen.isoformat(),
        "last_seen": letter.last_seen.isoformat(),
        "count": letter.count,
        "bytes": letter.octet_length,
        "replayed": None if letter.replayed is None else letter.replayed.isoformat(),
        "waits": letter.replay_asked is not None,
        "still_dead": letter.replay_failed,
    }
