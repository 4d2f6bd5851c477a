"""The checklist of a hub's security level: what is to be done, and who has ticked what."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from hubwatch_alarms import checklist
from hubwatch_alarms.people import parse_note
from hubwatch_console.access import Allowed, Parts, SharedParts, acting
from hubwatch_console.routes.answers.described import gives
from hubwatch_console.routes.answers.hub import ChecklistAnswer
from hubwatch_console.routes.bodies import Name, TickBody
from hubwatch_core.permission import UserAct
from hubwatch_site import HubSite
from hubwatch_store.database import translated
from hubwatch_store.users import KnownCaller

router = APIRouter(prefix="/hubs", tags=["checklist"])

Seeing = Annotated[KnownCaller, Depends(Allowed(UserAct.ALARM_SEE))]
Ticking = Annotated[KnownCaller, Depends(Allowed(UserAct.CHECKLIST_TICK))]


@router.get("/{hub}/checklist", **gives(ChecklistAnswer))
async def show_checklist(hub: Name, caller: Seeing, parts: SharedParts) -> dict[str, object]:
    """Return what is to be done at a hub at its security level, and what is ticked; `left` is to be done still."""
    with translated():
        async with parts.pool.connection() as connection:
            return (await checklist.seen(connection, caller.person, hub, site_of(parts, hub))).facts()


@router.post("/{hub}/checklist/{item}", **gives(ChecklistAnswer))
async def tick(hub: Name, item: Name, body: TickBody, caller: Ticking, parts: SharedParts) -> dict[str, object]:
    """Tick a check of the list that `began` so, or (`done` false) take its tick away; return the list."""
    note = parse_note(body.note, "note")
    async with acting(parts) as connection:
        found = await checklist.tick(
            connection, caller.person, hub, site_of(parts, hub), item, began=body.began, done=body.done, note=note
        )
    return found.facts()


def site_of(parts: Parts, hub: str) -> HubSite | None:
    """Return the site of a hub, None where it has none."""
    return None if parts.feed is None else parts.feed.site(hub)
