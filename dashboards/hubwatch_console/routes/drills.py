"""Exercises: begin one, end it before its time, and read how it went."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from hubwatch_alarms import drilling
from hubwatch_alarms.people import parse_note
from hubwatch_alarms.scenarios import MAX_DRILL_S, facts_of_scenarios
from hubwatch_console.access import Allowed, SharedParts
from hubwatch_console.paging import PageWanted, paged
from hubwatch_console.routes.alarms import seen_by
from hubwatch_console.routes.answers.described import gives
from hubwatch_console.routes.answers.incidents import DrillAnswer, DrillListAnswer, DrillReportAnswer, ScenariosAnswer
from hubwatch_console.routes.bodies import AlarmNumber, Body, LongText, ShortText
from hubwatch_core.permission import UserAct
from hubwatch_store.alarms import alarms, drills
from hubwatch_store.database import translated
from hubwatch_store.users import KnownCaller

router = APIRouter(prefix="/drills", tags=["drills"])

Seeing = Annotated[KnownCaller, Depends(Allowed(UserAct.ALARM_SEE))]
Drilling = Annotated[KnownCaller, Depends(Allowed(UserAct.ALARM_DRILL))]
Ending = Annotated[KnownCaller, Depends(Allowed(UserAct.ALARM_DRILL_END))]


class DrillBody(Body):
    """An exercise that somebody wants to begin."""

    scenario: ShortText
    hub: ShortText
    zone: ShortText | None = None
    duration_s: Annotated[float, Field(gt=0, le=MAX_DRILL_S, allow_inf_nan=False)] | None = None
    note: LongText | None = None


Wanted = Annotated[PageWanted, paged("drills", int, default=100, limit=1000)]


@router.get("", **gives(DrillListAnswer))
async def list_drills(
    caller: Seeing,
    parts: SharedParts,
    wanted: Wanted,
    hub: Annotated[str | None, Query(max_length=63)] = None,
) -> dict[str, Any]:
    """Return the exercises at the hubs that one sees, the newest first."""
    (before,) = wanted.place or (None,)
    with translated():
        async with parts.pool.connection() as connection:
            found = await drills.list_drills(
                connection, hub=hub, most=wanted.most + 1, seen=seen_by(caller.person), before=before
            )
    page, after = wanted.page(found, lambda each: (each.id,))
    return {"drills": [drilling.facts_of_drill(each) for each in page], "next": after}


@router.get("/scenarios", **gives(ScenariosAnswer))
async def list_scenarios(_: Seeing, parts: SharedParts) -> dict[str, dict[str, object]]:
    """Return what there is to try."""
    return facts_of_scenarios(parts.scenarios)


@router.get("/{number}", **gives(DrillReportAnswer))
async def report(number: AlarmNumber, caller: Seeing, parts: SharedParts) -> dict[str, Any]:
    """Return how an exercise went: who was told, by what, and who answered when."""
    with translated():
        async with parts.pool.connection() as connection:
            return await drilling.report(connection, number, parts.instructions, caller.person)


@router.post("", **gives(DrillAnswer))
async def start(body: DrillBody, caller: Drilling, parts: SharedParts) -> dict[str, Any]:
    """Begin an exercise; it ends by itself."""
    note = parse_note(body.note, "note")
    wish = drilling.DrillWish(body.scenario, body.hub, body.zone, body.duration_s, note)
    async with alarms.moving(parts.pool) as connection:
        return drilling.facts_of_drill(await drilling.start(connection, caller.person, wish, parts.scenarios))


@router.post("/{number}/end", **gives(DrillAnswer))
async def end(number: AlarmNumber, caller: Ending, parts: SharedParts) -> dict[str, Any]:
    """End an exercise before its time."""
    async with alarms.moving(parts.pool) as connection:
        return drilling.facts_of_drill(await drilling.end(connection, caller.person, number))
