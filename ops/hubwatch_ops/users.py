"""`hubwatch users`: the directory of people with a login, changed at the machine with the database's password."""

from __future__ import annotations

import asyncio
import dataclasses
import getpass
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from hubwatch_core.permission import EVERY_HUB, Actor, Grant
from hubwatch_core.plain_text import one_line
from hubwatch_core.process import border
from hubwatch_core.terminal import say, say_json
from hubwatch_ops.database.options import ConfigFile, Dsn

if TYPE_CHECKING:
    from hubwatch_store.database import DatabaseConnection
    from hubwatch_store.users import User

app = typer.Typer(name="users", help="People with a login: who they are and what they may do.", no_args_is_help=True)

Result = TypeVar("Result")
Name = Annotated[str, typer.Argument(metavar="NAME", help="The name they log in with.")]
Roles = Annotated[
    list[str],
    typer.Option("--role", metavar="ROLE[=HUB,…]", help="A role, at some hubs or at every one; may be given again."),
]
Note = Annotated[str, typer.Option("--note", help="Why; stands in the journal.")]


@app.command()
@border
def add(
    name: Name,
    role: Roles,
    full_name: Annotated[str, typer.Option("--full-name", help="How people call them.")] = "",
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Add a user and print a one-time password, with which they choose their own within a day."""
    from hubwatch_store import login
    from hubwatch_store.users import directory, parse_user_name

    login_name, grants, shown = parse_user_name(name), _grants(role), one_line(full_name)

    async def work(connection: DatabaseConnection) -> str:
        async with directory.changing(connection):
            user = await directory.add_user(connection, login_name, grants, by=operator(), full_name=shown)
            return await login.reset(connection, user, by=operator())

    say(f"user {login_name} is added; the one-time password, good for a day: {_run(work, config, dsn)}")


@app.command("list")
@border
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """List users: what they may do where, what they still have to set up, and when they were last seen."""
    from hubwatch_store.users import directory

    found = _run(directory.users, config, dsn)
    if as_json:
        say_json(json.dumps([_facts(user) for user in found], ensure_ascii=False, indent=2))
        return
    for user in found:
        say(_line(user))
    if not found:
        say("there are no users: `hubwatch users add`, or `hubwatch console run`, makes the first")


@app.command()
@border
def grant(name: Name, role: Roles, config: ConfigFile = None, dsn: Dsn = None) -> None:
    """Give a user these roles and no others; their sessions and tokens end."""
    from hubwatch_store.users import directory

    grants = _grants(role)

    async def work(connection: DatabaseConnection, user: User) -> None:
        await directory.set_grants(connection, user, grants, by=operator())

    _change(name, work, config, dsn)
    say(f"user {name} is {_grants_text(grants)}; their sessions have ended")


@app.command()
@border
def disable(name: Name, note: Note = "", config: ConfigFile = None, dsn: Dsn = None) -> None:
    """Let a user in no more; their sessions and tokens end. What they did stays under their name."""
    from hubwatch_store.users import directory

    async def work(connection: DatabaseConnection, user: User) -> None:
        await directory.disable(connection, user, by=operator(), note=note)

    _change(name, work, config, dsn)
    say(f"user {name} is disabled; their sessions have ended")


@app.command()
@border
def enable(name: Name, note: Note = "", config: ConfigFile = None, dsn: Dsn = None) -> None:
    """Let a user in again, with the password and second factor they had."""
    from hubwatch_store.users import directory

    async def work(connection: DatabaseConnection, user: User) -> None:
        await directory.enable(connection, user, by=operator(), note=note)

    _change(name, work, config, dsn)
    say(f"user {name} may log in")


@app.command()
@border
def reset(name: Name, config: ConfigFile = None, dsn: Dsn = None) -> None:
    """Take password and second factor of a user away, and print a one-time password; their sessions end."""
    from hubwatch_store import login

    async def work(connection: DatabaseConnection, user: User) -> str:
        return await login.reset(connection, user, by=operator())

    say(f"user {name} is reset; the one-time password, good for a day: {_change(name, work, config, dsn)}")


def operator() -> Actor:
    """Return who gives a command at the machine: whoever the operating system says, which proves nothing here."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no name
        name = "unknown"
    return Actor(f"os:{one_line(name) or 'unknown'}", verified=False)


def _grants(given: Sequence[str]) -> tuple[Grant, ...]:
    from hubwatch_store.users import parse_grants

    by_role: dict[str, list[str]] = {}
    for each in given:
        role, separator, hubs = each.partition("=")
        by_role.setdefault(role, []).extend(hubs.split(",") if separator else [EVERY_HUB])
    return parse_grants(by_role)


def _facts(user: User) -> dict[str, object]:
    facts = dataclasses.asdict(user)
    facts["grants"] = {str(grant.role): sorted(grant.hubs) for grant in user.grants}
    facts["needs"] = list(user.needs)
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in facts.items()}


def _line(user: User) -> str:
    full_name = f" ({one_line(user.full_name)})" if user.full_name else ""
    notes = [
        *(["disabled"] if user.disabled else []),
        *([f"of {one_line(user.issuer)}"] if user.issuer else []),
        *(f"has to set up: {need.replace('_', ' ')}" for need in user.needs),
        "never seen" if user.used is None else f"last seen {user.used.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
    ]
    return f"{user.name}{full_name}: {_grants_text(user.grants)}; {', '.join(notes)}"


def _grants_text(grants: Sequence[Grant]) -> str:
    if not grants:
        return "without a role"
    return ", ".join(f"{grant.role} at {_places(grant)}" for grant in grants)


def _places(grant: Grant) -> str:
    return "every hub" if EVERY_HUB in grant.hubs else " and ".join(sorted(grant.hubs))


def _change(
    name: str,
    work: Callable[[DatabaseConnection, User], Awaitable[Result]],
    config: Path | None,
    dsn: str | None,
) -> Result:
    from hubwatch_store.users import directory, existing_user

    async def changed(connection: DatabaseConnection) -> Result:
        async with directory.changing(connection):
            return await work(connection, await existing_user(connection, name))

    return _run(changed, config, dsn)


def _run(work: Callable[[DatabaseConnection], Awaitable[Result]], config: Path | None, dsn: str | None) -> Result:
    from hubwatch_ops.database.settings import load_database
    from hubwatch_store.database import check_schema, connect

    settings = load_database(config, dsn)
    check_schema(settings)

    async def connected() -> Result:
        async with await connect(settings, "hubwatch users") as connection:
            return await work(connection)

    return asyncio.run(connected())
