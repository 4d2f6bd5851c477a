"""The newest reading of each channel and the newest frame of each agent, written now and then instead of each time.

At a high rate one row per channel a batch would cost as much as the readings themselves. So what is newest is
gathered and written at most every `PAUSE_S`, or at once while it is little. Whoever acknowledges messages does so
only after `due()` was true and the transaction was committed: what a crash lost is then delivered again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from hubwatch_core.packed_frame import AnyFrame
from hubwatch_store.database import DatabaseConnection
from hubwatch_store.database.sql_files import queries
from hubwatch_store.ingest.inventory import ALIVE_S
from hubwatch_store.series import Columns, joined

PAUSE_S = 0.5
LITTLE = 500
"""Channels that are written at once: about as many as a transaction writes without getting slower by it."""


class AgentRow(NamedTuple):
    """The newest frame of an agent, and when (µs UTC) one last came; `late` is whether there was backlog among them."""

    hub: str
    agent: str
    epoch: str
    sent: int
    seq: int
    heard: int
    live: bool
    late: bool


@dataclass(frozen=True, slots=True)
class Latest:
    """What is newest and not written yet; `since` is when something was last written (monotonic seconds)."""

    since: float
    parts: tuple[Columns, ...] = ()
    agents: Mapping[tuple[str, str], AgentRow] = field(default_factory=dict)

    def plus(self, columns: Columns, frames: Sequence[AnyFrame], received: Sequence[int]) -> Latest:
        """Return this together with more readings, the frames they came in, and when each of these came (µs UTC).

        Nothing is newer than its receipt: a time of the future counts as that.
        """
        parts = (*self.parts, _bounded(columns, frames, received).newest()) if len(columns) else self.parts
        agents = dict(self.agents)
        for frame, heard in zip(frames, received, strict=True):
            key = (frame.hub, frame.agent)
            agents[key] = _newer(agents.get(key), _row(frame, heard))
        return Latest(self.since, parts, agents)

    @property
    def waiting(self) -> bool:
        """Return whether there is something to write."""
        return bool(self.parts or self.agents)

    def due(self, now: float) -> bool:
        """Return whether it is time to write: it is little, or the last time is long enough ago."""
        little = sum(len(part) for part in self.parts) <= LITTLE
        return self.waiting and (little or now - self.since >= PAUSE_S)

    async def write(self, connection: DatabaseConnection) -> None:
        """Write everything, inside the caller's transaction."""
        if self.parts:
            await connection.execute(queries("latest")["channels"], _rows(joined(self.parts).newest()))
        if self.agents:
            rows = [list(column) for column in zip(*sorted(self.agents.values()), strict=True)]
            await connection.execute(queries("latest")["agents"], (ALIVE_S, *rows))


def _rows(newest: Columns) -> tuple[list[Any], ...]:
    values = [None if math.isnan(value) else value for value in newest.value.tolist()]
    reasons = [newest.reasons[i] for i in newest.reason.tolist()]
    return newest.channel.tolist(), newest.time.tolist(), values, newest.quality.tolist(), reasons


def _bounded(columns: Columns, frames: Sequence[AnyFrame], received: Sequence[int]) -> Columns:
    receipts = np.repeat(np.array(received, np.int64), [frame.readings for frame in frames])
    return replace(columns, time=np.minimum(columns.time, receipts))


def _row(frame: AnyFrame, heard: int) -> AgentRow:
    sent = min(frame.sent, heard)
    return AgentRow(frame.hub, frame.agent, frame.epoch, sent, frame.seq, heard, not frame.late, frame.late)


def _newer(known: AgentRow | None, row: AgentRow) -> AgentRow:
    """Return the newer of two frames: in an epoch by its sequence number, else by its receipt."""
    if known is None:
        return row
    newer = row.seq >= known.seq if row.epoch == known.epoch else row.heard >= known.heard
    return (row if newer else known)._replace(heard=max(known.heard, row.heard), late=known.late or row.late)
