"""Key figures of how alarms are handled (IEC 62682), of the last 24 hours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hubwatch_store.database import DatabaseConnection, fetch


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one hub; None where there was nothing to count."""

    hub: str
    per_hour: float
    """Alarms presented to people."""
    flood_share: float
    """Of the periods of ten minutes, how many had more than ten."""
    top_10_share: float | None
    """Of the alarms presented, how many were of the ten most frequent conditions."""
    stale: int
    """Open for more than 24 hours and not set aside."""
    chattering: int
    """Came up three times or more within a minute."""
    shelved: int
    suppressed: int
    """Expected or out of service."""
    acknowledged_p50_s: float | None
    acknowledged_p95_s: float | None


@dataclass(frozen=True, slots=True)
class Flood:
    """A hub where more than ten alarms were presented in the last ten minutes."""

    hub: str
    since: datetime
    presented: int


async def floods(connection: DatabaseConnection, seen: Sequence[str] | None = None) -> list[Flood]:
    """Return the hubs that are in a flood, of those that are `seen` where that is given."""
    rows = await fetch(connection, "alarms", "floods", seen=None if seen is None else list(seen))
    return [Flood(**row) for row in rows]


async def causes(connection: DatabaseConnection, alarms: Sequence[int]) -> dict[int, int]:
    """Return which of some alarms are symptoms, each with the alarm that is its cause."""
    rows = await fetch(connection, "alarms", "causes", alarms=list(alarms))
    return {row["alarm"]: row["cause"] for row in rows}


async def figures(connection: DatabaseConnection) -> list[Figures]:
    """Return the figures of every hub, inside `translated()`."""
    found = []
    for row in await fetch(connection, "figures", "figures"):
        numbers = {name: None if value is None else float(value) for name, value in row.items() if name != "hub"}
        found.append(Figures(hub=row["hub"], **numbers))  # type: ignore[arg-type]
    return found
