"""One detection as it is stored, for those who ask why it was made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from hubwatch_store.database import queries, translated


@dataclass(frozen=True, slots=True)
class StoredDetection:
    """A row of the view `detections`; `end` is None while the condition lasts."""

    id: str
    type: str
    hub: str
    sensor: str
    subject: str | None
    start: datetime
    end: datetime | None
    detected: datetime
    score: float
    priority: int
    detector: str
    version: int
    late: bool
    why: str
    evidence: dict[str, Any]


def detection_of(connection: Connection[Any], id_: str) -> StoredDetection | None:
    """Return the detection with an id; None when there is none. Raises Transient or Permanent."""
    with translated(), connection.cursor(row_factory=class_row(StoredDetection)) as cursor:
        return cursor.execute(queries("detections")["one"], [id_]).fetchone()
