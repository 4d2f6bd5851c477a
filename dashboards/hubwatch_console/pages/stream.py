"""The stream of what happens to alarms: server-sent events, for pages and for programs, with replay after an entry.

Each event of an alarm has the number of its journal entry as its id. A pulse comes every second or two: whoever hears
none is cut off. A session that ends ends its stream.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import aclosing
from time import monotonic
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import Response, StreamingResponse

from hubwatch_alarms.facts import iso
from hubwatch_console.access import Allowed, Parts, SharedParts
from hubwatch_console.feed import AlarmFeed, News
from hubwatch_console.pages.rendering import HEADERS
from hubwatch_console.pages.visiting import COOKIE, Visitor, VisitorWho
from hubwatch_console.routes.alarms import seen_by
from hubwatch_core.clock import now_us, to_us
from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.permission import UserAct
from hubwatch_store.console import AlarmMove
from hubwatch_store.database import translated
from hubwatch_store.users import KnownCaller, who_unused

pages = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/alarms", tags=["alarms"])

TYPE = "text/event-stream"
CHECK_EVERY_S = 10.0
"""How often a stream asks whether its session is still good; that does not count as use of it."""
FOR_OTHERS = 5
"""One in so many connections is for what is no stream: people log in and act however many pages are open."""
RETRY_MS = 1000
DESCRIBED = {
    "parameters": [
        {
            "name": "Last-Event-ID", "in": "header", "required": False, "schema": {"type": "string"},
            "description": "The `id` of the last event that was heard: what was missed comes first.",
        },
    ],
    "responses": {
        "200": {"description": "Events, until the session ends.", "content": {TYPE: {"schema": {"type": "string"}}}}
    },
}  # fmt: skip

Looking = Annotated[KnownCaller, Depends(VisitorWho(UserAct.ALARM_SEE))]
Seeing = Annotated[KnownCaller, Depends(Allowed(UserAct.ALARM_SEE))]
After = Annotated[int | None, Query(ge=0, lt=10**18)]


@pages.get("/live")
async def live(request: Request, caller: Looking, parts: SharedParts, after: After = None) -> Response:
    """Tell a page what happens, and that it is not cut off."""
    return _stream(request, parts, caller, request.cookies.get(COOKIE, ""), after)


@pages.get("/alive")
async def alive(_: Annotated[KnownCaller, Depends(Visitor())]) -> Response:
    """Say whether the session is good: a page that lost its stream asks whether it must lead to the log-in."""
    return Response(status_code=204)


@api.get("/stream", response_class=StreamingResponse, openapi_extra=DESCRIBED)
async def stream(request: Request, caller: Seeing, parts: SharedParts, after: After = None) -> Response:
    """Tell what happens to the alarms of the hubs that one sees, as server-sent events.

    `event: alarm` is a move, its `id` the number of the journal entry; after a lost connection send the last one as
    `Last-Event-ID` and what was missed comes first. `event: missed` says that there was more than is kept: list the
    alarms anew. `event: pulse` comes every other second, and says since when the database does not answer.
    """
    token = request.headers.get("authorization", "").partition(" ")[2].strip()
    return _stream(request, parts, caller, token, after)


def _stream(request: Request, parts: Parts, caller: KnownCaller, token: str, after: int | None) -> Response:
    if parts.feed is None:
        raise Transient("nobody follows the alarms just now")
    bounds = parts.settings.api
    if parts.feed.followed_by(caller.person.name) >= bounds.max_streams_per_person:
        raise HTTPException(429, f"{caller.person.name} has as many pages open as one may", {"Retry-After": "5"})
    if parts.feed.followers >= bounds.max_connections - bounds.max_connections // FOR_OTHERS:
        raise HTTPException(503, "as many pages are open as this server takes", {"Retry-After": "5"})
    given = request.headers.get("last-event-id", "")
    # What a browser heard last is newer than where its page began.
    place = int(given) if given.isascii() and given.isdigit() and len(given) <= 18 else after
    headers = {**HEADERS, "X-Accel-Buffering": "no", "Cache-Control": "no-store"}
    return StreamingResponse(_events(parts, parts.feed, caller, token, place), media_type=TYPE, headers=headers)


async def _events(
    parts: Parts, feed: AlarmFeed, caller: KnownCaller, token: str, place: int | None
) -> AsyncIterator[bytes]:
    seen, check_at = seen_by(caller.person), monotonic() + CHECK_EVERY_S
    yield f"retry: {RETRY_MS}\n\n".encode()
    async with aclosing(feed.follow(place, caller.person.name)) as followed:
        async for news in followed:
            # Before anything is told: it may be what somebody must not see any more.
            if monotonic() > check_at:
                check_at = monotonic() + CHECK_EVERY_S
                if not await _still_good(parts, token, caller):
                    yield _event("over", {}, None)
                    return
            if news.missed:
                yield _event("missed", {}, news.standing.last)
            for move in news.moves:
                if seen is None or move.hub in seen:
                    yield _event("alarm", facts_of_move(move), move.id)
            yield _event("pulse", pulse_of(news, seen), None)


async def _still_good(parts: Parts, token: str, caller: KnownCaller) -> bool:
    """Return whether the session is good and its person may do what they might; a lost database decides nothing."""
    try:
        with translated():
            async with parts.pool.connection() as connection:
                now = await who_unused(connection, token)
    except (Transient, Permanent):
        return True
    return now is not None and now.person == caller.person


def facts_of_move(move: AlarmMove) -> dict[str, object]:
    """Return an entry of the journal with the alarm as it stands, as JSON values."""
    return {
        "alarm": move.alarm,
        "at": iso(to_us(move.at)),
        "action": move.action,
        "by": move.by,
        "hub": move.hub,
        "zone": move.zone,
        "sensor": move.sensor,
        "type": move.type,
        "priority": move.priority,
        "state": move.state,
        "acknowledged_by": move.acknowledged_by,
        "incident": move.incident,
        "exercise": move.exercise,
    }


def pulse_of(news: News, seen: Collection[str] | None) -> dict[str, object]:
    """Return what a pulse says: the server's clock, how far it has read, and whether its database answers."""
    standing = news.standing
    return {
        "now": now_us() // 1000,
        "last": standing.last,
        "database_lost_since": iso(standing.lost_since),
        "watch": standing.watch(seen),
    }


def _event(name: str, facts: Mapping[str, object], number: int | None) -> bytes:
    head = "" if number is None else f"id: {number}\n"
    return f"{head}event: {name}\ndata: {json.dumps(facts)}\n\n".encode()
