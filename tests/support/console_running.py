"""A console's API running in the loop of a test, on a port of loopback, and people who use it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from hubwatch_console.server import bound
from hubwatch_console.service import serve_api
from hubwatch_console.settings import ConsoleSettings
from hubwatch_core.permission import EVERY_HUB, Actor, Grant, Role
from hubwatch_core.process import Context
from hubwatch_store import login
from hubwatch_store.database import DatabaseSection, connect
from hubwatch_store.users import begin_session, directory
from support.alarms_database import settings_of
from support.console_document import check_answer

ROOT = Actor("os:root", verified=False)


@dataclass(frozen=True)
class Answer:
    """What the API answered."""

    status: int
    body: Any
    headers: dict[str, str]


@dataclass(frozen=True)
class Client:
    """Somebody who uses the API, with a token or without."""

    address: str
    http: aiohttp.ClientSession
    token: str | None = None

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """Send a request and return its answer, which the description of the API must have."""
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        async with self.http.request(method, f"{self.address}/api/v1{path}", json=body, headers=headers) as response:
            text = await response.text()
            body = await response.json(content_type=None) if "json" in response.content_type else text
            check_answer(method, path, response.status, response.content_type, body)
            return Answer(response.status, body, {name.lower(): value for name, value in response.headers.items()})

    async def get(self, path: str) -> Answer:
        """Send a GET."""
        return await self.ask("GET", path)

    async def post(self, path: str, **body: object) -> Answer:
        """Send a POST with a body."""
        return await self.ask("POST", path, body)

    def with_token(self, token: str) -> Client:
        """Return the same client of somebody else."""
        return Client(self.address, self.http, token)


@asynccontextmanager
async def running_api(dsn: str, **sections: object) -> AsyncIterator[Client]:
    """Run an API over a database; yields a client without a token."""
    api = {"port": 0, "requests_burst": 10_000, **dict(sections.pop("api", {}))}  # type: ignore[call-overload]
    # People of a test are made when it begins.
    login_ = {"second_person_after_s": 0, **dict(sections.pop("login", {}))}  # type: ignore[call-overload]
    settings = ConsoleSettings.model_validate({"database": settings_of(dsn), "api": api, "login": login_, **sections})
    listener = bound(settings)
    stop = asyncio.Event()
    task = asyncio.create_task(serve_api(settings, Context.make("console"), listener, stop))
    try:
        async with aiohttp.ClientSession() as http:
            scheme = "http" if settings.api.tls is None else "https"
            yield Client(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}", http)
    finally:
        stop.set()
        await task


async def add_person(dsn: str, name: str, role: Role, *hubs: str, second_factor: bool = True) -> str:
    """Add a user who has set everything up, and return the token of a session of theirs."""
    grants = [Grant(role, frozenset(hubs or {EVERY_HUB}))]
    async with await connect(DatabaseSection(dsn=dsn)) as connection:
        async with directory.changing(connection):
            user = await directory.add_user(connection, name, grants, by=ROOT)
        if second_factor:
            await connection.execute("UPDATE hubwatch.user_secrets SET second_factor_confirmed = now()")
        return (await begin_session(connection, user.id, valid_s=3600, idle_s=600)).token


async def one_time(dsn: str, name: str, role: Role = Role.GUARD) -> str:
    """Add a user with a one-time password, and return that."""
    async with await connect(DatabaseSection(dsn=dsn)) as connection, directory.changing(connection):
        user = await directory.add_user(connection, name, [Grant(role, frozenset({EVERY_HUB}))], by=ROOT)
        return await login.reset(connection, user, by=ROOT)
