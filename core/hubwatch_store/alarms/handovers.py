"""What one shift leaves to the next, in the database: facts to draft it from, drafts, and what two have signed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hubwatch_core.permission import Actor
from hubwatch_store.database import DatabaseConnection, fetch, write

SECTIONS = ("alarms", "incidents", "approvals", "set_aside", "expected", "blind", "routes")
"""What a handover lists, each a query of that name."""
MOST_LISTED = 200
"""Rows of each of them; the rest is counted."""

Beats = Mapping[tuple[str, str], int]
"""How often each process has shown that it lives, by its work and its token."""


@dataclass(frozen=True, slots=True)
class HubLag:
    """How far the hub's programs are behind, in seconds; None where there was nothing at all."""

    known: bool
    """Whether there is such a hub."""
    agents: int
    sensors: int
    heard_s: float | None
    """Since an agent was last heard."""
    judged_s: float | None
    """Since detectors last kept what they have judged."""
    waiting_s: float | None
    """For how long a finding waits to become an alarm; None when none waits."""


@dataclass(frozen=True, slots=True)
class HandoverSection:
    """The first rows of a section, and how many there are in all."""

    rows: Sequence[Mapping[str, Any]]
    whole: int


@dataclass(frozen=True, slots=True)
class Handover:
    """A handover, as drafted and as far as it is signed. `digest` is what people sign: it is of all they read."""

    id: int
    hub: str
    drafted: datetime
    drafted_by: str
    drafted_verified: bool
    facts: Mapping[str, Any]
    notes: str
    left_by: str | None
    left_at: datetime | None
    left_verified: bool | None
    taken_by: str | None
    taken_at: datetime | None
    taken_verified: bool | None
    digest: str

    @property
    def state(self) -> str:
        """Return `draft`, `signed` (by whoever leaves) or `taken over`, after which nothing changes it."""
        if self.taken_at is not None:
            return "taken over"
        return "draft" if self.left_at is None else "signed"


async def beats(connection: DatabaseConnection, hub: str) -> dict[tuple[str, str], int]:
    """Return how often each process that does the work of a hub has shown that it lives."""
    rows = await fetch(connection, "handovers", "beats", hub=hub)
    return {(row["kind"], row["token"]): row["beats"] for row in rows}


async def behind(connection: DatabaseConnection, hub: str) -> HubLag:
    """Return how far the programs of a hub are behind."""
    (row,) = await fetch(connection, "handovers", "behind", hub=hub)
    return HubLag(**row)


async def level(connection: DatabaseConnection, hub: str) -> Mapping[str, Any] | None:
    """Return the security level in force and who set it, None where there is no such hub."""
    rows = await fetch(connection, "handovers", "level", hub=hub)
    return rows[0] if rows else None


async def listed(connection: DatabaseConnection, hub: str) -> dict[str, HandoverSection]:
    """Return every section of a hub as it stands."""
    found = {}
    for section in SECTIONS:
        rows = await fetch(connection, "handovers", section, hub=hub, most=MOST_LISTED)
        whole = rows[0]["whole"] if rows else 0
        found[section] = HandoverSection(
            [{name: each for name, each in row.items() if name != "whole"} for row in rows], whole
        )
    return found


async def site_file(connection: DatabaseConnection, hub: str) -> str | None:
    """Return the file of a hub's newest site, None where it has none."""
    rows = await fetch(connection, "handovers", "site", hub=hub)
    return rows[0]["file"] if rows else None


async def by_id(connection: DatabaseConnection, number: int, *, hold: bool = False) -> Handover | None:
    """Return one handover; with `hold` nobody else changes it until the transaction ends."""
    if hold:
        return _first(await fetch(connection, "handovers", "hold", id=number))
    return _first(await fetch(connection, "handovers", "one", id=number))


async def list_handovers(
    connection: DatabaseConnection, *, hub: str | None, most: int, seen: Sequence[str] | None = None,
    before: int | None = None,
) -> list[Handover]:  # fmt: skip
    """Return up to `most` handovers, the newest first, of hubs that are `seen`, `before` one where these are given."""
    values = {"hub": hub, "most": most, "seen": None if seen is None else list(seen), "before": before}
    return [Handover(**row) for row in await fetch(connection, "handovers", "list", **values)]


async def history(
    connection: DatabaseConnection, *, hub: str | None, before: int | None, most: int, seen: Sequence[str] | None = None
) -> list[Mapping[str, Any]]:
    """Return who has handed over to whom before a handover, without what it lists, the newest first."""
    wanted = None if seen is None else list(seen)
    rows = await fetch(connection, "handovers", "history", hub=hub, before=before, most=most, seen=wanted)
    return list(rows)


async def draft(connection: DatabaseConnection, hub: str, facts: Mapping[str, Any], by: Actor, at: datetime) -> int:
    """Keep a draft; return its number. One that is not taken over is renewed: then it has to be signed again."""
    values = {"facts": json.dumps(facts, allow_nan=False), "by": by.name, "verified": by.verified, "at": at}
    (row,) = await fetch(connection, "handovers", "draft", hub=hub, **values)
    return int(row["id"])


async def note(connection: DatabaseConnection, number: int, notes: str) -> None:
    """Keep what people have to say; what was signed has to be signed again."""
    await write(connection, "handovers", "note", id=number, notes=notes)


async def leave(connection: DatabaseConnection, number: int, by: Actor, at: datetime) -> None:
    """Sign as whoever leaves."""
    await write(connection, "handovers", "leave", id=number, by=by.name, verified=by.verified, at=at)


async def take(connection: DatabaseConnection, number: int, by: Actor, at: datetime) -> None:
    """Sign as whoever takes over: from now on nobody changes it."""
    await write(connection, "handovers", "take", id=number, by=by.name, verified=by.verified, at=at)


def _first(rows: Sequence[Mapping[str, Any]]) -> Handover | None:
    return Handover(**rows[0]) if rows else None
