"""Whether the hub is watched: health of its parts, what cannot be seen and why, its security level."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import Response

from hubwatch_alarms.facts import iso
from hubwatch_console.access import Allowed, Parts, SharedParts
from hubwatch_console.api_words import MEANING
from hubwatch_console.pages.sight import SensorSight, blind_zones, sights
from hubwatch_console.polled import polled
from hubwatch_console.routes.alarms import seen_by
from hubwatch_console.routes.answers.described import gives
from hubwatch_console.routes.answers.hub import BlindAnswer, HealthAnswer, LevelAnswer
from hubwatch_console.routes.bodies import Name
from hubwatch_console.watching import WatchDoubt
from hubwatch_core.clock import SECOND_US, now_us, to_us
from hubwatch_core.permission import UserAct
from hubwatch_store import site
from hubwatch_store.console import HubSeen, health, queue
from hubwatch_store.database import translated
from hubwatch_store.users import KnownCaller

router = APIRouter(tags=["watch"])

Seeing = Annotated[KnownCaller, Depends(Allowed(UserAct.ALARM_SEE))]
HubAsked = Annotated[str | None, Query(max_length=63, description="Only this hub.")]


@router.get("/health", **gives(HealthAnswer, is_polled=True))
async def show_health(request: Request, caller: Seeing, parts: SharedParts) -> Response:
    """Return whether everything works that watches the hubs that one sees; `doubts` says why that is not known."""
    seen = seen_by(caller.person)
    with translated():
        async with parts.pool.connection() as connection:
            hubs = await queue.hubs(connection, seen)
            agents = await health.agents(connection, seen)
            gaps = await health.gaps(connection, seen)
            routes = await health.routes(connection, seen)
    now = now_us()
    return polled(request, {
        "hubs": [_facts_of_hub(parts, each) for each in hubs],
        "agents": [_facts_of_agent(each, now) for each in agents],
        "missing_frames": gaps,
        "routes": [_facts_of_route(each) for each in routes],
        "whole": len(agents) < health.MOST_AGENTS and len(routes) < health.MOST_ROUTES,
    })  # fmt: skip


@router.get("/blind", **gives(BlindAnswer, is_polled=True), responses={404: {"description": MEANING[404]}})
async def show_blind(request: Request, caller: Seeing, parts: SharedParts, hub: HubAsked = None) -> Response:
    """Return what cannot be seen now, per zone, with cause, since when, and who is on it."""
    seen = seen_by(caller.person)
    with translated():
        async with parts.pool.connection() as connection:
            hubs = await queue.hubs(connection, seen)
            if hub is not None and all(each.hub != hub for each in hubs):
                raise HTTPException(404, f"there is no hub {hub}")
            found = sights(await health.sensors(connection, seen, hub))
    now = now_us()
    return polled(request, {
        "hubs": [_facts_of_hub(parts, each) for each in hubs if hub in {None, each.hub}],
        "zones": [
            {"hub": where, "zone": zone, "sensors": whole, "blind": [_facts_of_sight(each, now) for each in blind]}
            for where, zone, blind, whole in blind_zones(found)
        ],
        "sensors": len(found),
        "whole": len(found) < health.MOST_SENSORS,
    })  # fmt: skip


@router.get("/hubs/{hub}/level", **gives(LevelAnswer, is_polled=True))
async def show_level(hub: Name, request: Request, caller: Seeing, parts: SharedParts) -> Response:
    """Return the security level of a hub that one sees, and the act that set it."""
    seen = seen_by(caller.person)
    with translated():
        async with parts.pool.connection() as connection:
            found = await site.levels(connection, hub) if seen is None or hub in seen else []
    if not found:
        raise HTTPException(404, f"there is no hub {hub}")
    (level,) = found
    return polled(request, {
        "hub": level.hub,
        "level": level.level,
        "since": None if level.since is None else iso(to_us(level.since)),
        "by": level.by,
        "note": level.note,
        "until": None if level.until is None else iso(to_us(level.until)),
    })  # fmt: skip


def _facts_of_hub(parts: Parts, hub: HubSeen) -> dict[str, object]:
    doubts = [WatchDoubt.NOT_ASKED] if parts.feed is None else parts.feed.doubts(hub.hub)
    return {"hub": hub.hub, "name": hub.name, "level": hub.security_level, "doubts": [str(each) for each in doubts]}


def _facts_of_agent(row: dict[str, Any], now: int) -> dict[str, object]:
    return {
        "hub": row["hub"],
        "agent": row["agent"],
        "state": row["state"],
        "software": row["software"],
        "heard": _moment(now, row["heard_s"]),
        "state_since": None if row["state_since"] is None else iso(to_us(row["state_since"])),
        "late": _moment(now, row["late_s"]),
        "sensors": row["sensors"],
    }


def _facts_of_route(row: dict[str, Any]) -> dict[str, object]:
    return {
        "route": row["route"],
        "failing": row["failing"],
        "waiting": row["waiting"],
        "given_up": row["given_up"],
        "delivered": row["delivered"],
        "last": None if row["last"] is None else iso(to_us(row["last"])),
        "oldest": None if row["oldest"] is None else iso(to_us(row["oldest"])),
    }


def _facts_of_sight(each: SensorSight, now: int) -> dict[str, object]:
    return {
        "sensor": each.sensor,
        "kind": each.kind,
        "agent": each.agent,
        "cause": each.cause,
        "reason": each.reason,
        "last_reading": _moment(now, each.age_s),
        "until": None if each.until is None else iso(to_us(each.until)),
        "by": each.by,
        "alarm": each.alarm,
        "alarm_type": each.alarm_type,
        "priority": each.priority,
        "exercise": each.exercise,
    }


def _moment(now: int, age_s: float | None) -> str | None:
    """Return when something was, to the second: an age changes with each look, and the answer would with it."""
    return None if age_s is None else iso((now - int(age_s * SECOND_US)) // SECOND_US * SECOND_US)
