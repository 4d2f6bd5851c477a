"""What people found alarms to be. Every statement stays; the newest counts."""

from __future__ import annotations

from hubwatch_core.alarm import Adjudication
from hubwatch_store.alarms.alarms import write
from hubwatch_store.database import DatabaseConnection


async def adjudicate(
    connection: DatabaseConnection, alarm: int, verdict: Adjudication, *, by: str, note: str | None
) -> None:
    """Record what an alarm was, as `by` says, for each detection that it stands for now."""
    await write(connection, "false_alarms", "adjudicate", alarm=alarm, verdict=str(verdict), by=by, note=note)
