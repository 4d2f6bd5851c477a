"""A migrated database for retention, aggregates and backups: sensors of some kinds, and rows at stated times."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from hubwatch_store.database import DatabaseSection
from hubwatch_store.upkeep import Done, maintain

HUB = "harbour"
NOW = datetime.now(UTC).replace(minute=30, second=0, microsecond=0)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


class Kept:
    """One such database; rows are put in as the tests need them, past the collector."""

    def __init__(self, dsn: str, connection: psycopg.Connection[Any]) -> None:
        self.dsn = dsn
        self.settings = DatabaseSection(dsn=dsn, connect_timeout_s=2)
        self.connection = connection

    def one(self, query: str, *values: object) -> Any:
        """Return the first value of the first row."""
        return self.rows(query, *values)[0][0]

    def rows(self, query: str, *values: object) -> list[Any]:
        """Return what a query gives."""
        return self.connection.execute(query.encode(), values or None).fetchall()

    def do(self, query: str, *values: object) -> None:
        """Run a statement."""
        self.connection.execute(query.encode(), values or None)

    def sensor(self, sensor: str, kind: str | None, hub: str = HUB) -> int:
        """Make a sensor with a channel `x`; gives the channel's id."""
        self.do("INSERT INTO hubs (hub) VALUES (%s) ON CONFLICT DO NOTHING", hub)
        made = self.one("INSERT INTO sensors (hub, sensor, kind) VALUES (%s, %s, %s) RETURNING id", hub, sensor, kind)
        channel = "INSERT INTO channels (sensor_id, hub, sensor, channel) VALUES (%s, %s, %s, 'x') RETURNING id"
        return int(self.one(channel, made, hub, sensor))

    def readings(self, channel: int, *times: datetime, value: float = 1.0) -> None:
        """Store a reading at each time."""
        self.do("SELECT ensure_partitions('reading', %s)", list(times))
        self.do("INSERT INTO reading SELECT t, %s, %s, 0 FROM unnest(%s::timestamptz[]) t", channel, value, list(times))

    def events(self, sensor: str, *times: datetime) -> None:
        """Store an event at each time."""
        self.do("SELECT ensure_partitions('event', %s)", list(times))
        self.do(
            "INSERT INTO event SELECT t, (SELECT id FROM sensors WHERE sensor = %s), 'door.opened', NULL, '{}', NULL,"
            " false FROM unnest(%s::timestamptz[]) t",
            sensor,
            list(times),
        )

    def maintain(self, *, dry_run: bool = False) -> Done:
        """Run maintenance as cron would."""
        done = maintain(self.settings, dry_run=dry_run)
        assert done is not None, "nobody else maintains this test's database"
        return done

    def ages(self, table: str = "readings", time: str = "time") -> dict[str, list[int]]:
        """Return by sensor how many whole days before NOW its rows are, oldest first."""
        found: dict[str, list[int]] = {}
        query = f"SELECT sensor, {time} FROM hubwatch.{table} ORDER BY sensor, {time}"
        for sensor, at in self.rows(query):
            found.setdefault(sensor, []).append(round((NOW - at) / DAY))
        return found


@contextmanager
def kept_in(dsn: str) -> Iterator[Kept]:
    """Return hands on a migrated database."""
    options = "-c search_path=hubwatch,public -c timezone=UTC"
    with psycopg.connect(dsn, autocommit=True, options=options) as connection:
        yield Kept(dsn, connection)
