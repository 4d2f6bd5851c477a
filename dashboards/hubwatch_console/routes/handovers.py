"""Handing over to the next shift, by the same functions as the commands: draft, notes, signatures of two persons."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from hubwatch_alarms import handover
from hubwatch_console.access import Allowed, SharedParts, acting
from hubwatch_console.paging import PageWanted, paged
from hubwatch_console.routes.alarms import seen_by
from hubwatch_console.routes.answers.described import gives
from hubwatch_console.routes.answers.incidents import HandoverListAnswer, HandoverWholeAnswer
from hubwatch_console.routes.bodies import AlarmNumber, HandoverBody, NotesBody, SignBody
from hubwatch_core.permission import UserAct
from hubwatch_store.database import translated
from hubwatch_store.users import KnownCaller

router = APIRouter(prefix="/handovers", tags=["handovers"])

Seeing = Annotated[KnownCaller, Depends(Allowed(UserAct.ALARM_SEE))]
Drafting = Annotated[KnownCaller, Depends(Allowed(UserAct.HANDOVER_DRAFT))]
Signing = Annotated[KnownCaller, Depends(Allowed(UserAct.HANDOVER_SIGN))]
Wanted = Annotated[PageWanted, paged("handovers", int, default=20, limit=200)]


@router.get("", **gives(HandoverListAnswer))
async def list_handovers(
    caller: Seeing,
    parts: SharedParts,
    wanted: Wanted,
    hub: Annotated[str | None, Query(max_length=63)] = None,
) -> dict[str, object]:
    """Return the handovers of the hubs that one sees, the newest first, without what they list."""
    (before,) = wanted.place or (None,)
    with translated():
        async with parts.pool.connection() as connection:
            found = await handover.listed(
                connection, hub=hub, most=wanted.most + 1, seen=seen_by(caller.person), before=before
            )
    page, after = wanted.page(found, lambda each: (int(str(each["id"])),))
    return {"handovers": list(page), "next": after}


@router.get("/{number}", **gives(HandoverWholeAnswer))
async def show_handover(number: AlarmNumber, caller: Seeing, parts: SharedParts) -> dict[str, object]:
    """Return a handover whole, also as text, with the digest that is signed."""
    with translated():
        async with parts.pool.connection() as connection:
            return handover.whole(await handover.existing(connection, number, caller.person))


@router.post("", **gives(HandoverWholeAnswer))
async def draft(body: HandoverBody, caller: Drafting, parts: SharedParts) -> dict[str, object]:
    """Draft what is handed over from what stands in the database now; what was drafted before is renewed."""
    with translated():
        async with parts.pool.connection() as connection:
            facts = await handover.gathered(connection, caller.person, body.hub, parts.instructions)
    async with acting(parts) as connection:
        return handover.whole(await handover.draft(connection, caller.person, body.hub, facts))


@router.post("/{number}/notes", **gives(HandoverWholeAnswer))
async def notes(number: AlarmNumber, body: NotesBody, caller: Drafting, parts: SharedParts) -> dict[str, object]:
    """Put notes in place of those of before; what was signed has to be signed again.

    With a `digest` it is refused where the handover has changed since it was read.
    """
    async with acting(parts) as connection:
        return handover.whole(await handover.note(connection, caller.person, number, body.notes, body.digest))


@router.post("/{number}/sign", **gives(HandoverWholeAnswer))
async def sign(number: AlarmNumber, body: SignBody, caller: Signing, parts: SharedParts) -> dict[str, object]:
    """Sign as whoever leaves."""
    async with acting(parts) as connection:
        return handover.whole(await handover.sign(connection, caller.person, number, body.digest))


@router.post("/{number}/take", **gives(HandoverWholeAnswer))
async def take(number: AlarmNumber, body: SignBody, caller: Signing, parts: SharedParts) -> dict[str, object]:
    """Sign as whoever takes over; from then on nobody changes it."""
    async with acting(parts) as connection:
        return handover.whole(await handover.take(connection, caller.person, number, body.digest))
