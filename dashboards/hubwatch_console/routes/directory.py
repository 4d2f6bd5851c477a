"""Users: the directory as administrators of every hub change it; as `hubwatch users` does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from hubwatch_alarms.people import parse_note
from hubwatch_console.access import Allowed, Parts, SharedParts, acting, check_session
from hubwatch_console.paging import PageWanted, paged
from hubwatch_console.routes.answers.described import gives
from hubwatch_console.routes.answers.people import OneTimeAnswer, UserListAnswer
from hubwatch_console.routes.bodies import GrantsBody, NoteBody, UserBody, UserName
from hubwatch_console.routes.people import facts_of_user
from hubwatch_core.permission import UserAct
from hubwatch_core.plain_text import one_line
from hubwatch_store import login
from hubwatch_store.database import DatabaseConnection
from hubwatch_store.users import (
    KnownCaller,
    User,
    check_may,
    directory,
    existing_user,
    parse_grants,
    parse_user_name,
)

router = APIRouter(prefix="/users", tags=["users"])

Seeing = Annotated[KnownCaller, Depends(Allowed(UserAct.USER_SEE))]
Changing = Annotated[KnownCaller, Depends(Allowed(UserAct.USER_CHANGE))]
Wanted = Annotated[PageWanted, paged("users", str, default=200, limit=1000)]


@router.get("", **gives(UserListAnswer))
async def list_users(
    caller: Seeing,
    parts: SharedParts,
    wanted: Wanted,
) -> dict[str, object]:
    """Return all users by name: what they may do where, what they have to set up, when they were last seen."""
    check_may(caller.person, UserAct.USER_SEE, None)
    (after,) = wanted.place or (None,)
    async with acting(parts) as connection:
        found = await directory.users(connection, after=after, most=wanted.most + 1)
    page, further = wanted.page(found, lambda user: (user.name,))
    return {"users": [facts_of_listed(user) for user in page], "next": further}


@router.post("", **gives(OneTimeAnswer, 201))
async def add(body: UserBody, caller: Changing, parts: SharedParts) -> dict[str, object]:
    """Add a user; the answer holds a one-time password, with which they choose their own within a day."""
    name, grants = parse_user_name(body.name), parse_grants(body.grants)
    async with _changing(parts, caller) as connection:
        user = await directory.add_user(connection, name, grants, by=caller.person, full_name=one_line(body.full_name))
        password = await login.reset(connection, user, by=caller.person)
    return {"name": name, "one_time_password": password}


@router.post("/{name}/grants", status_code=204)
async def set_grants(name: UserName, body: GrantsBody, caller: Changing, parts: SharedParts) -> Response:
    """Give a user these roles and no others; their sessions and tokens end."""
    grants = parse_grants(body.grants)
    async with _of(parts, caller, name) as (connection, user):
        await directory.set_grants(connection, user, grants, by=caller.person)
    return Response(status_code=204)


@router.post("/{name}/disable", status_code=204)
async def disable(name: UserName, body: NoteBody, caller: Changing, parts: SharedParts) -> Response:
    """Let a user in no more; their sessions and tokens end."""
    note = parse_note(body.note, "note")
    async with _of(parts, caller, name) as (connection, user):
        await directory.disable(connection, user, by=caller.person, note=note or "")
    return Response(status_code=204)


@router.post("/{name}/enable", status_code=204)
async def enable(name: UserName, body: NoteBody, caller: Changing, parts: SharedParts) -> Response:
    """Let a user in again."""
    note = parse_note(body.note, "note")
    async with _of(parts, caller, name) as (connection, user):
        await directory.enable(connection, user, by=caller.person, note=note or "")
    return Response(status_code=204)


@router.post("/{name}/reset", **gives(OneTimeAnswer))
async def reset(name: UserName, caller: Changing, parts: SharedParts) -> dict[str, object]:
    """Take password and second factor of a user away; the answer holds a one-time password."""
    async with _of(parts, caller, name) as (connection, user):
        password = await login.reset(connection, user, by=caller.person)
    return {"name": name, "one_time_password": password}


@asynccontextmanager
async def _changing(parts: Parts, caller: KnownCaller) -> AsyncIterator[DatabaseConnection]:
    check_session(caller)
    check_may(caller.person, UserAct.USER_CHANGE, None)
    async with acting(parts) as connection, directory.changing(connection):
        yield connection


@asynccontextmanager
async def _of(parts: Parts, caller: KnownCaller, name: str) -> AsyncIterator[tuple[DatabaseConnection, User]]:
    async with _changing(parts, caller) as connection:
        yield connection, await existing_user(connection, name)


def facts_of_listed(user: User) -> dict[str, object]:
    """Return a user as administrators see them."""
    return facts_of_user(user) | {
        "disabled": None if user.disabled is None else user.disabled.isoformat(),
        "used": None if user.used is None else user.used.isoformat(),
    }
