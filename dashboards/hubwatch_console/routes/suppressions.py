"""All that nobody is told of: look at it, say what is expected, and end that before its time."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from hubwatch_alarms import suppressing, views
from hubwatch_alarms.people import parse_reason
from hubwatch_console.access import Allowed, SharedParts
from hubwatch_console.paging import PageWanted, moment_of, paged
from hubwatch_console.routes.alarms import seen_by
from hubwatch_console.routes.answers.alarms import (
    ApprovalAskedAnswer,
    LiftedAnswer,
    SuppressionAnswer,
    SuppressionListAnswer,
)
from hubwatch_console.routes.answers.described import gives
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

LAST = "infinity"
"""The place of what has no beginning that is known."""
Wanted = Annotated[PageWanted, paged("suppressions", str, str, str, int, default=1000, limit=1000)]


@router.get("", **gives(SuppressionListAnswer))
async def list_suppressions(
    caller: Seeing,
    parts: SharedParts,
    wanted: Wanted,
    hub: Annotated[str | None, Query(max_length=63)] = None,
) -> dict[str, object]:
    """Return what nobody is told of at the hubs that one sees, by hub, alarms before what is expected."""
    after = wanted.place
    if after is not None and after[2] != LAST:
        moment_of(after[2], "cursor")
    with translated():
        async with parts.pool.connection() as connection:
            found = await views.suppressed(
                connection, hub=hub, seen=seen_by(caller.person), most=wanted.most + 1, after=after
            )
    page, further = wanted.page(
        found, lambda each: (str(each["hub"]), str(each["what"]), str(each["since"] or LAST), int(str(each["id"])))
    )
    return {"suppressions": list(page), "next": further}


@router.post("", **gives(SuppressionAnswer, waits=ApprovalAskedAnswer))
async def suppress(
    body: SuppressionBody, caller: Suppressing, parts: SharedParts, response: Response
) -> dict[str, object]:
    """Say what is expected; what blinds a zone, is of radiation or of priority 1 waits for a second person."""
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


@router.post("/{number}/lift", **gives(LiftedAnswer))
async def lift(number: AlarmNumber, caller: Lifting, parts: SharedParts) -> dict[str, object]:
    """End what is expected before its time."""
    async with alarms.moving(parts.pool) as connection:
        lifted = await suppressing.lift(connection, caller.person, number)
    return {"suppression": lifted.id, "by": lifted.lifted_by}
