"""Sites put in force by a test, in the real database."""

from __future__ import annotations

import psycopg

from hubwatch_site import Neighbour, draft
from hubwatch_store.database import DatabaseSection, connect_sync
from hubwatch_store.site import Applied, apply


def fenced(hub: str, metres: float = 6.0) -> str:
    """Return the file of a site where fence-2 stands behind fence-1."""
    return draft(hub, [], [Neighbour(hub, "fence-1", "fence-2", metres)])


def applied(dsn: str, text: str) -> Applied:
    """Put a site in force."""
    with connect_sync(DatabaseSection(dsn=dsn), "test") as connection:
        return apply(connection, text, by="kim", note="test")


def written(dsn: str, hub: str, version: int, text: str, *, told: bool) -> None:
    """Write a version as it stands, whatever is in it; only when `told` with the notification."""
    with psycopg.connect(dsn) as connection:
        connection.execute("INSERT INTO hubwatch.hubs (hub) VALUES (%s) ON CONFLICT DO NOTHING", [hub])
        connection.execute(
            "INSERT INTO hubwatch.site_versions (hub, version, applied_by, note, sha256, file)"
            " VALUES (%s, %s, 'kim', 'test', '', %s)",
            [hub, version, text],
        )
        if told:
            connection.execute("SELECT pg_notify('hubwatch_site', %s)", [hub])
