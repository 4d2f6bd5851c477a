"""Handing over to the next shift: drafted from what stands, with notes, signed by who leaves and who takes over.

By the same functions as the API and the commands. What two have signed is printed as it was signed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response

from hubwatch_alarms import handover
from hubwatch_alarms.handover_text import promised, unlisted
from hubwatch_console.access import Parts, SharedParts, acting
from hubwatch_console.pages.queue import HubName, Seeing
from hubwatch_console.pages.rendering import Page, render
from hubwatch_console.pages.trouble import status_in_place
from hubwatch_console.pages.visiting import VisitorWho
from hubwatch_console.routes.alarms import seen_by
from hubwatch_console.routes.bodies import AlarmNumber
from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.ids import is_id
from hubwatch_core.permission import UserAct
from hubwatch_store.alarms import Handover, handovers
from hubwatch_store.console import queue
from hubwatch_store.database import DatabaseConnection, translated
from hubwatch_store.users import KnownCaller

router = APIRouter(prefix="/handovers", include_in_schema=False)

PER_PAGE = 50

Drafting = Annotated[KnownCaller, Depends(VisitorWho(UserAct.HANDOVER_DRAFT))]
Signing = Annotated[KnownCaller, Depends(VisitorWho(UserAct.HANDOVER_SIGN))]
Before = Annotated[int | None, Query(ge=1, lt=10**18)]

Form = Mapping[str, str]
Act = Callable[[DatabaseConnection, Form], Awaitable[Handover]]


@router.get("")
async def show_handovers(
    request: Request, caller: Seeing, parts: SharedParts, hub: HubName = None, before: Before = None
) -> Response:
    """Show the handovers of the hubs that one sees, the newest first, and let one be drafted."""
    seen = seen_by(caller.person)
    with translated():
        async with parts.pool.connection() as connection:
            last = await queue.last_move(connection)
            hubs = await queue.hubs(connection, seen)
            found = await handovers.history(connection, hub=hub or None, before=before, most=PER_PAGE + 1, seen=seen)
    return render(
        request, "handovers.html", caller, found=found[:PER_PAGE], more=len(found) > PER_PAGE, hubs=hubs, hub=hub or "",
        before=before, last=last,
    )  # fmt: skip


@router.get("/{number}")
async def show_handover(request: Request, number: AlarmNumber, caller: Seeing, parts: SharedParts) -> Response:
    """Show a handover whole."""
    return await _show(request, caller, parts, number)


@router.post("")
async def draft(request: Request, caller: Drafting, parts: SharedParts) -> Response:
    """Draft what is handed over from what stands in the database now; what was drafted before is renewed."""
    hub = request.state.form.get("hub", "")
    if not is_id(hub):
        raise BadCall("say which hub is handed over")
    with translated():
        async with parts.pool.connection() as connection:
            facts = await handover.gathered(connection, caller.person, hub, parts.instructions)
    async with acting(parts) as connection:
        drafted = await handover.draft(connection, caller.person, hub, facts)
    return _back(request, caller, drafted.id)


@router.post("/{number}/notes")
async def notes(request: Request, number: AlarmNumber, caller: Drafting, parts: SharedParts) -> Response:
    """Put notes in place of those that were read; what was signed has to be signed again."""

    async def act(connection: DatabaseConnection, form: Form) -> Handover:
        # Browsers end lines in forms as in mail.
        text = form.get("notes", "").replace("\r\n", "\n")
        return await handover.note(connection, caller.person, number, text, form.get("digest", ""))

    return await _do(request, caller, parts, number, act)


@router.post("/{number}/sign")
async def sign(request: Request, number: AlarmNumber, caller: Signing, parts: SharedParts) -> Response:
    """Sign as whoever leaves."""

    async def act(connection: DatabaseConnection, form: Form) -> Handover:
        return await handover.sign(connection, caller.person, number, form.get("digest", ""))

    return await _do(request, caller, parts, number, act)


@router.post("/{number}/take")
async def take(request: Request, number: AlarmNumber, caller: Signing, parts: SharedParts) -> Response:
    """Sign as whoever takes over; from then on nobody changes it."""

    async def act(connection: DatabaseConnection, form: Form) -> Handover:
        return await handover.take(connection, caller.person, number, form.get("digest", ""))

    return await _do(request, caller, parts, number, act)


async def _do(request: Request, caller: KnownCaller, parts: Parts, number: int, act: Act) -> Response:
    """Do it, or show the handover as it stands now with the words of the refusal, and what was written."""
    form: Form = request.state.form
    try:
        async with acting(parts) as connection:
            await act(connection, form)
    except Permanent as error:
        status = status_in_place(error)
        return await _show(request, caller, parts, number, status=status, refused=str(error), typed=form.get("notes"))
    return _back(request, caller, number)


async def _show(
    request: Request, caller: KnownCaller, parts: Parts, number: int, *, status: int = 200, refused: str | None = None,
    typed: str | None = None,
) -> Response:  # fmt: skip
    with translated():
        async with parts.pool.connection() as connection:
            last = await queue.last_move(connection)
            found = await handover.existing(connection, number, caller.person)
    return render(
        request, "handover.html", caller, status=status, here=f"/handovers/{number}", handover=found, facts=found.facts,
        promised=promised(found.facts), unlisted=unlisted(found.facts), refused=refused, typed=typed, last=last,
    )  # fmt: skip


def _back(request: Request, caller: KnownCaller, number: int) -> Response:
    return RedirectResponse(Page(request, caller).path(f"/handovers/{number}"), 303)
