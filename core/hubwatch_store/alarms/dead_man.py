"""The dead man as the console shows it: what came of its last beat. Every function works inside `translated()`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hubwatch_core.clock import to_datetime
from hubwatch_store.database import DatabaseConnection, write

BeatOutcome = Literal["taken", "failed", "held_back"]
LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class LastBeat:
    """What came of the last beat (times in µs), and when one was last taken since this process began."""

    at: int
    every_s: float
    outcome: BeatOutcome
    reason: str | None
    taken: int | None


async def keep(connection: DatabaseConnection, beat: LastBeat) -> None:
    """Keep what came of the last beat."""
    await write(
        connection, "dead_man", "keep", at=to_datetime(beat.at), every_s=beat.every_s, outcome=beat.outcome,
        reason=None if beat.reason is None else beat.reason[:LONGEST_REASON],
        taken=None if beat.taken is None else to_datetime(beat.taken),
    )  # fmt: skip


async def forget(connection: DatabaseConnection) -> None:
    """Say that no dead man is set."""
    await write(connection, "dead_man", "forget")
