"""Reads the sites in the database: the files, and what agents have announced."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from hubwatch_core.errors import ConfigError
from hubwatch_core.words import SensorKind
from hubwatch_site import parse_site
from hubwatch_site.draft import UNKNOWN_ZONE, Announced
from hubwatch_store.database import translated
from hubwatch_store.database.sql_files import queries

CHANNEL = "hubwatch_site"
"""NOTIFY on this channel names a hub whose site is another now."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a site: who put it in force, when and why; `file` is empty in a history."""

    version: int
    applied: datetime
    by: str
    note: str
    sha256: str
    file: str


def in_force(connection: Connection[Any], hub: str) -> Version | None:
    """Return the version that is in force, None when the hub has no site. Raises Transient or Permanent."""
    with translated():
        row = connection.execute(queries("site")["in_force"], {"hub": hub}).fetchone()
    return None if row is None else Version(*row)


def version(connection: Connection[Any], hub: str, number: int) -> Version | None:
    """Return one version, None when there is none of that number. Raises Transient or Permanent."""
    with translated():
        row = connection.execute(queries("site")["one"], {"hub": hub, "version": number}).fetchone()
    return None if row is None else Version(*row)


def history(connection: Connection[Any], hub: str) -> list[Version]:
    """Return every version, the newest first. Raises Transient or Permanent."""
    with translated():
        return [Version(*row) for row in connection.execute(queries("site")["history"], {"hub": hub})]


def hubs(connection: Connection[Any]) -> list[str]:
    """Return every hub that is known. Raises Transient or Permanent."""
    with translated():
        return [hub for (hub,) in connection.execute(queries("site")["hubs"])]


def time_zone(connection: Connection[Any], hub: str) -> str:
    """Return a hub's time zone, UTC for one without a site or with one that cannot be read. Raises Transient."""
    found = in_force(connection, hub)
    try:
        return "UTC" if found is None else parse_site(found.file, "site").hub.time_zone
    except ConfigError:
        return "UTC"


def announced(connection: Connection[Any], hub: str) -> list[Announced]:
    """Return the sensors that agents of a hub have announced, by name. Raises Transient or Permanent."""
    with translated():
        rows = connection.execute(queries("site")["announced"], {"hub": hub}).fetchall()
    return [Announced(sensor, _kind(kind), zone or UNKNOWN_ZONE) for sensor, kind, zone in rows]


def _kind(word: str | None) -> SensorKind | None:
    return SensorKind(word) if word in set(SensorKind) else None
