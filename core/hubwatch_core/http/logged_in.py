"""Whoever is logged in on this machine, and the API over which their commands act; one way for every command."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from hubwatch_core.credentials.kept_login import KeptLogin, kept
from hubwatch_core.errors import BadCall
from hubwatch_core.http.api_client import ApiClient

NOBODY = "who are you? Log in with `hubwatch login URL`, or where the hub has no directory of users say it with --by"


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """Somebody who is logged in."""

    login: KeptLogin

    @property
    def client(self) -> ApiClient:
        """Return the API as they reach it."""
        return ApiClient(self.login.address, self.login.token, self.login.ca_file)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Ask the API as they, for a command; raises what `ApiClient.ask` does."""
        return asyncio.run(self.client.ask(method, path, body))

    def every(self, path: str, name: str, method: str = "GET", body: object = None) -> list[Any]:
        """Return all of a list, page after page; `path` ends with its query. Raises what `ask` does."""
        found: list[Any] = []
        cursor: str | None = ""
        while cursor is not None:
            page = self.ask(method, path + (f"&{urlencode({'cursor': cursor})}" if cursor else ""), body)
            found += page[name]
            cursor = page["next"]
        return found


def somebody() -> LoggedIn:
    """Return who is logged in; raises BadCall when nobody is."""
    login = kept()
    if login is None:
        raise BadCall(NOBODY)
    return LoggedIn(login)


def reader(config: object, dsn: object) -> LoggedIn | None:
    """Return as whom a command looks at something: who is logged in, None where it names a database or nobody is."""
    login = kept() if config is None and dsn is None else None
    return None if login is None else LoggedIn(login)


def logged_in(by: str | None) -> LoggedIn | None:
    """Return who is logged in, None where somebody says with --by who they are; raises BadCall for neither."""
    return somebody() if by is None else None


def waits(answer: Mapping[str, Any]) -> str | None:
    """Return in words that an act waits for a second person, None when it is done."""
    if "approval" not in answer:
        return None
    return f"waits for a second person: `hubwatch approvals approve {answer['approval']}`, by somebody else"
