"""What is stored about a person: given out, and forgotten with a record.

A person may have been at several hubs; whoever gives out or forgets needs the right at each of them. The subject stands
in the body and in no address, which goes into logs.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from hubwatch_alarms.people import parse_reason
from hubwatch_console.access import Allowed, SharedParts, check_session, in_thread
from hubwatch_console.paging import PageWanted, paged
from hubwatch_console.routes.answers.described import gives
from hubwatch_console.routes.answers.hub import ErasureAnswer, ErasureListAnswer, PersonAnswer
from hubwatch_console.routes.bodies import ErasureBody, ErasuresBody, PersonBody
from hubwatch_core.permission import Actor, UserAct, may
from hubwatch_store.audit import journal_now
from hubwatch_store.keeping import privacy
from hubwatch_store.users import KnownCaller, NotAllowed

router = APIRouter(prefix="/persons", tags=["persons"])

Exporting = Annotated[KnownCaller, Depends(Allowed(UserAct.PERSON_EXPORT))]
Erasing = Annotated[KnownCaller, Depends(Allowed(UserAct.PERSON_ERASE))]
Wanted = Annotated[PageWanted, paged("erasures", int, default=200, limit=1000)]


@router.post("/export", **gives(PersonAnswer))
async def export(body: PersonBody, caller: Exporting, parts: SharedParts) -> dict[str, object]:
    """Return all that is stored about a person, but for names, which the console cannot read."""
    check_session(caller)

    def work(connection: Any) -> dict[str, object]:
        hubs = _at_each_hub(connection, caller.person, UserAct.PERSON_EXPORT, body.subject)
        found = privacy.about(connection, body.subject)
        journal_now(
            connection, str(UserAct.PERSON_EXPORT), who=caller.person.name, verified=True,
            hub=hubs[0] if len(hubs) == 1 else None, subject="a person",
            details={kind: len(rows) for kind, rows in found.items()},
        )  # fmt: skip
        return dict(found)

    return await in_thread(parts, work)


@router.post("/erase", **gives(ErasureAnswer))
async def erase(body: ErasureBody, caller: Erasing, parts: SharedParts) -> dict[str, object]:
    """Forget a person: what happened stays, without saying who it was."""
    check_session(caller)
    reason = parse_reason(body.reason, "reason")

    def work(connection: Any) -> dict[str, object]:
        with connection.transaction():
            hubs = _at_each_hub(connection, caller.person, UserAct.PERSON_ERASE, body.subject)
            done = privacy.erase(connection, body.subject, by=caller.person.name, reason=reason)
            journal_now(
                connection, str(UserAct.PERSON_ERASE), who=caller.person.name, verified=True,
                hub=hubs[0] if len(hubs) == 1 else None, subject=f"erasure {done.id}",
                details={"reason": reason, **dict(done.counts or {})},
            )  # fmt: skip
        return _facts(done)

    return await in_thread(parts, work)


@router.post("/erasures", **gives(ErasureListAnswer))
async def records(
    body: ErasuresBody,
    caller: Erasing,
    parts: SharedParts,
    wanted: Wanted,
) -> dict[str, object]:
    """Return who had somebody forgotten, when and why; of whom is not kept, but can be told of a given subject."""
    if not may(caller.person, UserAct.PERSON_ERASE, None):
        raise NotAllowed("records are of every hub, and you may forget persons at some only")
    (before,) = wanted.place or (None,)
    found = await in_thread(
        parts, lambda link: privacy.erasures(link, body.subject, before=before, most=wanted.most + 1)
    )
    page, after = wanted.page(found, lambda each: (each.id,))
    return {"erasures": [_facts(each) for each in page], "next": after}


def _at_each_hub(connection: Any, person: Actor, act: UserAct, subject: str) -> list[str]:
    """Return where something is stored about a person. Raises NotAllowed where that is not all theirs to do.

    The words do not say which hub it is: whether somebody was there is not for others to know.
    """
    hubs = privacy.hubs_about(connection, subject)
    if not all(may(person, act, hub) for hub in hubs) or (not hubs and not may(person, act, None)):
        raise NotAllowed(f"{act} needs the right at every hub where this person may have been, which you do not have")
    return hubs


def _facts(done: privacy.Erasure) -> dict[str, object]:
    counts = None if done.counts is None else dict(done.counts)
    return {"id": done.id, "at": done.at.isoformat(), "by": done.by, "reason": done.reason, "counts": counts}
