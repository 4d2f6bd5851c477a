"""The one person of the demo's hub: somebody who may handle its alarms, with a password made for this run."""

from __future__ import annotations

from dataclasses import dataclass

from hubwatch_core.credentials import passwords
from hubwatch_core.permission import EVERY_HUB, Actor, Grant, Role
from hubwatch_store import login
from hubwatch_store.database import Pool, translated
from hubwatch_store.login import LoginSection
from hubwatch_store.users import directory, end_session, who

NAME = "responder"
BY = Actor("demo", verified=False)
ADDRESS = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Demonstrator:
    """Who handles the alarms of the demo."""

    name: str
    password: str


async def demonstrator(pool: Pool) -> Demonstrator:
    """Add the person, who logs in once and chooses a password, as everybody does. Raises Transient or Permanent."""
    settings, password = LoginSection(), passwords.one_time_password()
    with translated():
        async with pool.connection() as connection, directory.changing(connection):
            grants = [Grant(Role.RESPONDER, frozenset({EVERY_HUB}))]
            user = await directory.add_user(connection, NAME, grants, by=BY, full_name="Whoever looks at the demo")
            one_time = await login.reset(connection, user, by=BY)
    _, begun = await login.log_in(pool, settings, NAME, one_time, None, ADDRESS)
    with translated():
        async with pool.connection() as connection:
            caller = await who(connection, begun.token)
    assert caller is not None, "the session was begun a moment ago"
    await login.change_password(pool, settings, caller, one_time, password, ADDRESS)
    with translated():
        async with pool.connection() as connection, connection.transaction():
            await end_session(connection, caller.user.id, caller.session.id, "logged out")
    return Demonstrator(NAME, password)
