"""One way to do an act that one person may do: leave is asked, it is done and journalled, or nothing is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from hubwatch_core.permission import Actor, UserAct, may, refusal
from hubwatch_store.database import DatabaseConnection, translated
from hubwatch_store.users.approvals import NotAllowed
from hubwatch_store.users.journal import record


def check_may(person: Actor, act: UserAct, hub: str | None) -> None:
    """Raise NotAllowed where somebody may not do that. Who is taken at their word may: there is no directory then."""
    if person.verified and not may(person, act, hub):
        raise NotAllowed(refusal(person, act, hub))


@asynccontextmanager
async def doing(
    connection: DatabaseConnection,
    person: Actor,
    act: UserAct,
    subject: str,
    *,
    hub: str | None,
    details: Mapping[str, object] | None = None,
) -> AsyncIterator[None]:
    """Make the transaction in which a person does an act, and journal it last.

    Raises NotAllowed, Transient, Permanent.
    """
    check_may(person, act, hub)
    with translated():
        async with connection.transaction():
            yield
            await record(connection, person, str(act), subject, hub=hub, details=details)
