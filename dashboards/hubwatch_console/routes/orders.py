"""What one person orders for a hub: a site put in force, a legal hold."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError

from hubwatch_alarms.people import parse_reason
from hubwatch_console.access import Allowed, SharedParts, in_thread
from hubwatch_console.bounds import SITE_PATH
from hubwatch_console.routes.answers.described import gives, reads
from hubwatch_console.routes.answers.hub import HoldAnswer, SiteAppliedAnswer
from hubwatch_console.routes.bodies import HoldBody, SiteBody
from hubwatch_core.errors import BadCall
from hubwatch_core.permission import Actor, UserAct
from hubwatch_site import parse_site
from hubwatch_store import site
from hubwatch_store.keeping import legal_hold
from hubwatch_store.users import KnownCaller, check_may

router = APIRouter(tags=["orders"])

Applying = Annotated[KnownCaller, Depends(Allowed(UserAct.SITE_APPLY))]
Holding = Annotated[KnownCaller, Depends(Allowed(UserAct.HOLD_MAKE))]


@router.put(SITE_PATH, **reads(SiteBody, SiteAppliedAnswer))
async def apply_site(caller: Applying, parts: SharedParts, request: Request) -> dict[str, object]:
    """Put the text of a site's file in force at its hub, as one new version or not at all."""
    # Read here, and so only of somebody who is logged in: a site may be larger than anything else.
    try:
        body = SiteBody.model_validate_json(await request.body())
    except ValidationError:
        raise BadCall("the request must hold `file`, the text of a site, and `note`") from None
    note = parse_reason(body.note, "note")

    def work(connection: Any) -> site.Applied:
        _check_site(caller.person, body.file)
        return site.apply(connection, body.file, by=caller.person.name, note=note, verified=True)

    done = await in_thread(parts, work)
    return {
        "hub": done.hub,
        "version": done.version,
        "new": done.is_new,
        "written": done.written,
        "removed": done.removed,
    }


@router.post("/hubs/{hub}/holds", **gives(HoldAnswer, 201))
async def make_hold(hub: str, body: HoldBody, caller: Holding, parts: SharedParts) -> dict[str, object]:
    """Hold what was measured at a hub, or by one sensor: nothing of it is deleted until the hold is released."""
    reason = parse_reason(body.reason, "reason")
    check_may(caller.person, UserAct.HOLD_MAKE, hub)
    if body.since.tzinfo is None or (body.until is not None and body.until.tzinfo is None):
        raise BadCall("since and until need a time zone")

    def work(connection: Any) -> int:
        return legal_hold.add(
            connection, hub=hub, sensor=body.sensor, held_from=body.since, held_to=body.until, reason=reason,
            by=caller.person.name, verified=True,
        )  # fmt: skip

    return {"hold": await in_thread(parts, work)}


def _check_site(person: Actor, text: str) -> None:
    check_may(person, UserAct.SITE_APPLY, parse_site(text, "site").hub.id)
