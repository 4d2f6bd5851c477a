"""Who somebody is, by the token they hold, or by their own word where there is no directory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from hubwatch_core.errors import Permanent
from hubwatch_core.permission import Actor
from hubwatch_store.database import DatabaseConnection, queries, translated
from hubwatch_store.users.directory import User, find_user, has_directory
from hubwatch_store.users.sessions import Session, current

DIRECTORY_KNOWS = (
    "this hub has a directory of users, so nobody acts by the database's password and a name given with --by: log in "
    "with `hubwatch login URL`, and leave --by out"
)


@dataclass(frozen=True, slots=True)
class KnownCaller:
    """Somebody who has shown who they are: the person, the user, and the session or token they use."""

    person: Actor
    user: User
    session: Session


async def who(connection: DatabaseConnection, token: str) -> KnownCaller | None:
    """Return who holds a token, with the roles they have now; None when it is no good. Raises Transient, Permanent."""
    return await _known(connection, await current(connection, token))


async def who_unused(connection: DatabaseConnection, token: str) -> KnownCaller | None:
    """Return the same where nobody does anything, as of a page that only stands open: its session may get too old."""
    return await _known(connection, await current(connection, token, used=False))


async def _known(connection: DatabaseConnection, session: Session | None) -> KnownCaller | None:
    user = None if session is None else await find_user(connection, session.user)
    if session is None or user is None:
        return None
    return KnownCaller(user.person(session.scope), user, session)


def check_no_directory(connection: Connection[Any]) -> None:
    """Raise Permanent where there is a directory: nobody acts there by a name alone."""
    with translated():
        row = connection.execute(queries("users")["any"]).fetchone()
    if row is not None and row[0]:
        raise Permanent(DIRECTORY_KNOWS)


async def taken_at_their_word(connection: DatabaseConnection, name: str) -> Actor:
    """Return a person who only says who they are; raises Permanent where there is a directory."""
    if await has_directory(connection):
        raise Permanent(DIRECTORY_KNOWS)
    return Actor(name, verified=False)
