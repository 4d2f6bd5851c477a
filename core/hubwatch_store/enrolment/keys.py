"""The keys of agents, one for each certificate: given out, renewed, revoked. Every act stands in the journal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hubwatch_core.errors import Permanent
from hubwatch_core.permission import EVERY_HUB
from hubwatch_store.audit import journal
from hubwatch_store.database import DatabaseConnection, translated
from hubwatch_store.database.sql_files import queries


class KeyRefused(Permanent):
    """A key that gets no certificate, or has none that is good; the text says why."""


@dataclass(frozen=True, slots=True)
class NewCertificate:
    """A certificate that is about to be given out."""

    serial: str
    not_before: datetime
    not_after: datetime
    public_key: bytes
    certificate: bytes


@dataclass(frozen=True, slots=True)
class AgentKey:
    """A key of an agent, as it is registered."""

    hub: str
    agent: str
    not_before: datetime
    not_after: datetime
    public_key: bytes
    revoked_at: datetime | None
    serial: str
    certificate: bytes
    enrolled_at: datetime
    revoked_by: str | None
    reason: str | None
    renewal_asked_at: datetime | None

    @property
    def is_good(self) -> bool:
        """Whether it is neither revoked nor at its end."""
        return self.revoked_at is None and self.not_after > datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class RevokedKey:
    """A key that must stand on the list of revoked certificates."""

    serial: str
    at: datetime
    hub: str
    agent: str


Issue = Callable[[str, str], NewCertificate]
"""Makes the certificate of an agent, given hub and agent."""


async def agent_keys(
    connection: DatabaseConnection, hub: str | None = None, hubs: Collection[str] = (EVERY_HUB,),
    *, after: Sequence[str] | None = None, most: int | None = None,
) -> list[AgentKey]:  # fmt: skip
    """Return the keys of one hub, or of those in `hubs`, the newest of an agent first; not what ended long ago.

    With `after` those that come after hub, agent, enrolment and serial of one. Raises Transient or Permanent.
    """
    of = None if EVERY_HUB in hubs else list(hubs)
    place = dict(zip(("after_hub", "after_agent", "after_at", "after_serial"), after or (None,) * 4, strict=True))
    with translated():
        return [
            AgentKey(*row) for row in await _rows(connection, "keys", {"hub": hub, "hubs": of, "most": most, **place})
        ]


async def certificate_for(connection: DatabaseConnection, public_key: bytes) -> AgentKey | None:
    """Return what was given out for a public key. Raises Transient or Permanent."""
    with translated():
        return await _found(connection, "by_public_key", {"public_key": public_key})


async def good_agents(connection: DatabaseConnection) -> list[tuple[str, str]]:
    """Return hub and agent of all that have a key which is good. Raises Transient or Permanent."""
    with translated():
        return [(str(hub), str(agent)) for hub, agent in await _rows(connection, "good", {})]


async def revoked_serials(connection: DatabaseConnection) -> list[RevokedKey]:
    """Return what must stand on the list of revoked certificates. Raises Transient or Permanent."""
    with translated():
        return [RevokedKey(*row) for row in await _rows(connection, "revoked", {})]


async def check_revocable(connection: DatabaseConnection, hub: str, agent: str) -> None:
    """Raise KeyRefused when an agent has no key that could be revoked."""
    with translated():
        if not await _rows(connection, "revocable", {"hub": hub, "agent": agent}):
            raise _no_key(hub, agent)


async def revoke(
    connection: DatabaseConnection, hub: str, agent: str, *, by: str, reason: str, agreed_by: str | None = None
) -> list[str]:
    """Revoke every key of an agent, and every token made for it; return the serials.

    With `agreed_by` two persons have shown who they are; else `by` is what somebody says. Raises Permanent when it has
    no key to revoke, Transient when the database is away.
    """
    both = by if agreed_by is None else f"{by} and {agreed_by}"
    named = {"hub": hub, "agent": agent, "by": both, "reason": reason}
    with translated():
        async with connection.transaction():
            await connection.execute(queries("enrolment")["void"], named)
            serials = [str(row[0]) for row in await _rows(connection, "revoke", named)]
            if not serials:
                raise _no_key(hub, agent)
            details: dict[str, object] = {"serials": serials, "reason": reason}
            if agreed_by is not None:
                details["agreed_by"] = agreed_by
            await journal(
                connection, "enrolment.revoked", who=by, verified=agreed_by is not None, hub=hub, subject=agent,
                details=details,
            )  # fmt: skip
    return serials


async def ask_renewal(connection: DatabaseConnection, hub: str, agent: str, *, by: str, verified: bool = False) -> None:
    """Ask an agent to take a new key; it does when it next asks. Raises Permanent when it has no good one."""
    named = {"hub": hub, "agent": agent}
    with translated():
        async with connection.transaction():
            if not await _rows(connection, "ask_renewal", named):
                raise KeyRefused(f"agent {hub}/{agent} has no good key that could be renewed: enrol it anew")
            await journal(connection, "enrolment.renewal_asked", who=by, verified=verified, hub=hub, subject=agent)


async def is_due(connection: DatabaseConnection, serial: str) -> bool:
    """Return whether somebody has asked the holder of a certificate to renew it. Raises Transient or Permanent."""
    with translated():
        key = await _found(connection, "by_serial", {"serial": serial})
    return key is not None and key.renewal_asked_at is not None


async def renew(
    connection: DatabaseConnection, serial: str, public_key: bytes, proven: Callable[[bytes], bool], issue: Issue
) -> AgentKey:
    """Give an agent a certificate for a new key; the old one stays good until its end.

    `proven` is told the old public key and says whether its holder has signed the request. The same request again gets
    the same certificate. Raises KeyRefused when the old key is not good, or the new one another's.
    """
    with translated():
        async with connection.transaction():
            old = await _found(connection, "by_serial", {"serial": serial})
            if old is None or not proven(old.public_key):
                raise KeyRefused("the request is not signed by a key that was enrolled here")
            if not old.is_good:
                raise KeyRefused("the key that signed the request is revoked or has ended: enrol the agent anew")
            there = await _found(connection, "by_public_key", {"public_key": public_key})
            if there is None:
                there = await register(connection, old.hub, old.agent, issue)
                await connection.execute(queries("enrolment")["renewed"], {"hub": old.hub, "agent": old.agent})
                who = f"agent {old.hub}/{old.agent}"
                await journal(
                    connection, "enrolment.renewed", who=who, verified=True, hub=old.hub, subject=old.agent,
                    details={"former": serial, "serial": there.serial},
                )  # fmt: skip
            if (there.hub, there.agent) != (old.hub, old.agent) or not there.is_good:
                raise KeyRefused("the new key was used before: make another")
            return there


async def register(connection: DatabaseConnection, hub: str, agent: str, issue: Issue) -> AgentKey:
    """Issue and register the certificate of a key, inside a transaction of the caller."""
    made = issue(hub, agent)
    values: dict[str, Any] = {"hub": hub, "agent": agent, "serial": made.serial, "public_key": made.public_key}
    values |= {"not_before": made.not_before, "not_after": made.not_after, "certificate": made.certificate}
    await connection.execute(queries("enrolment")["add_key"], values)
    key = await _found(connection, "by_serial", {"serial": made.serial})
    assert key is not None
    return key


def _no_key(hub: str, agent: str) -> KeyRefused:
    return KeyRefused(f"agent {hub}/{agent} has no key that could be revoked")


async def _found(connection: DatabaseConnection, query: str, values: dict[str, Any]) -> AgentKey | None:
    rows = await _rows(connection, query, values)
    return AgentKey(*rows[0]) if rows else None


async def _rows(connection: DatabaseConnection, query: str, values: dict[str, Any]) -> Sequence[Any]:
    cursor = await connection.execute(queries("enrolment")[query], values)
    return await cursor.fetchall()
