"""One alarm: its evidence drawn, what to do, how the device is, what was before, who was told."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from hubwatch_alarms import views
from hubwatch_console.access import SharedParts
from hubwatch_console.pages import alarm_evidence, surroundings
from hubwatch_console.pages.alarm_handling import offered
from hubwatch_console.pages.queue import Seeing
from hubwatch_console.pages.rendering import Page, render
from hubwatch_console.routes.bodies import AlarmNumber
from hubwatch_store.console import behind, queue
from hubwatch_store.database import translated

router = APIRouter(prefix="/alarms", include_in_schema=False)


@router.get("/{alarm}")
async def show_alarm(request: Request, alarm: AlarmNumber, caller: Seeing, parts: SharedParts) -> Response:
    """Show everything about one alarm."""
    page = Page(request, caller)
    with translated():
        async with parts.pool.connection() as connection:
            last = await queue.last_move(connection)
            whole = await views.details(connection, alarm, caller.person)
            found = whole.alarm
            evidence = await alarm_evidence.of(connection, parts, page, found)
            places = [found.sensor, *([found.zone] if found.zone else [])]
            cameras = await behind.cameras(connection, found.hub, places)
            offer = await offered(connection, parts, whole)
    return render(
        request, "alarm.html", caller, whole=whole, alarm=found, last=last, cameras=cameras, evidence=evidence,
        instruction=parts.instructions.of(found.type, found.hub), titles=parts.instructions, offer=offer,
        map=evidence.map, near_words=surroundings.HOW,
    )  # fmt: skip
