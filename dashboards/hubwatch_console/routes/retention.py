"""How long what is kept. The rules are of every hub, so changing one asks for the right at every hub."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from hubwatch_alarms.people import parse_reason
from hubwatch_console.access import Allowed, Parts, SharedParts, in_thread
from hubwatch_console.routes.answers.described import gives
from hubwatch_console.routes.answers.hub import (
    EvidenceChangeAnswer,
    PersonDaysAnswer,
    RetentionAnswer,
    RuleChangeAnswer,
)
from hubwatch_console.routes.bodies import EvidenceBody, PersonDaysBody, RuleBody
from hubwatch_core.permission import UserAct
from hubwatch_store.audit import journal_now
from hubwatch_store.keeping import Evidence, change, change_evidence, evidence, privacy, rules
from hubwatch_store.users import KnownCaller, check_may

router = APIRouter(prefix="/retention", tags=["retention"])

Looking = Annotated[KnownCaller, Depends(Allowed(UserAct.RETENTION_SEE))]
Changing = Annotated[KnownCaller, Depends(Allowed(UserAct.RETENTION_CHANGE))]
LAYERS = ("raw", "minute", "hour", "event")
Facts = dict[str, object]


@router.get("", **gives(RetentionAnswer))
async def show(caller: Looking, parts: SharedParts) -> Facts:
    """Return the rules in force, in days; null is for ever."""

    def work(connection: Any) -> Facts:
        return {
            "rules": [_facts_of_rule(rule) for rule in rules(connection)],
            "evidence": _facts_of_evidence(evidence(connection)),
            "person_days": privacy.person_days(connection),
        }

    return await in_thread(parts, work)


@router.put("/evidence", **gives(EvidenceChangeAnswer))
async def set_evidence(body: EvidenceBody, caller: Changing, parts: SharedParts) -> Facts:
    """Change how much around every detection is kept, and for how long."""
    new = Evidence(timedelta(seconds=body.before_s), timedelta(seconds=body.after_s), body.days)

    def work(connection: Any) -> Facts:
        former = _facts_of_evidence(evidence(connection))
        change_evidence(connection, new)
        return {"former": former, **_facts_of_evidence(new)}

    return await _changed(parts, caller, "evidence", body.reason, work)


@router.put("/persons", **gives(PersonDaysAnswer))
async def set_person_days(body: PersonDaysBody, caller: Changing, parts: SharedParts) -> Facts:
    """Change for how long detections and alarms name persons."""

    def work(connection: Any) -> Facts:
        former = privacy.person_days(connection)
        privacy.set_person_days(connection, body.days)
        return {"former": former, "days": body.days}

    return await _changed(parts, caller, "persons", body.reason, work)


@router.put("/rules/{kind}", **gives(RuleChangeAnswer))
async def set_rule(kind: str, body: RuleBody, caller: Changing, parts: SharedParts) -> Facts:
    """Change how long a kind's readings, minutes, hours and events are kept; in force with the next maintenance."""
    days = {layer: getattr(body, layer) for layer in LAYERS if layer in body.model_fields_set}

    def work(connection: Any) -> Facts:
        former = {rule.kind: _facts_of_rule(rule) for rule in rules(connection)}.get(kind)
        return {"former": former, **_facts_of_rule(change(connection, kind, days, body.reason))}

    return await _changed(parts, caller, f"rule {kind[:64]}", body.reason, work)


async def _changed(parts: Parts, caller: KnownCaller, what: str, reason: str, work: Callable[[Any], Facts]) -> Facts:
    """Change a rule and journal what it was, or do nothing."""
    why = parse_reason(reason, "reason")
    check_may(caller.person, UserAct.RETENTION_CHANGE, None)

    def whole(connection: Any) -> Facts:
        with connection.transaction():
            facts = work(connection)
            journal_now(
                connection, str(UserAct.RETENTION_CHANGE), who=caller.person.name, verified=True, subject=what,
                details=facts | {"reason": why},
            )  # fmt: skip
        return facts

    return await in_thread(parts, whole)


def _facts_of_rule(rule: Any) -> Facts:
    return {"kind": rule.kind, **{layer: getattr(rule, layer) for layer in LAYERS}, "why": rule.why}


def _facts_of_evidence(found: Evidence) -> Facts:
    return {"before_s": found.before.total_seconds(), "after_s": found.after.total_seconds(), "days": found.days}
