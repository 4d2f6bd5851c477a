"""The security level of each hub: raised and lowered with a reason, and the checklist that it asks for."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from hubwatch_alarms import checklist
from hubwatch_alarms.people import parse_note
from hubwatch_console.access import Parts, SharedParts, acting
from hubwatch_console.pages.queue import Seeing
from hubwatch_console.pages.rendering import Page, render
from hubwatch_console.pages.trouble import status_in_place
from hubwatch_console.pages.visiting import VisitorWho
from hubwatch_console.routes.alarms import seen_by
from hubwatch_console.routes.approvals import change_level
from hubwatch_console.routes.bodies import Name
from hubwatch_console.routes.checklist import site_of
from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.permission import UserAct
from hubwatch_store import site
from hubwatch_store.console import queue
from hubwatch_store.database import translated
from hubwatch_store.users import KnownCaller

router = APIRouter(prefix="/level", include_in_schema=False)

Levelling = Annotated[KnownCaller, Depends(VisitorWho(UserAct.LEVEL_RAISE))]
Ticking = Annotated[KnownCaller, Depends(VisitorWho(UserAct.CHECKLIST_TICK))]

MOST_DIGITS = 18


@router.get("")
async def show_level(request: Request, caller: Seeing, parts: SharedParts) -> Response:
    """Show the security level of each hub that one sees, its checklist, what it scales, and how it came to be."""
    return await _show(request, caller, parts)


@router.post("/{hub}")
async def set_level(request: Request, hub: str, caller: Levelling, parts: SharedParts) -> Response:
    """Set the security level of a hub; lowering it waits for a second person."""
    form = request.state.form
    if form.get("level") not in {"1", "2", "3"}:
        raise BadCall("a level is 1, 2 or 3")
    try:
        change = await change_level(parts, caller.person, hub, int(form["level"]), form.get("note", ""), None)
    except Permanent as error:
        return await _show(request, caller, parts, status=status_in_place(error), refused=str(error))
    if "approval" in change:
        return render(request, "waits.html", caller, status=202, approval=change["approval"], alarm=None, live=False)
    return RedirectResponse(Page(request, caller).path("/level"), 303)


@router.post("/{hub}/checklist")
async def tick(request: Request, hub: Name, caller: Ticking, parts: SharedParts) -> Response:
    """Tick an item of the checklist, or take its tick away; where somebody else was quicker, say who."""
    form = request.state.form
    began, note = form.get("began", ""), parse_note(form.get("note"), "note")
    if (began and not (began.isascii() and began.isdigit())) or len(began) > MOST_DIGITS:
        raise BadCall("this is no list: load the page anew")
    if form.get("say") not in {"done", "again"}:
        raise BadCall("say done or again")
    try:
        async with acting(parts) as connection:
            await checklist.tick(
                connection, caller.person, hub, site_of(parts, hub), form.get("item", ""), note=note,
                began=int(began) if began else None, done=form["say"] == "done",
            )  # fmt: skip
    except Permanent as error:
        return await _show(request, caller, parts, status=status_in_place(error), refused=str(error))
    return RedirectResponse(Page(request, caller).path("/level") + f"#hub-{hub}", 303)


async def _show(
    request: Request, caller: KnownCaller, parts: Parts, *, status: int = 200, refused: str | None = None
) -> Response:
    with translated():
        async with parts.pool.connection() as connection:
            last = await queue.last_move(connection)
            hubs = await queue.hubs(connection, seen_by(caller.person))
            levels = {each.hub: each for each in await site.levels(connection)}
            history = {each.hub: await site.level_history(connection, each.hub) for each in hubs}
            scales = await site.scales(connection)
            lists = {
                each.hub: await checklist.standing(connection, each.hub, site_of(parts, each.hub)) for each in hubs
            }
    return render(
        request, "level.html", caller, status=status, here="/level", hubs=hubs, levels=levels, history=history,
        scales=scales, lists=lists, refused=refused, live=True, last=last,
    )  # fmt: skip
