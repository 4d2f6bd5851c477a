"""`hubwatch site cardholders`: who has a badge, from a list of the access system."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from zoneinfo import ZoneInfo

import typer

from hubwatch_core.errors import BadCall
from hubwatch_core.ids import is_id
from hubwatch_core.process import border
from hubwatch_core.terminal import say
from hubwatch_ops.database.options import By, ConfigFile, Dsn
from hubwatch_ops.site_database import Hub, connection_to, hub_meant

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubwatch_site.cardholder_list import ListedPerson, Surroundings
    from hubwatch_store.site import Imported

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
    by: By = None,
    note: Annotated[str, typer.Option("--note", help="Why; stands in the journal.")] = "list imported",
    hub: Hub = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Put a list of cardholders in force, as a whole or not at all: who is not on it is no cardholder any more.

    Badge numbers are not stored: they become the same pseudonyms that agents send; with two keys those of both.
    """
    from hubwatch_site.cardholder_list import read_list

    pseudonyms = _pseudonyms(key_file, key_version, next_key_file, raw=raw)

    def people(around: Surroundings) -> list[ListedPerson]:
        return [
            person for pseudonym in pseudonyms for person in read_list(file, around, pseudonym, with_names=with_names)
        ]

    if by is None:
        name, done = _over_api(hub, people, note, with_names=with_names)
    else:
        name, done = _at_their_word(hub, people, by, note, config, dsn, with_names=with_names)
    say(
        f"import {done.version} of hub {name} is in force: {done.cardholders} cardholders, "
        f"{done.written} of them new or changed, {done.removed} removed"
    )


def _over_api(
    hub: str | None, people: Callable[[Surroundings], list[ListedPerson]], note: str, *, with_names: bool
) -> tuple[str, Imported]:
    """Import as whoever is logged in; badge numbers stay here."""
    from hubwatch_core.http.logged_in import somebody
    from hubwatch_site.cardholder_list import Surroundings
    from hubwatch_store.site import Imported

    person = somebody()
    if hub is None or not is_id(hub):
        raise BadCall("name the hub with --hub")
    known = person.ask("GET", f"/hubs/{hub}/cardholders")
    listed = people(Surroundings(known["zones"], known["shifts"], ZoneInfo(known["time_zone"])))
    told = [asdict(each.person) | {"name": each.name} for each in listed]
    done = person.ask("PUT", f"/hubs/{hub}/cardholders", {"people": told, "with_names": with_names, "note": note})
    return hub, Imported(*(int(done[each]) for each in ("version", "cardholders", "written", "removed")))


def _at_their_word(
    hub: str | None,
    people: Callable[[Surroundings], list[ListedPerson]],
    by: str,
    note: str,
    config: Path | None,
    dsn: str | None,
    *,
    with_names: bool,
) -> tuple[str, Imported]:
    from hubwatch_site.cardholder_list import Surroundings
    from hubwatch_store.audit import journal_now
    from hubwatch_store.site import import_list, known_to, time_zone
    from hubwatch_store.users import check_no_directory

    with connection_to(config, dsn, "hubwatch cardholders") as connection:
        check_no_directory(connection)
        name = hub_meant(connection, hub)
        known = known_to(connection, name)
        listed = people(Surroundings(known.zones, known.shifts, ZoneInfo(time_zone(connection, name))))
        with connection.transaction():
            done = import_list(connection, name, listed, by=by, note=note, with_names=with_names)
            details = asdict(done) | {"with_names": with_names, "note": note}
            journal_now(
                connection, "cardholder.import", who=by, hub=name, subject=f"import {done.version}", details=details
            )
    return name, done


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
