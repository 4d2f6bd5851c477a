"""Hands on a migrated database: to put detections in and look at what came of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from hubwatch_core.clock import to_datetime
from hubwatch_core.wire import Detection
from hubwatch_store.database import DatabaseSection


def settings_of(dsn: str) -> DatabaseSection:
    """Return the settings of a database, patient for less long than in the field."""
    return DatabaseSection(dsn=dsn, max_retry_s=0.5, connect_timeout_s=2)


class Hands:
    """What detectors write and people read, on a connection of the test's own."""

    def __init__(self, connection: psycopg.Connection[dict[str, Any]]) -> None:
        self.connection = connection

    def detect(self, *found: Detection) -> None:
        """Write detections in one transaction, as a detector does."""
        with self.connection.transaction():
            for one in found:
                self.connection.execute(
                    """INSERT INTO hubwatch.detection (id, type, hub, sensor, subject, start, "end", detected, score,
                        priority, detector, version, late, why, evidence)
                    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
                    (
                        one.id,
                        one.type,
                        one.hub,
                        one.sensor,
                        one.subject,
                        to_datetime(one.start),
                        None if one.end is None else to_datetime(one.end),
                        to_datetime(one.detected),
                        one.score,
                        one.priority,
                        one.detector,
                        one.version,
                        one.late,
                        one.why,
                        Jsonb(one.evidence),
                    ),
                )

    def end(self, detection: str, end: int) -> None:
        """Write the end of a detection."""
        self.connection.execute(
            'INSERT INTO hubwatch.detection_ends (id, "end", detected) VALUES (%s, %s, %s)',
            (detection, to_datetime(end), to_datetime(end)),
        )

    def place(self, hub: str, sensor: str, zone: str) -> None:
        """Say in which zone a sensor is."""
        self.connection.execute(
            "INSERT INTO hubwatch.sensors (hub, sensor, zone) VALUES (%s, %s, %s)", (hub, sensor, zone)
        )

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Run a query and give its rows."""
        return self.connection.execute(query.encode(), values).fetchall()

    def alarms(self) -> list[dict[str, Any]]:
        """Return every alarm, in the order they were opened."""
        return self.rows("SELECT * FROM hubwatch.alarms ORDER BY id")

    def actions(self, alarm: int) -> list[str]:
        """Return the words of an alarm's journal."""
        return [
            row["action"] for row in self.rows("SELECT action FROM alarm_journal WHERE alarm = %s ORDER BY id", alarm)
        ]

    def attempts(self) -> Sequence[dict[str, Any]]:
        """Return every delivery record."""
        return self.rows("SELECT * FROM hubwatch.notifications ORDER BY id")

    def outbox(self) -> list[dict[str, Any]]:
        """Return every message."""
        return self.rows("SELECT * FROM hubwatch.notification_outbox ORDER BY journal, route")


@contextmanager
def hands_on(dsn: str) -> Iterator[Hands]:
    """Return hands on a migrated database."""
    with psycopg.connect(
        dsn, autocommit=True, row_factory=dict_row, options="-c search_path=hubwatch,public -c timezone=UTC"
    ) as connection:
        yield Hands(connection)
