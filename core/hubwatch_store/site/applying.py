"""Puts a site in force: one transaction, a new version, and rows that keep the version which first said them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql

from hubwatch_core.errors import Permanent
from hubwatch_core.permission import UserAct
from hubwatch_site import HubSite, parse_site
from hubwatch_store.audit import journal_now
from hubwatch_store.database import translated
from hubwatch_store.database.sql_files import queries
from hubwatch_store.site.rows import TABLES, Row, SiteTable
from hubwatch_store.site.versions import in_force


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of it: the version in force, and by table how many rows were written and taken away."""

    hub: str
    version: int
    is_new: bool
    written: dict[str, int]
    removed: dict[str, int]


def apply(
    connection: Connection[Any], text: str, *, by: str, note: str, where: str = "site", verified: bool = False
) -> Applied:
    """Put the site in the text of a file in force; a text that is in force already changes nothing.

    `verified` means that `by` has shown who they are. Raises ConfigError for a site with mistakes, Permanent without a
    name or a reason, Transient when the database is away; nothing is changed then.
    """
    site = parse_site(text, where)
    if not by.strip() or not note.strip():
        raise Permanent("a site is put in force by somebody, for a reason: give --by and --note")
    hub, digest, named = site.hub.id, hashlib.sha256(text.encode()).hexdigest(), queries("site")
    with translated(), connection.transaction():
        connection.execute(named["lock"])
        before = in_force(connection, hub)
        if before is not None and before.sha256 == digest:
            return Applied(hub, before.version, is_new=False, written={}, removed={})
        number = 1 if before is None else before.version + 1
        connection.execute(named["hub"], {"hub": hub, "name": site.hub.name, "mode": site.hub.mode.value})
        values = {"hub": hub, "version": number, "by": by, "note": note, "sha256": digest, "file": text}
        connection.execute(named["add"], values)
        written, removed = {"zones": _write_zones(connection, site, number)}, {"zones": _forget_zones(connection, site)}
        for table in TABLES:
            rows = list(table.rows(site))
            removed[table.name] = _remove(connection, table, hub, rows)
            written[table.name] = _write(connection, table, hub, rows, number)
        connection.execute(named["tell"], {"hub": hub})
        details = {"sha256": digest, "note": note}
        subject = f"version {number}"
        journal_now(
            connection, UserAct.SITE_APPLY, who=by, verified=verified, hub=hub, subject=subject, details=details
        )
    return Applied(hub, number, is_new=True, written=_some(written), removed=_some(removed))


def _write_zones(connection: Connection[Any], site: HubSite, number: int) -> int:
    zones = [
        {
            "hub": site.hub.id,
            "zone": zone.id,
            "name": zone.name,
            "criticality": zone.criticality,
            "outline": json.dumps(zone.outline) if zone.outline else None,
            "version": number,
        }
        for zone in site.zones
    ]
    with connection.cursor() as cursor:
        cursor.executemany(queries("site")["zones"], zones)
        return cursor.rowcount if zones else 0


def _forget_zones(connection: Connection[Any], site: HubSite) -> int:
    values = {"hub": site.hub.id, "zones": [zone.id for zone in site.zones]}
    return connection.execute(queries("site")["forget_zones"], values).rowcount


def _remove(connection: Connection[Any], table: SiteTable, hub: str, rows: list[Row]) -> int:
    """Remove the rows that the site no longer has."""
    key = sql.SQL(", ").join(map(sql.Identifier, table.key))
    known = connection.execute(
        sql.SQL("SELECT {} FROM {} WHERE hub = %s").format(key, sql.Identifier("hubwatch", table.name)), [hub]
    ).fetchall()
    gone = set(known) - {row[: len(table.key)] for row in rows}
    one = sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in ("hub", *table.key))
    statement = sql.SQL("DELETE FROM {} WHERE {}").format(sql.Identifier("hubwatch", table.name), one)
    with connection.cursor() as cursor:
        cursor.executemany(statement, [(hub, *each) for each in gone])
    return len(gone)


def _write(connection: Connection[Any], table: SiteTable, hub: str, rows: list[Row], number: int) -> int:
    """Write the rows that are new or another; one that was there before keeps the version that brought it."""
    columns = ("hub", *table.key, *table.rest, "version")
    compared = table.rest or table.key  # a row that is its key alone is never another one
    rest = sql.SQL(", ").join(map(sql.Identifier, compared))
    new = sql.SQL(", ").join(sql.SQL("excluded.{}").format(sql.Identifier(name)) for name in compared)
    old = sql.SQL(", ").join(sql.SQL("t.{}").format(sql.Identifier(name)) for name in compared)
    statement = sql.SQL(
        "INSERT INTO {table} AS t ({columns}) VALUES ({values}) ON CONFLICT ({key}) DO UPDATE "
        "SET ({rest}, version) = ROW({new}, excluded.version) WHERE ROW({old}) IS DISTINCT FROM ROW({new})"
    ).format(
        table=sql.Identifier("hubwatch", table.name),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        values=sql.SQL(", ").join([sql.Placeholder()] * len(columns)),
        key=sql.SQL(", ").join(map(sql.Identifier, ("hub", *table.key))),
        rest=rest,
        new=new,
        old=old,
    )
    if not rows:
        return 0
    with connection.cursor() as cursor:
        cursor.executemany(statement, [(hub, *row, number) for row in rows])
        return cursor.rowcount


def _some(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}
