"""Who has a badge at a hub: what a list is checked against, and a whole list put in force."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError

from hubwatch_alarms.people import parse_reason
from hubwatch_console.access import Allowed, SharedParts, in_thread
from hubwatch_console.bounds import CARDHOLDERS_PATH
from hubwatch_console.routes.answers.described import gives, reads
from hubwatch_console.routes.answers.hub import ImportedAnswer, SurroundingsAnswer
from hubwatch_console.routes.bodies import CardholdersBody, Name
from hubwatch_core.errors import BadCall
from hubwatch_core.permission import UserAct
from hubwatch_site import Cardholder
from hubwatch_site.cardholder_list import ListedPerson
from hubwatch_store import site
from hubwatch_store.audit import journal_now
from hubwatch_store.users import KnownCaller, check_may

router = APIRouter(prefix="/hubs/{hub}" + CARDHOLDERS_PATH, tags=["cardholders"])

Importing = Annotated[KnownCaller, Depends(Allowed(UserAct.CARDHOLDER_IMPORT))]
MOST_TOLD = 10


@router.get("", **gives(SurroundingsAnswer))
async def surroundings(hub: Name, caller: Importing, parts: SharedParts) -> dict[str, object]:
    """Return what a list may name, the time zone of its days, and how many cardholders there are; nobody by name."""
    check_may(caller.person, UserAct.CARDHOLDER_IMPORT, hub)

    def work(connection: Any) -> dict[str, object]:
        known = site.known_to(connection, hub)
        zone, count = site.time_zone(connection, hub), site.count_people(connection, hub)
        return {"zones": sorted(known.zones), "shifts": sorted(known.shifts), "time_zone": zone, "count": count}

    return await in_thread(parts, work)


@router.put("", **reads(CardholdersBody, ImportedAnswer))
async def import_list(hub: Name, caller: Importing, parts: SharedParts, request: Request) -> dict[str, object]:
    """Put a list in force, as a whole or not at all: who is not on it is no cardholder any more."""
    check_may(caller.person, UserAct.CARDHOLDER_IMPORT, hub)
    # Read here, and so only of somebody who is logged in: a list may be larger than most.
    text = await request.body()

    def work(connection: Any) -> dict[str, object]:
        body = _parsed(text)
        note = parse_reason(body.note, "note")
        people = [_listed(each) for each in body.people]
        _check(people, site.known_to(connection, hub))
        with connection.transaction():
            done = site.import_list(
                connection, hub, people, by=caller.person.name, note=note, with_names=body.with_names
            )
            told = {"version": done.version, "cardholders": done.cardholders, "written": done.written,
                    "removed": done.removed}  # fmt: skip
            journal_now(
                connection, str(UserAct.CARDHOLDER_IMPORT), who=caller.person.name, verified=True, hub=hub,
                subject=f"import {done.version}", details=told | {"with_names": body.with_names, "note": note},
            )  # fmt: skip
        return dict(told)

    return await in_thread(parts, work)


def _parsed(text: bytes) -> CardholdersBody:
    try:
        return CardholdersBody.model_validate_json(text)
    except ValidationError as error:
        # Never what was given: it may be a name.
        places = sorted({".".join(str(part) for part in each["loc"][:3]) for each in error.errors(include_input=False)})
        raise BadCall(f"the list is not understood at {', '.join(places[:MOST_TOLD])}") from None


def _listed(body: Any) -> ListedPerson:
    person = Cardholder(
        body.subject, body.home_zone, body.shift, body.on_call, body.clearance, body.valid_from, body.valid_to
    )
    return ListedPerson(person, body.name)


def _check(people: list[ListedPerson], known: site.HubNames) -> None:
    """Raise BadCall for what a hub does not have, and for somebody who stands there twice."""
    zones = {each.person.home_zone for each in people} - known.zones - {None}
    shifts = {each.person.shift for each in people} - known.shifts - {None}
    if zones or shifts:
        unknown = sorted(str(each) for each in zones | shifts)
        raise BadCall(f"this hub has no zone or shift {', '.join(unknown[:MOST_TOLD])}")
    if len({each.person.subject for each in people}) < len(people):
        raise BadCall("somebody stands there twice")
    times = [(each.person.valid_from, each.person.valid_to) for each in people]
    if any(begin is not None and end is not None and end <= begin for begin, end in times):
        raise BadCall("somebody's badge ends before it begins")
