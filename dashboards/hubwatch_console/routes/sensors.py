"""Sensors: replaced, moved, given to another agent, shared, renamed, taken away; as `hubwatch sensor` does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from hubwatch_alarms.people import parse_reason
from hubwatch_console.access import Allowed, Parts, SharedParts, acting
from hubwatch_console.routes.bodies import MoveBody, Name, ReasonBody, RenameBody, ReplaceBody, ShareBody
from hubwatch_core.clock import to_us
from hubwatch_core.errors import BadCall
from hubwatch_core.permission import UserAct
from hubwatch_store import devices
from hubwatch_store.database import DatabaseConnection
from hubwatch_store.users import KnownCaller

router = APIRouter(prefix="/sensors", tags=["sensors"])

Changing = Annotated[KnownCaller, Depends(Allowed(UserAct.SENSOR_CHANGE))]
DONE = 204


@router.post("/{hub}/{sensor}/replace", status_code=DONE)
async def replace(hub: Name, sensor: Name, body: ReplaceBody, caller: Changing, parts: SharedParts) -> Response:
    """Say that another device of the same kind measures."""
    since = _moment(body.since)
    async with _ordered(parts, caller, hub, sensor, "replaced", body.reason) as (connection, by, reason):
        await devices.replace(connection, hub, sensor, by, reason, since)
    return Response(status_code=DONE)


@router.post("/{hub}/{sensor}/move", status_code=DONE)
async def move(hub: Name, sensor: Name, body: MoveBody, caller: Changing, parts: SharedParts) -> Response:
    """Say that a sensor stands in another zone, or is another agent's."""
    since = _moment(body.since)
    if (body.zone is None) == (body.agent is None):
        raise BadCall("say where it is now: a zone, or an agent")
    async with _ordered(parts, caller, hub, sensor, "moved", body.reason) as (connection, by, reason):
        if body.agent is not None:
            await devices.give(connection, hub, sensor, body.agent, by, reason)
        if body.zone is not None:
            await devices.move(connection, hub, sensor, body.zone, by, reason, since)
    return Response(status_code=DONE)


@router.post("/{hub}/{sensor}/share", status_code=DONE)
async def share(hub: Name, sensor: Name, body: ShareBody, caller: Changing, parts: SharedParts) -> Response:
    """Say that another agent may list a sensor, too."""
    async with _ordered(parts, caller, hub, sensor, "shared", body.reason) as (connection, by, reason):
        await devices.share(connection, hub, sensor, body.agent, by, reason)
    return Response(status_code=DONE)


@router.post("/{hub}/{sensor}/rename", status_code=DONE)
async def rename(hub: Name, sensor: Name, body: RenameBody, caller: Changing, parts: SharedParts) -> Response:
    """Let a sensor go on under another name."""
    async with _ordered(parts, caller, hub, sensor, "renamed", body.reason) as (connection, by, reason):
        await devices.rename(connection, hub, sensor, body.name, by, reason)
    return Response(status_code=DONE)


@router.post("/{hub}/{sensor}/forget", status_code=DONE)
async def forget(hub: Name, sensor: Name, body: ReasonBody, caller: Changing, parts: SharedParts) -> Response:
    """Let a sensor go that no agent lists any more."""
    async with _ordered(parts, caller, hub, sensor, "forgotten", body.reason) as (connection, by, reason):
        await devices.forget_sensor(connection, hub, sensor, by, reason)
    return Response(status_code=DONE)


@asynccontextmanager
async def _ordered(
    parts: Parts, caller: KnownCaller, hub: str, sensor: str, what: str, why: str
) -> AsyncIterator[tuple[DatabaseConnection, str, str]]:
    reason, person = parse_reason(why, "reason"), caller.person
    async with (
        acting(parts) as connection,
        devices.ordered(connection, person, hub, f"sensor {sensor}", what, reason),
    ):
        yield connection, person.name, reason


def _moment(since: datetime | None) -> int | None:
    if since is not None and since.tzinfo is None:
        raise BadCall("since needs a time zone")
    return None if since is None else to_us(since)
