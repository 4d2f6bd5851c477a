"""The newest reading of each channel and the newest frame of each agent, written now and then instead of each time.

At a high rate one row per channel a batch would cost as much as the readings themselves. So what is newest is
gathered and written at most every `PAUSE_S`, or at once while it is little. Whoever acknowledges messages does so
only after `due()` was true and the transaction was committed: what a crash lost is then delivered again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hubwatch_core.wire import Frame
from hubwatch_store.columns import Columns, joined
from hubwatch_store.pool import Connection
from hubwatch_store.queries import queries

PAUSE_S = 0.5
LITTLE = 500
"""Channels that are written at once: about as many as a transaction writes without getting slower by it."""

AgentRow = tuple[str, str, str, int, int, int | None]
"""hub, agent, epoch, sent, seq, sent of the newest late frame"""


@dataclass(frozen=True, slots=True)
class Latest:
    """What is newest and not written yet; `since` is when something was last written (monotonic seconds)."""

    since: float
    parts: tuple[Columns, ...] = ()
    agents: Mapping[tuple[str, str], AgentRow] = field(default_factory=dict)

    def plus(self, columns: Columns, frames: Sequence[Frame]) -> Latest:
        """Give this together with more readings and the frames they came in."""
        parts = (*self.parts, columns.newest()) if len(columns) else self.parts
        agents = dict(self.agents)
        for frame in frames:
            key = (frame.hub, frame.agent)
            agents[key] = _newer(agents.get(key), frame)
        return Latest(self.since, parts, agents)

    @property
    def waiting(self) -> bool:
        """Tell whether there is something to write."""
        return bool(self.parts or self.agents)

    def due(self, now: float) -> bool:
        """Tell whether it is time to write: it is little, or the last time is long enough ago."""
        little = sum(len(part) for part in self.parts) <= LITTLE
        return self.waiting and (little or now - self.since >= PAUSE_S)

    async def write(self, connection: Connection) -> None:
        """Write everything, inside the caller's transaction."""
        if self.parts:
            await connection.execute(queries("latest")["channels"], _rows(joined(self.parts).newest()))
        if self.agents:
            rows = [list(column) for column in zip(*sorted(self.agents.values()), strict=True)]
            await connection.execute(queries("latest")["agents"], rows)


def _rows(newest: Columns) -> tuple[list[Any], ...]:
    values = [None if math.isnan(value) else value for value in newest.value.tolist()]
    reasons = [newest.reasons[i] for i in newest.reason.tolist()]
    return newest.channel.tolist(), newest.time.tolist(), values, newest.quality.tolist(), reasons


def _newer(known: AgentRow | None, frame: Frame) -> AgentRow:
    late = frame.sent if frame.late else None
    if known is None:
        return frame.hub, frame.agent, frame.epoch, frame.sent, frame.seq, late
    last_late = max(filter(None, (known[5], late)), default=None)
    if frame.sent < known[3]:
        return *known[:5], last_late
    return frame.hub, frame.agent, frame.epoch, frame.sent, frame.seq, last_late
