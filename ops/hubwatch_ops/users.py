"""`hubwatch users`: the directory of people with a login, changed by administrators over the API.

Until one of them can log in it is changed at the machine, with the database's password.
"""

from __future__ import annotations

import dataclasses
import getpass
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from hubwatch_core.permission import EVERY_HUB, Actor, Grant
from hubwatch_core.plain_text import one_line
from hubwatch_core.process import border
from hubwatch_core.terminal import say, say_json
from hubwatch_ops.database.connected import with_database
from hubwatch_ops.database.options import ConfigFile, Dsn

if TYPE_CHECKING:
    from hubwatch_core.http.logged_in import LoggedIn
    from hubwatch_store.database import DatabaseConnection
    from hubwatch_store.users import User

app = typer.Typer(name="users", help="People with a login: who they are and what they may do.", no_args_is_help=True)

NAME = "hubwatch users"
Result = TypeVar("Result")
Name = Annotated[str, typer.Argument(metavar="NAME", help="The name they log in with.")]
Roles = Annotated[
    list[str],
    typer.Option("--role", metavar="ROLE[=HUB,…]", help="A role, at some hubs or at every one; may be given again."),
]
Note = Annotated[str, typer.Option("--note", help="Why; stands in the journal.")]
Recover = Annotated[
    str | None,
    typer.Option(
        "--recover", metavar="WHY", help="Use the database's password because no administrator can log in any more."
    ),
]


@app.command()
@border
def add(
    name: Name,
    role: Roles,
    full_name: Annotated[str, typer.Option("--full-name", help="How people call them.")] = "",
    recover: Recover = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Add a user and print a one-time password, with which they choose their own within a day."""
    from hubwatch_store import login
    from hubwatch_store.users import directory, parse_user_name

    login_name, grants, shown = parse_user_name(name), _grants(role), one_line(full_name)
    person = _administrator(recover, config, dsn)
    if person is not None:
        body = {"name": login_name, "grants": _plain(grants), "full_name": shown}
        password = one_line(person.ask("POST", "/users", body)["one_time_password"])
    else:

        async def work(connection: DatabaseConnection) -> str:
            user = await directory.add_user(connection, login_name, grants, by=operator(), full_name=shown)
            return await login.reset(connection, user, by=operator())

        password = _at_the_machine(login_name, work, recover, config, dsn)
    say(f"user {login_name} is added; the one-time password, good for a day: {password}")


@app.command("list")
@border
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """List users: what they may do where, what they still have to set up, and when they were last seen."""
    from hubwatch_store.users import directory

    person = _administrator(None, config, dsn)
    if person is not None:
        found = [_listed(each) for each in person.every("/users?most=1000", "users")]
    else:
        found = [_facts(user) for user in with_database(directory.users, config, dsn, NAME)]
    if as_json:
        say_json(json.dumps(found, ensure_ascii=False, indent=2))
        return
    for each in found:
        say(_line(each))
    if not found:
        say("there are no users: `hubwatch users add`, or `hubwatch console run`, makes the first")


@app.command()
@border
def grant(name: Name, role: Roles, recover: Recover = None, config: ConfigFile = None, dsn: Dsn = None) -> None:
    """Give a user these roles and no others; their sessions and tokens end."""
    from hubwatch_store.users import directory

    grants = _grants(role)

    async def work(connection: DatabaseConnection, user: User) -> None:
        await directory.set_grants(connection, user, grants, by=operator())

    _change(name, "grants", {"grants": _plain(grants)}, work, recover, config, dsn)
    say(f"user {name} is {_grants_text(_plain(grants))}; their sessions have ended")


@app.command()
@border
def disable(name: Name, note: Note = "", recover: Recover = None, config: ConfigFile = None, dsn: Dsn = None) -> None:
    """Let a user in no more; their sessions and tokens end. What they did stays under their name."""
    from hubwatch_store.users import directory

    async def work(connection: DatabaseConnection, user: User) -> None:
        await directory.disable(connection, user, by=operator(), note=note)

    _change(name, "disable", {"note": note or None}, work, recover, config, dsn)
    say(f"user {name} is disabled; their sessions have ended")


@app.command()
@border
def enable(name: Name, note: Note = "", recover: Recover = None, config: ConfigFile = None, dsn: Dsn = None) -> None:
    """Let a user in again, with the password and second factor they had."""
    from hubwatch_store.users import directory

    async def work(connection: DatabaseConnection, user: User) -> None:
        await directory.enable(connection, user, by=operator(), note=note)

    _change(name, "enable", {"note": note or None}, work, recover, config, dsn)
    say(f"user {name} may log in")


@app.command()
@border
def reset(name: Name, recover: Recover = None, config: ConfigFile = None, dsn: Dsn = None) -> None:
    """Take password and second factor of a user away, and print a one-time password; their sessions end."""
    from hubwatch_store import login

    async def work(connection: DatabaseConnection, user: User) -> dict[str, str]:
        return {"one_time_password": await login.reset(connection, user, by=operator())}

    made = _change(name, "reset", None, work, recover, config, dsn)
    password = one_line(made["one_time_password"])
    say(f"user {name} is reset; the one-time password, good for a day: {password}")


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


def _facts(user: User) -> dict[str, Any]:
    facts = dataclasses.asdict(user)
    facts["grants"] = _plain(user.grants)
    facts["needs"] = list(user.needs)
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in facts.items()}


def _listed(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return a user as the API tells of them, in the same form."""
    return {**answer, "grants": {each["role"]: each["hubs"] for each in answer["grants"]}}


def _line(user: Mapping[str, Any]) -> str:
    full_name = f" ({one_line(user['full_name'])})" if user["full_name"] else ""
    used = None if user["used"] is None else datetime.fromisoformat(user["used"]).astimezone(UTC)
    notes = [
        *(["disabled"] if user["disabled"] else []),
        *([f"of {one_line(user['issuer'])}"] if user["issuer"] else []),
        *(f"has to set up: {one_line(need).replace('_', ' ')}" for need in user["needs"]),
        "never seen" if used is None else f"last seen {used:%Y-%m-%d %H:%M} UTC",
    ]
    return f"{one_line(user['name'])}{full_name}: {_grants_text(user['grants'])}; {', '.join(notes)}"


def _grants_text(grants: Mapping[str, Sequence[str]]) -> str:
    if not grants:
        return "without a role"
    return ", ".join(f"{one_line(role)} at {_places(hubs)}" for role, hubs in grants.items())


def _places(hubs: Sequence[str]) -> str:
    return "every hub" if EVERY_HUB in hubs else " and ".join(map(one_line, hubs))


def _plain(grants: Sequence[Grant]) -> dict[str, list[str]]:
    return {str(grant.role): sorted(grant.hubs) for grant in grants}


def _administrator(recover: str | None, config: Path | None, dsn: str | None) -> LoggedIn | None:
    """Return who is logged in, None where somebody names the database or nobody is."""
    from hubwatch_core.credentials.kept_login import kept
    from hubwatch_core.http.logged_in import LoggedIn

    login = kept() if recover is None and config is None and dsn is None else None
    return None if login is None else LoggedIn(login)


def _change(
    name: str,
    act: str,
    body: Mapping[str, object] | None,
    work: Callable[[DatabaseConnection, User], Awaitable[Result]],
    recover: str | None,
    config: Path | None,
    dsn: str | None,
) -> Result:
    """Change a user: as whoever is logged in by the API, else in the database."""
    from hubwatch_store.users import existing_user, parse_user_name

    person = _administrator(recover, config, dsn)
    if person is not None:
        answer: Result = person.ask("POST", f"/users/{parse_user_name(name)}/{act}", body)
        return answer

    async def changed(connection: DatabaseConnection) -> Result:
        return await work(connection, await existing_user(connection, name))

    return _at_the_machine(name, changed, recover, config, dsn)


def _at_the_machine(
    name: str,
    work: Callable[[DatabaseConnection], Awaitable[Result]],
    recover: str | None,
    config: Path | None,
    dsn: str | None,
) -> Result:
    """Change the directory by the database's password: until administrators can log in, or to let them in again."""
    from hubwatch_store.users import directory, record

    async def changed(connection: DatabaseConnection) -> Result:
        async with directory.changing(connection):
            if recover is None:
                await directory.check_unadministered(connection)
            done = await work(connection)
            if recover is not None:
                await record(connection, operator(), "user.recover", name, details={"why": recover})
        return done

    return with_database(changed, config, dsn, NAME)
