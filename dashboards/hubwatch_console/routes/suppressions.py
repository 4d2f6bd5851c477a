"""All that nobody is told of: look at it, say what is expected, and end that before its time."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from hubwatch_alarms import suppressing, views
from hubwatch_alarms.people import parse_reason
from hubwatch_console.access import Allowed, SharedParts
from hubwatch_console.routes.alarms import seen_by
from hubwatch_console.routes.bodies import AlarmNumber, SuppressionBody
from hubwatch_core.errors import BadCall
from hubwatch_core.permission import UserAct
from hubwatch_store.alarms import alarms
from hubwatch_store.database import translated
from hubwatch_store.users import KnownCaller

router = APIRouter(prefix="/suppressions", tags=["suppressions"])

Seeing = Annotated[KnownCaller, Depends(Allowed(UserAct.ALARM_SEE))]
Suppressing = Annotated[KnownCaller, Depends(Allowed(UserAct.ALARM_SUPPRESS))]
Lifting = Annotated[KnownCaller, Depends(Allowed(UserAct.ALARM_LIFT))]


@router.get("")
async def list_suppressions(
    caller: Seeing, parts: SharedParts, hub: Annotated[str | None, Query(max_length=63)] = None
) -> list[dict[str, object]]:
    """Return what nobody is told of at the hubs that one sees."""
    with translated():
        async with parts.pool.connection() as connection:
            return await views.suppressed(connection, hub=hub, seen=seen_by(caller.person))


@router.post("", responses={202: {"description": "It waits for a second person."}})
async def suppress(
    body: SuppressionBody, caller: Suppressing, parts: SharedParts, response: Response
) -> dict[str, object]:
    """Say what is expected; what blinds a zone or is of priority 1 waits for a second person."""
    if body.starts is not None and body.starts.tzinfo is None:
        raise BadCall("starts needs a time zone")
    wish = suppressing.Wish(
        body.kind, body.hub, parse_reason(body.note, "note"), body.duration_s, body.starts, body.zone, body.sensor,
        tuple(body.types), body.critical,
    )  # fmt: skip
    async with alarms.moving(parts.pool) as connection:
        added = await suppressing.expect(
            connection, caller.person, wish, parts.settings.expecting, approval_s=parts.settings.login.approval_s
        )
    if isinstance(added, int):
        response.status_code = 202
        return {"approval": added}
    return {"suppression": added.id, "since": added.starts.isoformat(), "until": added.ends.isoformat()}


@router.post("/{number}/lift")
async def lift(number: AlarmNumber, caller: Lifting, parts: SharedParts) -> dict[str, object]:
    """End what is expected before its time."""
    async with alarms.moving(parts.pool) as connection:
        lifted = await suppressing.lift(connection, caller.person, number)
    return {"suppression": lifted.id, "by": lifted.lifted_by}
