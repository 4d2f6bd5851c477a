"""The ledger: which frame is already stored. It alone decides what is new, so sending a frame twice is harmless."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hubwatch_core.clock import to_us
from hubwatch_core.packed_frame import AnyFrame
from hubwatch_store.database import DatabaseConnection
from hubwatch_store.database.sql_files import queries
from hubwatch_store.ingest.identities import EpochKey

LOCK_BUCKETS = 64
"""Epochs share this many locks between writers and folding: few enough for a batch to take them all."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The frames of a transaction that were new, in the order they came, and the transaction's ledger row."""

    commit: int
    new: tuple[AnyFrame, ...]


async def claim(connection: DatabaseConnection, frames: Sequence[AnyFrame], epochs: Mapping[EpochKey, int]) -> Claim:
    """Enter `frames` and give those that were not there yet. Call first in the transaction that stores them.

    A frame that another transaction is just storing makes this one wait until its fate is known.
    """
    first_of: dict[tuple[int, int], AnyFrame] = {}
    for frame in frames:
        first_of.setdefault((epochs[frame.hub, frame.agent, frame.epoch], frame.seq), frame)
    buckets = sorted({epoch % LOCK_BUCKETS for epoch, _ in first_of})
    await connection.execute(queries("ledger")["lock_for_writing"], (buckets,))
    rows = [
        (epoch, seq, frame.sent, frame.readings, len(frame.events), frame.late)
        for (epoch, seq), frame in first_of.items()
    ]
    cursor = await connection.execute(queries("ledger")["claim"], [list(column) for column in zip(*rows, strict=True)])
    answer: list[tuple[int, int | None, int | None]] = await cursor.fetchall()  # type: ignore[assignment]
    new = {(epoch, seq) for _, epoch, seq in answer}
    return Claim(answer[0][0], tuple(frame for key, frame in first_of.items() if key in new))


async def stamp(connection: DatabaseConnection, claimed: Claim) -> int:
    """Set the time of commit, by the database's clock, and return it (µs UTC); call last in the transaction."""
    cursor = await connection.execute(queries("ledger")["stamp"], (claimed.commit,))
    row: tuple[Any, ...] | None = await cursor.fetchone()
    assert row is not None, "the claim made the row"
    return to_us(row[0])
