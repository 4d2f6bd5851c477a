"""What the engine remembers of each agent: its frames, its clock, its inventory, its presence."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from hubwatch_core.wire import Sensor
from hubwatch_detectors.instances import Instance
from hubwatch_detectors.presence import Presence, PresenceMemory
from hubwatch_detectors.seen import Seen

MOST_EPOCHS = 2
"""Epochs of one agent that are remembered: the present one, and the last for what of it is still under way."""


class AgentMemory(msgspec.Struct):
    """All that is saved of one agent."""

    seen: dict[str, Seen] = {}
    clock: int = 0
    """Its latest live `sent` (µs)."""
    inventory: list[Sensor] = []
    presence: PresenceMemory = msgspec.field(default_factory=PresenceMemory)

    def seen_of(self, epoch: str) -> Seen:
        """Give the account of an epoch; an older one than the last two is forgotten."""
        if epoch not in self.seen:
            self.seen[epoch] = Seen()
            while len(self.seen) > MOST_EPOCHS:
                # A ULID sorts by the time it was made.
                del self.seen[min(each for each in self.seen if each != epoch)]
        return self.seen[epoch]


@dataclass
class Agent:
    """An agent at work."""

    hub: str
    name: str
    memory: AgentMemory
    presence: Presence
    sensors: dict[str, Sensor] = field(default_factory=dict)
    """Its inventory by name."""
    routes: dict[str, list[Instance]] = field(default_factory=dict)
    """The live instances that judge each sensor, looked up once."""
