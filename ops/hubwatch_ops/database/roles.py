"""`hubwatch db roles / reader`: a login for each program with the rights it needs, and readers of their hubs only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubwatch_core.errors import BadCall
from hubwatch_core.process import border
from hubwatch_core.terminal import say
from hubwatch_ops.database.options import ConfigFile, Dsn

if TYPE_CHECKING:
    from hubwatch_store.database import DatabaseSection

Prefix = Annotated[str, typer.Option("--prefix", help="How the names of the roles begin.")]


def register(app: typer.Typer) -> None:
    """Hang these commands beneath `hubwatch db`."""
    app.command()(roles)
    app.command()(reader)


@border
def roles(
    passwords: Annotated[
        list[str] | None,
        typer.Option("--password", metavar="ROLE=FILE", help="Password of a role, as up=FILE; may come again."),
    ] = None,
    prefix: Prefix = "hubwatch",
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Make the roles and give each what its program needs, and nothing more. Run it again after each migration.

    Needs a login that may make roles, such as a superuser; no program of hubwatch runs as that, or as the owner.
    """
    from hubwatch_core.config.secret_file import secret_in
    from hubwatch_store.database import LOGINS, apply_roles

    given: dict[str, str] = {}
    for each in passwords or []:
        role, separator, file = each.partition("=")
        if not separator or role not in LOGINS:
            raise BadCall(f"--password {each}: write ROLE=FILE; roles are {', '.join(LOGINS)}")
        given[role] = secret_in(Path(file))
    made = apply_roles(_settings(config, dsn), prefix, given)
    say(f"roles are in force: {', '.join(made)}")


@border
def reader(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The login, such as grafana_rotterdam.")],
    hubs: Annotated[list[str] | None, typer.Option("--hub", help="A hub that it sees; may come again.")] = None,
    every: Annotated[bool, typer.Option("--every-hub", help="It sees all hubs.")] = False,
    password: Annotated[Path | None, typer.Option("--password", metavar="FILE", help="File with its password.")] = None,
    prefix: Prefix = "hubwatch",
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Make or change a login that reads the public tables and views, of its hubs only."""
    from hubwatch_core.config.secret_file import secret_in
    from hubwatch_store.database import EVERY_HUB, add_reader

    if every == bool(hubs):
        raise BadCall("name the hubs that it sees with --hub, or --every-hub")
    seen = [EVERY_HUB] if every else list(hubs or [])
    add_reader(_settings(config, dsn), name, seen, prefix, None if password is None else secret_in(password))
    say(f"{name} sees {'every hub' if every else ', '.join(seen)}")


def _settings(config: Path | None, dsn: str | None) -> DatabaseSection:
    from hubwatch_ops.database.settings import load_database

    return load_database(config, dsn)
