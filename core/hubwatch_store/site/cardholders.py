"""Cardholders in the database: who has a badge at a hub, by the pseudonyms that agents send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from hubwatch_core.clock import to_datetime
from hubwatch_core.errors import Permanent
from hubwatch_site import Cardholder
from hubwatch_site.cardholder_list import ListedPerson
from hubwatch_store.database import Pool, translated
from hubwatch_store.database.sql_files import queries


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import: its number, and how many cardholders there are, are new or another, and are gone."""

    version: int
    cardholders: int
    written: int
    removed: int


@dataclass(frozen=True, slots=True)
class HubNames:
    """What a hub has that a list may name."""

    zones: frozenset[str]
    shifts: frozenset[str]


def known_to(connection: Connection[Any], hub: str) -> HubNames:
    """Return what a list of cardholders may name. Raises Permanent when there is no such hub, or Transient."""
    named = queries("cardholders")
    with translated():
        if connection.execute(named["hub"], {"hub": hub}).fetchone() is None:
            raise Permanent(f"there is no hub {hub}: apply its site first, or wait for a birth of its agents")
        zones, shifts = (connection.execute(named[kind], {"hub": hub}).fetchall() for kind in ("zones", "shifts"))
    return HubNames(frozenset(zone for (zone,) in zones), frozenset(shift for (shift,) in shifts))


def import_list(
    connection: Connection[Any], hub: str, people: Sequence[ListedPerson], *, by: str, note: str, with_names: bool
) -> Imported:
    """Put a list in force as a whole, in one transaction: who is not on it is no cardholder any more.

    Names that are not wanted are taken away. Raises Permanent without a name or a reason, Transient when the database
    is away; nothing is changed then.
    """
    if not by.strip() or not note.strip():
        raise Permanent("a list is imported by somebody, for a reason: give --by and --note")
    named = queries("cardholders")
    with translated(), connection.transaction():
        connection.execute(named["lock"])
        row = connection.execute(named["last"], {"hub": hub}).fetchone()
        assert row is not None, "an aggregate always has a row"
        values = {"hub": hub, "version": row[0] + 1, "by": by, "note": note, "with_names": with_names}
        connection.execute(named["copied"])
        _copy(connection, people)
        counts = connection.execute(named["add"], values).fetchone()
        assert counts is not None, "it returns what it adds"
        for step in ("remove", "write", "forget_names", *(["names"] if with_names else [])):
            connection.execute(named[step], values)
        connection.execute(queries("site")["tell"], {"hub": hub})
    return Imported(row[0] + 1, *counts)


def _copy(connection: Connection[Any], people: Sequence[ListedPerson]) -> None:
    with connection.cursor() as cursor, cursor.copy("COPY imported FROM STDIN") as copy:
        for person, name in people:
            valid = [None if t is None else to_datetime(t) for t in (person.valid_from, person.valid_to)]
            place = (person.subject, person.home_zone, person.shift, person.on_call, person.clearance)
            copy.write_row((*place, *valid, name))


def count_people(connection: Connection[Any], hub: str) -> int:
    """Return how many cardholders a hub has. Raises Transient or Permanent."""
    with translated():
        row = connection.execute(queries("cardholders")["count"], {"hub": hub}).fetchone()
    return 0 if row is None else int(row[0])


async def people_of(pool: Pool, hub: str) -> dict[str, Cardholder]:
    """Return everybody with a badge at a hub, by pseudonym. Raises Transient or Permanent."""
    with translated():
        async with pool.connection() as connection:
            cursor = await connection.execute(queries("cardholders")["people"], {"hub": hub})
            rows: list[tuple[Any, ...]] = await cursor.fetchall()
    return {row[0]: Cardholder(*row) for row in rows}
