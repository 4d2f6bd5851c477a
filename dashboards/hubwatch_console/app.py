"""The application: its routes, and what every request passes."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.scenarios import load_scenarios
from hubwatch_console import problems
from hubwatch_console.access import Parts, SharedParts, SomebodyIn
from hubwatch_console.api_document import document
from hubwatch_console.bounds import RequestBounds
from hubwatch_console.done_once import DoneOnce
from hubwatch_console.feed import AlarmFeed
from hubwatch_console.oidc import Provider
from hubwatch_console.pages import (
    alarm,
    alarm_handling,
    downloads,
    governing,
    handover,
    incident,
    incident_handling,
    level,
    login,
    queue,
    stream,
    trouble,
    watch,
)
from hubwatch_console.routes import (
    acknowledge,
    agents,
    alarms,
    approvals,
    cardholders,
    checklist,
    dead_letters,
    directory,
    drills,
    handovers,
    incidents,
    notice,
    oidc,
    orders,
    people,
    persons,
    retention,
    sensors,
    suppressions,
)
from hubwatch_console.routes import (
    watch as watched,
)
from hubwatch_console.settings import ConsoleSettings
from hubwatch_core import __version__
from hubwatch_store.database import Pool

PREFIX = "/api/v1"


PAGES = (
    login, queue, downloads, alarm, alarm_handling, incident, incident_handling, handover, level, watch, governing,
)  # fmt: skip


def application(
    settings: ConsoleSettings, pool: Pool, instructions: Instructions, feed: AlarmFeed | None = None
) -> FastAPI:
    """Return the API and the pages over a pool of connections; without a feed pages say that they do not know."""
    # Its own pages of documentation load scripts from elsewhere, and its description is for those who are logged in.
    app = FastAPI(
        title="hubwatch", version=__version__, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    provider = None if settings.oidc is None else Provider(settings.oidc)
    app.state.parts = Parts(settings, pool, instructions, load_scenarios(settings.scenarios_file), provider, feed)
    # Before those of alarms, one of which would take its name for a number.
    app.include_router(stream.api, prefix=PREFIX)
    accounts = (notice, people, oidc, directory)
    handling = (alarms, incidents, handovers, approvals, checklist, suppressions, acknowledge, drills)
    keeping = (cardholders, retention, persons, dead_letters)
    for routes in (*accounts, *handling, watched, agents, sensors, orders, *keeping):
        app.include_router(routes.router, prefix=PREFIX)
    app.include_router(_about(), prefix=PREFIX)
    for each in PAGES:
        app.include_router(each.router)
    app.include_router(stream.pages)
    problems.install(app, trouble.shown)
    app.add_middleware(DoneOnce, parts=app.state.parts, api=f"{PREFIX}/")
    app.add_middleware(RequestBounds, settings=settings.api)
    return app


@cache
def described(app: FastAPI, prefix: str) -> dict[str, Any]:
    """Return the description of an application, made once."""
    return document(app, prefix)


def _about() -> APIRouter:
    router = APIRouter(tags=["about"])

    @router.get("/openapi.json", include_in_schema=False)
    async def description(_: SomebodyIn, request: Request, parts: SharedParts) -> JSONResponse:
        """Return the description of the API (OpenAPI 3.1)."""
        return JSONResponse(described(request.app, parts.settings.api.path_prefix))

    return router
