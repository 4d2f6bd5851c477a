"""Agents: leave to enrol one, its keys, a new key asked for, revocation by two persons, one that is gone for good."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from hubwatch_alarms.people import parse_reason
from hubwatch_console.access import Allowed, SharedParts, acting, check_session
from hubwatch_console.paging import PageWanted, moment_of, paged
from hubwatch_console.routes.answers.alarms import ApprovalAskedAnswer
from hubwatch_console.routes.answers.described import gives
from hubwatch_console.routes.answers.hub import EnrolTokenAnswer, ForgottenAgentAnswer, KeyListAnswer
from hubwatch_console.routes.bodies import EnrolBody, Name, ReasonBody
from hubwatch_core.enrolment import EnrolmentToken
from hubwatch_core.permission import UserAct, hubs_where, may
from hubwatch_store import devices, enrolment
from hubwatch_store.users import KnownCaller, approvals, check_may

router = APIRouter(prefix="/agents", tags=["agents"])

Enrolling = Annotated[KnownCaller, Depends(Allowed(UserAct.AGENT_ENROL))]
Revoking = Annotated[KnownCaller, Depends(Allowed(UserAct.CERTIFICATE_REVOKE))]
Changing = Annotated[KnownCaller, Depends(Allowed(UserAct.SENSOR_CHANGE))]
Wanted = Annotated[PageWanted, paged("keys", str, str, str, str, default=1000, limit=1000)]


@router.get("/keys", **gives(KeyListAnswer))
async def list_keys(
    caller: Enrolling,
    parts: SharedParts,
    wanted: Wanted,
    hub: Annotated[Name | None, Query()] = None,
) -> dict[str, object]:
    """Return agents with their keys, and leave that nobody has used yet, of the hubs where one may give it."""
    if wanted.place is not None:
        moment_of(wanted.place[2], "cursor")
    async with acting(parts) as connection:
        keys = await enrolment.agent_keys(
            connection, hub, hubs_where(caller.person, UserAct.AGENT_ENROL), after=wanted.place, most=wanted.most + 1
        )
        tokens = await enrolment.pending_tokens(connection)
    page, after = wanted.page(keys, lambda key: (key.hub, key.agent, key.enrolled_at.isoformat(), key.serial))
    return {
        "next": after,
        "keys": [facts_of_key(key) for key in page],
        "tokens": [
            {"hub": each.hub, "agent": each.agent, "by": each.made_by, "expires": each.expires_at.isoformat()}
            for each in tokens
            if hub in {None, each.hub} and may(caller.person, UserAct.AGENT_ENROL, each.hub)
        ],
    }


@router.post("/{hub}/{agent}/token", **gives(EnrolTokenAnswer, 201))
async def make_token(
    hub: Name, agent: Name, body: EnrolBody, caller: Enrolling, parts: SharedParts
) -> dict[str, object]:
    """Give leave to enrol an agent, once; the token is shown in this answer only."""
    check_may(caller.person, UserAct.AGENT_ENROL, hub)
    check_session(caller)
    fingerprint = parts.settings.authority.fingerprint()
    async with acting(parts) as connection:
        secret, ends = await enrolment.make_token(
            connection, hub, agent, by=caller.person.name, valid_s=body.valid_s, verified=True
        )
    return {"token": str(EnrolmentToken(secret, fingerprint)), "expires": ends.isoformat()}


@router.post("/{hub}/{agent}/renew", status_code=204)
async def renew(hub: Name, agent: Name, caller: Enrolling, parts: SharedParts) -> Response:
    """Ask an agent to take a new key now."""
    check_may(caller.person, UserAct.AGENT_ENROL, hub)
    async with acting(parts) as connection:
        await enrolment.ask_renewal(connection, hub, agent, by=caller.person.name, verified=True)
    return Response(status_code=204)


@router.post("/{hub}/{agent}/revoke", **gives(ApprovalAskedAnswer, 202))
async def revoke(hub: Name, agent: Name, body: ReasonBody, caller: Revoking, parts: SharedParts) -> dict[str, object]:
    """Ask that every key of an agent be revoked; it waits for a second person, and others are told at once."""
    reason = parse_reason(body.reason, "reason")
    check_may(caller.person, UserAct.CERTIFICATE_REVOKE, hub)
    async with acting(parts) as connection:
        await enrolment.check_revocable(connection, hub, agent)
        number = await approvals.ask(
            connection, caller.person, UserAct.CERTIFICATE_REVOKE, hub=hub, subject=f"agent {agent}", reason=reason,
            valid_s=parts.settings.login.approval_s, details={"agent": agent},
        )  # fmt: skip
    return {"approval": number}


@router.post("/{hub}/{agent}/forget", **gives(ForgottenAgentAnswer))
async def forget(hub: Name, agent: Name, body: ReasonBody, caller: Changing, parts: SharedParts) -> dict[str, object]:
    """Let an agent go that was taken away for good; return the sensors that no agent lists any more."""
    reason, person = parse_reason(body.reason, "reason"), caller.person
    async with (
        acting(parts) as connection,
        devices.ordered(connection, person, hub, f"agent {agent}", "forgotten", reason),
    ):
        gone = await devices.forget_agent(connection, hub, agent, person.name, reason)
    return {"gone": gone}


def facts_of_key(key: enrolment.AgentKey) -> dict[str, object]:
    """Return what is known of a key; not its certificate."""
    return {
        "hub": key.hub,
        "agent": key.agent,
        "serial": key.serial,
        "enrolled": key.enrolled_at.isoformat(),
        "expires": key.not_after.isoformat(),
        "revoked": None if key.revoked_at is None else key.revoked_at.isoformat(),
        "revoked_by": key.revoked_by,
        "reason": key.reason,
        "good": key.is_good,
        "renewal_asked": key.renewal_asked_at is not None,
    }
