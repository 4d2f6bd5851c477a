"""What people found alarms to be. Every statement stays; the newest counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hubwatch_core.alarm import Adjudication
from hubwatch_store.database import DatabaseConnection, fetch, write


@dataclass(frozen=True, slots=True)
class Adjudicated:
    """What somebody found an alarm to be."""

    at: datetime
    verdict: str
    by: str
    note: str | None


async def said_of(connection: DatabaseConnection, alarm: int) -> Adjudicated | None:
    """Return what was said last of an alarm; None when nobody has said what it was."""
    rows = await fetch(connection, "false_alarms", "said_of", alarm=alarm)
    return Adjudicated(**rows[0]) if rows else None


async def adjudicate(
    connection: DatabaseConnection, alarm: int, verdict: Adjudication, *, by: str, note: str | None, verified: bool
) -> None:
    """Record what an alarm was, as `by` says, for each detection that it stands for now."""
    await write(
        connection, "false_alarms", "adjudicate", alarm=alarm, verdict=str(verdict), by=by, note=note, verified=verified
    )
