"""What people did, written to the journal that nobody can change; never a secret."""

from __future__ import annotations

from collections.abc import Mapping

from hubwatch_core.permission import Actor
from hubwatch_store.audit import journal
from hubwatch_store.database import DatabaseConnection


async def record(
    connection: DatabaseConnection,
    by: Actor,
    act: str,
    subject: str,
    *,
    hub: str | None = None,
    details: Mapping[str, object] | None = None,
) -> None:
    """Write down an act of a person, last in the transaction of what it does: others that write wait for its end."""
    await journal(connection, act, who=by.name, verified=by.verified, hub=hub, subject=subject, details=details)
