"""What the names of a packed frame mean, looked up once for all frames of an agent that carry the same list.

A table counts for frames that were sent since the last change of what any of its names means; older ones, which come
as backlog, are looked up name by name.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hubwatch_core.packed_frame import PackedFrame

ChannelKey = tuple[str, str, str, str]
"""hub, agent, sensor, channel"""

Meanings = tuple[tuple[int, int | None], ...]
"""What a name means: from which moment (µs, by the clock of who says it) on which id, the newest first."""

MOST_IDS = 200_000
"""Ids in tables that are remembered in all."""


class _Table(NamedTuple):
    since: int
    ids: NDArray[np.int32]


def meaning_at(meanings: Meanings, sent: int) -> int | None:
    """Return the id that a name means in a frame sent at `sent` (µs); None when there is none."""
    for since, found in meanings:
        if sent >= since:
            return found
    return None


class ChannelTables:
    """Remembers tables, those used longest ago are forgotten first."""

    def __init__(self, most: int = MOST_IDS) -> None:
        self._most = most
        self._ids = 0
        self._known: OrderedDict[tuple[str, str, str], _Table] = OrderedDict()

    def clear(self) -> None:
        """Forget all: names mean something else."""
        self._known.clear()
        self._ids = 0

    def know(self, frame: PackedFrame) -> bool:
        """Return whether every name of a frame has its id without a look at the names."""
        return self._table(frame) is not None

    def ids(self, frame: PackedFrame, channels: Mapping[ChannelKey, Meanings]) -> NDArray[np.int32]:
        """Return the channel of each series of a frame. Raises KeyError when one has no id."""
        table = self._table(frame)
        if table is not None:
            return table.ids
        found, since = list[int](), list[int]()
        for sensor, channel in frame.series_names:
            key = (frame.hub, frame.agent, sensor, channel)
            meanings = channels[key]
            meaning = meaning_at(meanings, frame.sent)
            if meaning is None:
                raise KeyError(key)
            found.append(meaning)
            since.append(meanings[0][0])
        ids = np.array(found, np.int32)
        if found and max(since) <= frame.sent:
            self._remember((frame.hub, frame.agent, frame.names), _Table(max(since), ids))
        return ids

    def _table(self, frame: PackedFrame) -> _Table | None:
        key = (frame.hub, frame.agent, frame.names)
        table = self._known.get(key)
        if table is None or frame.sent < table.since:
            return None
        self._known.move_to_end(key)
        return table

    def _remember(self, key: tuple[str, str, str], table: _Table) -> None:
        self._known[key] = table
        self._ids += len(table.ids)
        while self._ids > self._most:
            self._ids -= len(self._known.popitem(last=False)[1].ids)
