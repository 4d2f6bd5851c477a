"""`hubwatch site cardholders`: who has a badge, from a list of the access system."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from zoneinfo import ZoneInfo

import typer

from hubwatch_core.errors import BadCall
from hubwatch_core.process import border
from hubwatch_core.terminal import say
from hubwatch_ops.database.options import ConfigFile, Dsn
from hubwatch_ops.site_database import Hub, connection_to, hub_meant

if TYPE_CHECKING:
    from collections.abc import Callable

app = typer.Typer(name="cardholders", help="People with badges, by pseudonym.", no_args_is_help=True)

HELP = "A CSV file: badge, home zone, shift, on call, clearance, valid from, valid to; with names also name."


@app.command("import")
@border
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=HELP)],
    key_file: Annotated[
        Path | None, typer.Option(help="The key of the pseudonyms, the same as privacy.key_file of the agents.")
    ] = None,
    key_version: Annotated[
        int, typer.Option(min=1, max=998, help="The number of that key, as privacy.key_version.")
    ] = 1,
    next_key_file: Annotated[
        Path | None, typer.Option(help="While the key is changed: the next one, as privacy.next_key_file.")
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help='For agents with privacy.subjects = "raw": no key.')] = False,
    with_names: Annotated[
        bool, typer.Option("--with-names", help="Store names too; only the role hubwatch_names may read them.")
    ] = False,
    by: Annotated[str | None, typer.Option("--by", help="Who imports it; without it your login name.")] = None,
    note: Annotated[str, typer.Option("--note", help="Why; stands in the journal.")] = "list imported",
    hub: Hub = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Put a list of cardholders in force, as a whole or not at all: who is not on it is no cardholder any more.

    Badge numbers are not stored: they become the same pseudonyms that agents send; with two keys those of both.
    """
    from hubwatch_site.cardholder_list import Surroundings, read_list
    from hubwatch_store.site import import_list, known_to, time_zone

    pseudonyms = _pseudonyms(key_file, key_version, next_key_file, raw=raw)
    who = by if by is not None else _user()
    with connection_to(config, dsn, "hubwatch cardholders") as connection:
        name = hub_meant(connection, hub)
        known = known_to(connection, name)
        around = Surroundings(known.zones, known.shifts, ZoneInfo(time_zone(connection, name)))
        people = [
            person for pseudonym in pseudonyms for person in read_list(file, around, pseudonym, with_names=with_names)
        ]
        done = import_list(connection, name, people, by=who, note=note, with_names=with_names)
    say(
        f"import {done.version} of hub {name} is in force: {done.cardholders} cardholders, "
        f"{done.written} of them new or changed, {done.removed} removed"
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the first before Python 3.13
        raise BadCall("this user has no name on this machine; say with --by who imports the list") from None


def _pseudonyms(
    key_file: Path | None, version: int, next_key_file: Path | None, *, raw: bool
) -> tuple[Callable[[str, str], str], ...]:
    from hubwatch_agents.settings import PrivacySection
    from hubwatch_agents.values import pseudonyms

    if raw == (key_file is not None):
        raise BadCall("give either --key-file with the key of the agents, or --raw")
    if raw and next_key_file is not None:
        raise BadCall("--next-key-file goes with --key-file")
    now = datetime.now(UTC) if next_key_file is not None else None  # from when on does not matter here: both hold
    subjects: Literal["raw", "hmac"] = "raw" if raw else "hmac"
    return pseudonyms.all_of(
        PrivacySection(
            subjects=subjects, key_file=key_file, key_version=version, next_key_file=next_key_file, next_from=now
        )
    )
