"""What supervisors do: acts that wait for a second person, and the journal of who did what."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from hubwatch_alarms.people import parse_note
from hubwatch_console.access import Parts, SharedParts, check_session
from hubwatch_console.pages.downloads import plain_cell
from hubwatch_console.pages.queue import HubName
from hubwatch_console.pages.rendering import Page, render
from hubwatch_console.pages.visiting import VisitorWho
from hubwatch_console.routes.approvals import approvals_seen, decide
from hubwatch_console.routes.bodies import AlarmNumber
from hubwatch_core.errors import BadCall
from hubwatch_core.permission import EVERY_HUB, UserAct, hubs_where
from hubwatch_core.plain_text import one_line
from hubwatch_store.console import behind
from hubwatch_store.database import translated
from hubwatch_store.users import KnownCaller, approvals

router = APIRouter(include_in_schema=False)

PER_PAGE = 100
APPROVALS = 200
"""On one page; what waits stands first."""
EXPORTED = 10_000
"""Rows of one table, which says where the next one begins."""
AT_A_TIME = 1000

Looking = Annotated[KnownCaller, Depends(VisitorWho(UserAct.APPROVAL_SEE))]
Reading = Annotated[KnownCaller, Depends(VisitorWho(UserAct.JOURNAL_SEE))]
Word = Annotated[str | None, Query(max_length=100)]
Before = Annotated[int | None, Query(ge=1, lt=10**18)]


@router.get("/approvals")
async def show_approvals(request: Request, caller: Looking, parts: SharedParts) -> Response:
    """Show the acts that wait for a second person at the hubs that one sees, and what came of the last others."""
    with translated():
        async with parts.pool.connection() as connection:
            seen = approvals_seen(caller.person)
            found = await approvals.approvals(connection, decided=True, most=APPROVALS + 1, seen=seen)
    shown = found[:APPROVALS]
    return render(
        request, "approvals.html", caller, found=shown, more=len(found) > APPROVALS, last=None,
        agree=approvals_agreed_by(caller, shown),
    )  # fmt: skip


@router.post("/approvals/{number}")
async def decide_approval(request: Request, number: AlarmNumber, caller: Looking, parts: SharedParts) -> Response:
    """Agree to an act, or refuse it."""
    form = request.state.form
    check_session(caller)
    if form.get("say") not in {"approve", "refuse"}:
        raise BadCall("say approve or refuse")
    await decide(parts, caller, number, parse_note(form.get("note"), "note"), agree=form["say"] == "approve")
    return RedirectResponse(Page(request, caller).path("/approvals"), 303)


@router.get("/audit")
async def show_audit(
    request: Request,
    caller: Reading,
    parts: SharedParts,
    hub: HubName = None,
    who: Word = None,
    act: Word = None,
    day: Annotated[str, Query(pattern=r"^(\d{4}-\d{2}-\d{2})?$")] = "",
    before: Before = None,
) -> Response:
    """Show who did what, the newest first."""
    asked = _asked(caller, hub, who, act, day)
    with translated():
        async with parts.pool.connection() as connection:
            found = await behind.acts(connection, **asked, before=before, most=PER_PAGE + 1)
    filters = {"hub": hub or "", "who": who or "", "act": act or "", "day": day}
    return render(
        request, "audit.html", caller, found=found[:PER_PAGE], more=len(found) > PER_PAGE, filters=filters,
        details=details_of, last=None,
    )  # fmt: skip


@router.get("/audit.csv")
async def export_audit(
    caller: Reading,
    parts: SharedParts,
    hub: HubName = None,
    who: Word = None,
    act: Word = None,
    day: Annotated[str, Query(pattern=r"^(\d{4}-\d{2}-\d{2})?$")] = "",
    before: Before = None,
) -> Response:
    """Return the newest rows of the same as a table, for whoever checks it elsewhere; a last line says what is left."""
    asked = _asked(caller, hub, who, act, day)
    headers = {"Content-Disposition": 'attachment; filename="audit.csv"'}
    return StreamingResponse(_rows(parts, asked, before), media_type="text/csv; charset=utf-8", headers=headers)


async def _rows(parts: Parts, asked: Mapping[str, Any], before: int | None) -> AsyncIterator[str]:
    yield _line(["id", "at", "who", "verified", "hub", "act", "subject", "details"])
    left = EXPORTED
    while True:
        with translated():
            async with parts.pool.connection() as connection:
                rows = await behind.acts(connection, **asked, before=before, most=min(AT_A_TIME, max(1, left)))
        if not rows:
            return
        if left <= 0:
            # Who reads the table must not take it for the whole.
            yield _line(["NOT ALL", "", "", "", "", "", f"older rows: ask again with before={before}", ""])
            return
        for row in rows:
            cells = (row["who"], row["hub"] or "", row["act"], row["subject"], json.dumps(row["details"]))
            who, hub, act, subject, details = (plain_cell(str(each)) for each in cells)
            yield _line([row["id"], row["at"].isoformat(), who, row["verified"], hub, act, subject, details])
        before, left = rows[-1]["id"], left - len(rows)


def details_of(row: Mapping[str, Any]) -> str:
    """Return what a row says beside, as words."""
    found: Mapping[str, Any] = row["details"] or {}
    return ", ".join(
        f"{name} {one_line(str(value))}" for name, value in found.items() if value is not None and value != ""
    )[:500]


def approvals_agreed_by(caller: KnownCaller, found: list[Any]) -> set[int]:
    """Return which of them somebody else than their first person asks this one about."""
    return {each.id for each in found if each.decision is None and each.asked_by != caller.person.name}


def _asked(caller: KnownCaller, hub: str | None, who: str | None, act: str | None, day: str) -> dict[str, Any]:
    hubs = hubs_where(caller.person, UserAct.JOURNAL_SEE)
    since = None
    if day:
        try:
            since = datetime.combine(date.fromisoformat(day), time(), UTC)
        except ValueError:
            raise BadCall(f"there is no day {day}") from None
    return {
        "seen": None if EVERY_HUB in hubs else sorted(hubs), "hub": hub or None, "who": who or None,
        "act": act or None, "since": since, "until": None if since is None else since + timedelta(days=1),
    }  # fmt: skip


def _line(cells: list[object]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue()
