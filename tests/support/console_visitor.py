"""Somebody's browser without scripts, and the events of a stream as they come."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from hubwatch_core.permission import Role
from support.console_running import Client, add_person


@dataclass
class Visitor:
    """Somebody's browser without scripts: it keeps its session, and goes where it is sent only when it is asked to."""

    client: Client
    cookies: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, **headers: str) -> tuple[int, str, Any]:
        """Load a page; return its status, text and headers."""
        return await self._ask("GET", path, None, headers)

    async def send(self, path: str, form: dict[str, str], **headers: str) -> tuple[int, str, Any]:
        """Send a form as it is."""
        return await self._ask("POST", path, form, headers)

    async def press(self, page: str, path: str, **form: str) -> tuple[int, str, Any]:
        """Load a page, and send a form of it."""
        _, text, _ = await self.get(page)
        csrf = re.search(r'name="csrf" value="(\w+)"', text)
        assert csrf is not None
        return await self.send(path, {"csrf": csrf[1], **form})

    def cookie(self) -> dict[str, str]:
        """Return the header that carries what it keeps."""
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}

    async def _ask(self, method: str, path: str, form: Any, headers: dict[str, str]) -> tuple[int, str, Any]:
        async with self.client.http.request(
            method, self.client.address + path, data=form, headers={**self.cookie(), **headers}, allow_redirects=False
        ) as answer:
            for name, morsel in answer.cookies.items():
                self.cookies[name] = morsel.value
            return answer.status, await answer.text(), answer.headers


async def person(api: Client, dsn: str, name: str, role: Role, *hubs: str) -> Visitor:
    """Return the browser of somebody with a role, who is logged in."""
    return Visitor(api, {"hubwatch_session": await add_person(dsn, name, role, *hubs)})


async def events(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, dict[str, Any], str | None]]:
    """Yield the events of a stream: name, what it says, and its id."""
    name, number = "", None
    async for line in answer.content:
        key, _, value = line.decode().rstrip("\n").partition(": ")
        if key == "event":
            name = value
        elif key == "id":
            number = value
        elif key == "data":
            yield name, json.loads(value), number
            number = None


async def of_kind(answer: aiohttp.ClientResponse, kind: str, most: int) -> list[tuple[dict[str, Any], str | None]]:
    """Return the first events of a name, up to `most`: what each says, and its id."""
    said = []
    async for name, facts, number in events(answer):
        if name == kind:
            said.append((facts, number))
        if len(said) == most:
            break
    return said
