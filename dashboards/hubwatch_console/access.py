"""Who may use a route. Each route has one of these as a dependency; a test fails for a route without."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, cast
from zoneinfo import ZoneInfo

from fastapi import Depends, HTTPException, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.scenarios import DrillScenario
from hubwatch_console.feed import AlarmFeed
from hubwatch_console.oidc import Provider
from hubwatch_console.settings import ConsoleSettings
from hubwatch_core.permission import LEAST_ROLE, UserAct, hubs_where
from hubwatch_store.database import DatabaseConnection, Pool, connect_sync, translated
from hubwatch_store.users import KnownCaller, NotAllowed, who

Result = TypeVar("Result")

SCHEME = "bearer "
MOST_TOKEN = 200
"""Characters; ours have 46."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes of one application share."""

    settings: ConsoleSettings
    pool: Pool
    instructions: Instructions
    scenarios: Mapping[str, DrillScenario]
    """What there is to try in an exercise, by name."""
    provider: Provider | None = None
    feed: AlarmFeed | None = None
    """What happens to alarms; pages that are looked at without it say that they do not know."""

    def zone(self, hub: str | None) -> ZoneInfo:
        """Return the time zone whose clock people at a hub read."""
        return ZoneInfo("UTC") if self.feed is None else self.feed.zone(hub)


def parts_of(request: Request) -> Parts:
    """Return what the application was made with."""
    return cast("Parts", request.app.state.parts)


class Public:
    """Anybody may use the route: what it does shows who they are."""

    async def __call__(self) -> None:
        """Let everybody pass."""


class SignedIn(SecurityBase):
    """Whoever is logged in may use the route, also one who has something to set up first."""

    model = HTTPBearer(description="The token of a login, or an API token.")
    scheme_name = "token"

    async def __call__(self, request: Request) -> KnownCaller:
        """Return who is logged in; raises HTTPException 401."""
        token = self.token(request)
        if not 0 < len(token) <= MOST_TOKEN:
            raise self.unknown("send `Authorization: Bearer` and the token of a login")
        with translated():
            async with parts_of(request).pool.connection() as connection:
                caller = await who(connection, token)
        if caller is None:
            raise self.unknown("this token is no good, or its session is over: log in again")
        return caller

    def token(self, request: Request) -> str:
        """Return the token that a request carries; nothing where it carries none."""
        given = request.headers.get("authorization", "")
        return given[len(SCHEME) :].strip() if given.lower().startswith(SCHEME) else ""

    def unknown(self, detail: str) -> Exception:
        """Return what is raised where nobody is known."""
        return HTTPException(401, detail, {"WWW-Authenticate": "Bearer"})


class Allowed(SignedIn):
    """Whoever may do that at some hub may use the route; at which hub they do it is judged where it is known."""

    def __init__(self, act: UserAct) -> None:
        self.act = act

    async def __call__(self, request: Request) -> KnownCaller:
        """Return who is logged in; raises NotAllowed where they may do it nowhere."""
        caller = await super().__call__(request)
        if caller.person.needs:
            raise NotAllowed(f"set up first: {', '.join(caller.person.needs)}")
        self.check(caller)
        return caller

    def check(self, caller: KnownCaller) -> None:
        """Raise NotAllowed where somebody may do it nowhere."""
        if not hubs_where(caller.person, self.act):
            raise NotAllowed(f"{self.act} needs the role {LEAST_ROLE[self.act]}, which you have at no hub")


def check_session(caller: KnownCaller) -> None:
    """Raise NotAllowed for a token: in wrong hands it must not make others, nor change what people log in with."""
    if caller.session.kind != "session":
        raise NotAllowed("this needs a login, an API token is not enough")


SomebodyIn = Annotated[KnownCaller, Depends(SignedIn())]
SharedParts = Annotated[Parts, Depends(parts_of)]


@asynccontextmanager
async def acting(parts: Parts) -> AsyncIterator[DatabaseConnection]:
    """Make the transaction in which a route does what it does, or none of it. Raises Transient or Permanent."""
    with translated():
        async with parts.pool.connection() as connection, connection.transaction():
            yield connection


async def in_thread(parts: Parts, work: Callable[[Any], Result]) -> Result:
    """Do what takes a while, over a connection of its own. Raises Transient or Permanent."""

    def run() -> Result:
        with connect_sync(parts.settings.database, "hubwatch console") as connection:
            return work(connection)

    return await asyncio.to_thread(run)
