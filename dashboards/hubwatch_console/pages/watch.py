"""Whether the hub is seen: health of its parts, what is blind and why, and the plan with live state."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Request
from fastapi.responses import Response

from hubwatch_console.access import SharedParts
from hubwatch_console.pages.plan_drawing import draw_plan
from hubwatch_console.pages.plan_picture import POLICY, picture_of
from hubwatch_console.pages.queue import HubName, Seeing, doubts_of
from hubwatch_console.pages.rendering import Page, render
from hubwatch_console.pages.sight import blind_zones, sights
from hubwatch_console.routes.alarms import seen_by
from hubwatch_core.clock import SECOND_US, now_us, to_us
from hubwatch_core.permission import UserAct, may
from hubwatch_store.console import HubSeen, health, queue
from hubwatch_store.database import translated

router = APIRouter(include_in_schema=False)

EXPLAINED_LOSS = ("dead-lettered", "evicted")
"""These are lost for good, and why is known; what an agent or a link still holds comes later."""
LATE_US = 5 * 60 * SECOND_US
"""Whoever is to be told hears of it long before; a message that waits for longer is held up."""
KEPT_WITHIN_S = 60.0
"""How long what came of a beat may take to be known here."""
UNEXPLAINED = "unexplained"


@router.get("/health")
async def show_health(request: Request, caller: Seeing, parts: SharedParts) -> Response:
    """Show whether everything works that watches the hubs that one sees."""
    seen = seen_by(caller.person)
    with translated():
        async with parts.pool.connection() as connection:
            last = await queue.last_move(connection)
            hubs = await queue.hubs(connection, seen)
            agents = await health.agents(connection, seen)
            gaps = await health.gaps(connection, seen)
            routes = await health.routes(connection, seen)
            beat = await health.dead_man(connection)
    lost = sum(gaps.get(cause, 0) for cause in EXPLAINED_LOSS)
    waiting = sum(n for cause, n in gaps.items() if cause not in {*EXPLAINED_LOSS, UNEXPLAINED})
    return render(
        request, "health.html", caller, last=last, hubs=hubs, agents=agents, gaps=gaps, lost=lost,
        routes=[each | {"is_late": is_late(each["oldest"])} for each in routes],
        more_agents=len(agents) == health.MOST_AGENTS, more_routes=len(routes) == health.MOST_ROUTES,
        beat=beat, heard=outside_hears(beat),
        unexplained=gaps.get(UNEXPLAINED, 0), waiting=waiting,
        doubts={each.hub: doubts_of(parts, each.hub) for each in hubs},
    )  # fmt: skip


@router.get("/blind")
async def show_blind(request: Request, caller: Seeing, parts: SharedParts, hub: HubName = None) -> Response:
    """Show what cannot be seen now, per zone, with cause, since when, and who is on it."""
    seen = seen_by(caller.person)
    with translated():
        async with parts.pool.connection() as connection:
            last = await queue.last_move(connection)
            hubs = await queue.hubs(connection, seen)
            found = sights(await health.sensors(connection, seen, hub or None))
            more = await health.more_sensors(connection, len(found), seen, hub or None)
    return render(
        request, "blind.html", caller, last=last, hubs=hubs, zones=blind_zones(found), sensors=len(found),
        more=more,
        doubts={each.hub: doubts_of(parts, each.hub) for each in hubs if hub in {None, "", each.hub}},
    )  # fmt: skip


@router.get("/plan")
async def show_plan(request: Request, caller: Seeing, parts: SharedParts, hub: HubName = None) -> Response:
    """Show the plan of a hub with the state of its zones and sensors."""
    seen = seen_by(caller.person)
    with translated():
        async with parts.pool.connection() as connection:
            last = await queue.last_move(connection)
            hubs = await queue.hubs(connection, seen)
            chosen = _chosen(hubs, hub)
            found = [] if chosen is None else sights(await health.sensors(connection, seen, chosen.hub))
            more = 0 if chosen is None else await health.more_sensors(connection, len(found), seen, chosen.hub)
    page = Page(request, caller)
    site = None if chosen is None or parts.feed is None else parts.feed.site(chosen.hub)
    known = chosen is not None and not doubts_of(parts, chosen.hub)
    picture = await asyncio.to_thread(picture_of, site, parts.settings.plan_folder)
    behind = None
    if picture is not None and picture.fault is None and chosen is not None:
        behind = page.path(f"/plan/picture/{chosen.hub}", version=picture.digest)
    drawn = None
    if site is not None:
        drawn = await asyncio.to_thread(draw_plan, site, found, page, known=known, picture=behind)
    return render(
        request, "plan.html", caller, last=last, hubs=hubs, chosen=chosen, drawn=drawn, sensors=found, more=more,
        fault=None if picture is None else picture.fault,
        doubts={} if chosen is None else {chosen.hub: doubts_of(parts, chosen.hub)},
    )  # fmt: skip


@router.get("/plan/picture/{hub}")
async def show_picture(hub: Annotated[str, Path(max_length=100)], caller: Seeing, parts: SharedParts) -> Response:
    """Return the picture that the site of a hub names for its plan."""
    site = None if parts.feed is None or not may(caller.person, UserAct.ALARM_SEE, hub) else parts.feed.site(hub)
    picture = await asyncio.to_thread(picture_of, site, parts.settings.plan_folder)
    if picture is None or picture.fault is not None:
        raise HTTPException(404, "there is no such picture")
    headers = {
        "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, max-age=3600",
        "Cross-Origin-Resource-Policy": "same-origin",
    }  # fmt: skip
    return Response(picture.content, media_type=picture.kind, headers=headers)


def is_late(oldest: datetime | None) -> bool:
    """Return whether the oldest message of a route waits for too long."""
    return oldest is not None and now_us() - to_us(oldest) > LATE_US


def outside_hears(beat: Mapping[str, Any] | None) -> str:
    """Return how the dead man stands: `none` is set, `old` what is known of it, or what came of its last beat."""
    if beat is None:
        return "none"
    # The other side lets three beats be missed; what is known is written each few seconds.
    return "old" if beat["age_s"] > 3 * beat["every_s"] + KEPT_WITHIN_S else str(beat["outcome"])


def _chosen(hubs: Sequence[HubSeen], hub: str | None) -> HubSeen | None:
    """Return the hub that is asked for, the first where none is; none that one does not see."""
    if not hub:
        return hubs[0] if hubs else None
    return next((each for each in hubs if each.hub == hub), None)
