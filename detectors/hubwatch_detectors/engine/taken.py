"""Agents that were taken away for good: their leftovers at a broker say nothing."""

from __future__ import annotations

from dataclasses import dataclass

from hubwatch_core.packed_frame import AnyFrame
from hubwatch_core.wire import Birth
from hubwatch_detectors.engine.agents import AgentMemory

AgentKey = tuple[str, str]
"""hub, agent"""


@dataclass(frozen=True, slots=True)
class Parted:
    """An agent that was taken away: the time of its last birth then, if a copy of it may come, and what was known."""

    birth: int | None
    memory: AgentMemory | None


class Taken:
    """Those that were taken away; bounded, the oldest is forgotten first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._parted: dict[AgentKey, Parted] = {}

    def take(self, hub: str, agent: str, birth: int | None, memory: AgentMemory | None) -> None:
        """Note that an agent was taken away."""
        before = self._parted.pop((hub, agent), None)
        if before is not None:
            memory = memory or before.memory
            birth = max((each for each in (birth, before.birth) if each is not None), default=None)
        self._parted[hub, agent] = Parted(birth, memory)
        while len(self._parted) > self._most:
            del self._parted[next(iter(self._parted))]

    def holds(self, hub: str, agent: str) -> bool:
        """Return whether an agent is gone."""
        return (hub, agent) in self._parted

    def comes_again(self, birth: Birth, said: int) -> bool:
        """Return whether a birth of `said` (µs) counts: it is no copy of one that was known when the agent left."""
        parted = self._parted.get((birth.hub, birth.agent))
        if parted is None:
            return True
        if parted.birth is not None and said <= parted.birth:
            return False
        self.give_back(birth.hub, birth.agent)
        return True

    def memory_of(self, frame: AnyFrame) -> AgentMemory | None:
        """Return what was known of an agent that is gone, when this frame was made after all that was seen of it."""
        parted = self._parted.get((frame.hub, frame.agent))
        if parted is None or parted.memory is None or frame.late:
            return None
        seen = parted.memory.seen.get(frame.epoch)
        return parted.memory if seen is not None and frame.seq > seen.highest else None

    def give_back(self, hub: str, agent: str) -> None:
        """Note that an agent is there."""
        self._parted.pop((hub, agent), None)
