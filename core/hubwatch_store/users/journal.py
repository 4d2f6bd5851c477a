"""What people did, written to the journal that nobody can change; never a secret."""

from __future__ import annotations

from psycopg.types.json import Jsonb

from hubwatch_core.permission import Person
from hubwatch_store.database import DatabaseConnection, write


async def record(
    connection: DatabaseConnection,
    by: Person,
    act: str,
    subject: str,
    *,
    hub: str | None = None,
    details: dict[str, object] | None = None,
) -> None:
    """Write down an act of a person, in the transaction of what it does. Errors may come with a later query."""
    await write(
        connection,
        "journal",
        "record",
        who=by.name,
        verified=by.verified,
        hub=hub,
        act=act,
        subject=subject,
        details=Jsonb(details or {}),
    )
