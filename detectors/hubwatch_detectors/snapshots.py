"""When the states of a hub are taken, and what is written of them.

The states of a hub are taken all at one moment, so that they hold exactly the entries of its journal up to a place. The
hubs take turns: each has its own second of the interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from hubwatch_detectors import binary
from hubwatch_detectors.contract import Finding
from hubwatch_detectors.engine import Engine, InstanceKey, Saved
from hubwatch_detectors.journal import Packed
from hubwatch_store.detections import StateKey, StateRow, StateSnapshot

MOST_BYTES = 32 * 1024 * 1024
"""Input of a hub after which its states are written before their time: judging it again after a crash takes seconds."""


@dataclass(frozen=True, slots=True)
class TakenSnapshot:
    """The changed states of a hub at one moment, the keys that are gone, and what was found while they were taken."""

    hub: str
    states: Sequence[Saved]
    gone: Sequence[InstanceKey]
    found: Sequence[Finding]


class Snapshots:
    """The hubs of an engine, and when the states of each are to be written next (s, steady clock)."""

    def __init__(self, engine: Engine, every_s: float) -> None:
        self._engine, self._every_s = engine, every_s
        self._due: dict[str, float] = {}
        self._bytes: dict[str, int] = {}
        """Of each hub's journal, since its states were last taken."""
        self._places: dict[str, int] = {}

    def hubs(self) -> set[str]:
        """Return the hubs that have states."""
        return self._engine.hubs() | self._places.keys()

    def due(self, now: float) -> str | None:
        """Return the hub whose states are to be written at `now`, None when none are."""
        for hub in self.hubs():
            if hub not in self._due:
                self._due[hub] = now + self._every_s * (1 + _share(hub)) / 2
            if now >= self._due[hub] or self._bytes.get(hub, 0) >= MOST_BYTES:
                return hub
        return None

    def take(self, hub: str, now: float) -> TakenSnapshot:
        """Take the states of a hub as they are now."""
        self._due[hub], self._bytes[hub] = now + self._every_s, 0
        found = self._engine.flush(hub)
        states, gone = self._engine.changes(hub)
        return TakenSnapshot(hub, states, gone, found)

    def noted(self, packed: Iterable[Packed], places: Mapping[str, int]) -> None:
        """Note that input was stored, up to these places of the journal."""
        self._places.update(places)
        for each in packed:
            self._bytes[each.hub] = self._bytes.get(each.hub, 0) + each.size

    def place(self, hub: str) -> int:
        """Return the place of a hub's journal up to which input is stored."""
        return self._places.get(hub, 0)

    def not_written(self, taken: TakenSnapshot) -> None:
        """Take back what could not be written."""
        self._engine.not_saved([*(each.key for each in taken.states), *taken.gone])


def packed(taken: TakenSnapshot, until: int) -> StateSnapshot:
    """Return states as they are written; they hold the journal up to `until`."""
    rows = [StateRow(StateKey(*each.key), each.version, binary.packed(each.state)) for each in taken.states]
    return StateSnapshot(taken.hub, rows, [StateKey(*key) for key in taken.gone], until)


def _share(hub: str) -> float:
    return blake2b(hub.encode(), digest_size=2).digest()[0] / 256
