"""Leave to enrol: a token for one agent, good once and for a short time. Only its hash is kept."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hubwatch_core.errors import Permanent
from hubwatch_store.audit import journal
from hubwatch_store.database import DatabaseConnection, translated
from hubwatch_store.database.sql_files import queries
from hubwatch_store.enrolment.keys import AgentKey, Issue, certificate_for, register

TOKEN_BYTES = 32


class TokenRefused(Permanent):
    """A token that gives no leave; the text says no more than a stranger may know."""


@dataclass(frozen=True, slots=True)
class PendingToken:
    """Leave that nobody has used yet."""

    hub: str
    agent: str
    made_by: str
    expires_at: datetime


async def make_token(
    connection: DatabaseConnection, hub: str, agent: str, *, by: str, valid_s: float, verified: bool = False
) -> tuple[str, datetime]:
    """Give leave to enrol an agent; return the token, which is shown once, and when it ends.

    Leave given before ends. Raises Transient or Permanent.
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    values = {"hub": hub, "agent": agent, "hash": _hash(token), "by": by, "valid_s": valid_s}
    with translated():
        async with connection.transaction():
            await connection.execute(queries("enrolment")["void"], values)
            row = await (await connection.execute(queries("enrolment")["add_token"], values)).fetchone()
            assert row is not None
            id_, ends = row
            assert isinstance(ends, datetime)
            details = {"token": id_, "expires": ends.isoformat()}
            await journal(
                connection, "enrolment.token_made", who=by, verified=verified, hub=hub, subject=agent, details=details
            )
    return token, ends


async def pending_tokens(connection: DatabaseConnection) -> list[PendingToken]:
    """Return the leave that nobody has used yet. Raises Transient or Permanent."""
    with translated():
        rows: list[Any] = await (await connection.execute(queries("enrolment")["pending"])).fetchall()
    return [PendingToken(*row) for row in rows]


async def redeem(
    connection: DatabaseConnection,
    token: str,
    hub: str,
    agent: str,
    public_key: bytes,
    *,
    source: str,
    issue: Issue,
) -> AgentKey:
    """Enrol an agent with its token, and use the token up; the same key again, as after a lost answer, gets the same
    certificate while the token lasts.

    Raises TokenRefused when the token gives no leave for this agent.
    """
    with translated():
        async with connection.transaction():
            row: Any = await (
                await connection.execute(queries("enrolment")["token"], {"hash": _hash(token)})
            ).fetchone()
            if row is None:
                raise TokenRefused("the token is not known here")
            id_, its_hub, its_agent, expired, void, serial = row
            if (its_hub, its_agent) != (hub, agent):
                raise TokenRefused("the token is for another agent")
            if expired or void:
                raise TokenRefused("the token has ended: have another made")
            there = await certificate_for(connection, public_key)
            if serial is not None:
                if there is None or there.serial != serial or not there.is_good:
                    raise TokenRefused("the token was used before: have another made")
                return there
            if there is not None:
                raise TokenRefused("the key was enrolled before: make another")
            made = await register(connection, hub, agent, issue)
            values = {"id": id_, "source": source, "serial": made.serial}
            await connection.execute(queries("enrolment")["use_token"], values)
            details = {"token": id_, "serial": made.serial, "from": source}
            await journal(
                connection, "enrolment.enrolled", who=f"token {id_}", verified=True, hub=hub, subject=agent,
                details=details,
            )  # fmt: skip
            return made


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
