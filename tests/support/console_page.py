"""A request as the pages' pure parts need it, without a console that runs: the language, and no prefix."""

from __future__ import annotations

from types import SimpleNamespace

from starlette.requests import Request

from hubwatch_alarms.instructions import Instructions
from hubwatch_console.access import Parts
from hubwatch_console.pages.rendering import LANGUAGE_COOKIE, Page
from hubwatch_console.settings import ConsoleSettings
from hubwatch_store.database import Pool


def page_in(language: str) -> Page:
    """Return a page in a language, of nobody."""
    settings = ConsoleSettings()
    parts = Parts(settings, Pool(settings.database, "test"), Instructions.load(), {})
    scope = {
        "type": "http", "method": "GET", "path": "/", "query_string": b"",
        "app": SimpleNamespace(state=SimpleNamespace(parts=parts)),
        "headers": [(b"cookie", f"{LANGUAGE_COOKIE}={language}".encode())],
    }  # fmt: skip
    return Page(Request(scope), None)
