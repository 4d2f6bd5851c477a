"""What the engine knows of each agent: its frames, its clock, its inventory, and the detectors that watch it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec

from hubwatch_core.clock import SECOND_US
from hubwatch_core.errors import Poison
from hubwatch_core.logs import get_logger
from hubwatch_core.wire import Sensor
from hubwatch_detectors import binary
from hubwatch_detectors.contract import AgentDetector, DetectorConfig, Finding, Scope, Spec
from hubwatch_detectors.engine.instance import LIVE, InstanceKey, Saved
from hubwatch_detectors.engine.meaning import differs, meaning_of
from hubwatch_detectors.engine.pace import Pace
from hubwatch_detectors.engine.seen import SeenFrames
from hubwatch_detectors.engine.twins import Twins

STATE_NAME = "agent"
"""The name under which an agent's memory is stored, beside the detectors' states."""
STATE_VERSION = 2
MAX_EPOCHS = 2
"""Epochs of one agent that are remembered: the present one, and the last for what of it is still under way."""

STEPPED_US = 60 * SECOND_US

_log = get_logger("detectors")


class DetectorMemory(msgspec.Struct):
    """The state of one detector that watches the agent, and the version that it is of."""

    version: int
    state: bytes


class Former(msgspec.Struct):
    """What a sensor was before it came to mean something else, for frames that were made `until` then (µs)."""

    entry: Sensor
    until: int


class AgentMemory(msgspec.Struct):
    """All that is saved of one agent."""

    seen: dict[str, SeenFrames] = {}
    clock: int = 0
    """Its latest live `sent` (µs)."""
    born: int = 0
    """When the birth that brought the inventory was said (µs), not after its receipt."""
    inventory: list[Sensor] = []
    detectors: dict[str, DetectorMemory] = {}
    """Written when it is saved."""
    since: dict[str, int] = {}
    """Since when it lists each sensor (µs, said by it); written when it is saved, as are the next two."""
    has: list[str] = []
    """Sensors of which its word counts."""
    twice: dict[str, str] = {}
    """Ids of open findings about sensors that others list too."""
    former: dict[str, Former] = {}
    announced: int = 0
    """When its last birth came, by our clock (µs)."""
    twins: Twins = msgspec.field(default_factory=Twins)
    pace: Pace = msgspec.field(default_factory=Pace)

    def entry_at(self, entry: Sensor, sent: int) -> Sensor:
        """Return what a sensor was when a frame was made at `sent`."""
        former = self.former.get(entry.sensor)
        return former.entry if former is not None and sent < former.until else entry

    def seen_of(self, epoch: str) -> SeenFrames:
        """Return the account of an epoch; an older one than the last two is forgotten."""
        if epoch not in self.seen:
            # Of the first epoch that is known of an agent, nobody watched what came before; the next are whole.
            self.seen[epoch] = SeenFrames(first=1 if self.seen else 0)
            while len(self.seen) > MAX_EPOCHS:
                # A ULID sorts by the time it was made.
                del self.seen[min(each for each in self.seen if each != epoch)]
        return self.seen[epoch]


@dataclass
class WatchedAgent:
    """An agent at work."""

    hub: str
    name: str
    memory: AgentMemory
    detectors: dict[str, tuple[int, AgentDetector[Any]]]
    """By name, each with its version."""
    sensors: dict[str, Sensor] = field(default_factory=dict)
    """Its inventory by name."""
    judged: dict[str, Sensor] = field(default_factory=dict)
    """Those of them of which its word counts."""
    _inventory: list[Sensor] = field(default_factory=list)
    """The same as a list, which is made once and not with every frame."""

    @cached_property
    def watching(self) -> list[AgentDetector[Any]]:
        """Return the detectors that watch this agent."""
        return [detector for _, detector in self.detectors.values()]

    def announced(self, received: int) -> None:
        """Note that its birth or state came at `received`, by our clock."""
        for each in self.watching:
            each.announced(received)

    def heard(self, received: int) -> list[Finding]:
        """Note that a frame came at `received`, by our clock."""
        return [finding for each in self.watching for finding in each.heard(received)]

    def is_news(self, inventory: list[Sensor], said: int, now: int, *, retained: bool) -> bool:
        """Return whether an inventory, said at `said`, was said later than the known one; `now` is our clock (µs).

        A time of the future is of a clock that was wrong, and nothing is known by it. So it is for a live birth when
        the agent's frames say a time before it: its clock was set back.
        """
        memory = self.memory
        if not memory.born or memory.born > now:
            return True
        if not retained and 0 < memory.clock < memory.born - STEPPED_US:
            return True
        return said > memory.born or (said == memory.born and inventory != memory.inventory)

    def announces(self, inventory: list[Sensor], said: int, received: int) -> None:
        """Take a new inventory of `said`, which came at `received`, by our clock."""
        self.memory.announced = received
        names = {entry.sensor: entry for entry in inventory}
        former = {name: each for name, each in self.memory.former.items() if name in names}
        for name, entry in names.items():
            before = self.sensors.get(name)
            if before is not None and differs(meaning_of(before), meaning_of(entry)):
                former[name] = Former(before, said)
        self.memory.inventory, self.memory.former, self.sensors = inventory, former, names

    def assigned(self, names: Collection[str]) -> list[Finding]:
        """Take the names of the sensors of which its word counts."""
        self.judges(names)
        return [finding for each in self.watching for finding in each.listed(self._inventory, self.memory.clock)]

    def judges(self, names: Collection[str]) -> None:
        """Judge these of its sensors from now on."""
        self.judged = {name: entry for name, entry in self.sensors.items() if name in names}
        self._inventory = list(self.judged.values())
        for each in self.watching:
            each.reads(self._inventory)

    def gone(self, now: int, why: str) -> list[Finding]:
        """End what is open about it."""
        found = [finding for each in self.watching for finding in each.gone(now, why)]
        return found + self.memory.twins.ended(now, why)

    def observed(self, newest: Mapping[str, int]) -> list[Finding]:
        """Judge its sensors; `newest` are the times of their newest good readings (µs)."""
        clock = self.memory.clock
        return [finding for each in self.watching for finding in each.observed(self._inventory, newest, clock)]

    def left(self, at: int) -> list[Finding]:
        """Note that the broker says the agent is gone."""
        return [finding for each in self.watching for finding in each.left(at)]

    def check(self, now: int) -> list[Finding]:
        """Judge its silence at `now`, by our clock."""
        return [finding for each in self.watching for finding in each.check(now)]

    def lost_sight(self, now: int, *, stepped: bool) -> None:
        """Note that nothing was seen up to `now`, by its clock, which was set back if it `stepped`."""
        for each in self.watching:
            if stepped:
                each.stepped(now)
            else:
                each.blind(now)

    def resume(self, now: int) -> None:
        """Note that we ourselves were away until `now`, by our clock."""
        for each in self.watching:
            each.resume(now)

    def saved(self) -> Saved:
        """Return what is to be stored."""
        self.memory.detectors = {
            name: DetectorMemory(version, detector.state()) for name, (version, detector) in self.detectors.items()
        }
        key = InstanceKey(self.hub, STATE_NAME, self.name, LIVE)
        return Saved(key, STATE_VERSION, binary.encode(self.memory))


class AgentFactory:
    """Makes agents with the detectors that watch them."""

    def __init__(self, specs: Iterable[Spec[Any]], configs: Mapping[str, DetectorConfig]) -> None:
        # What those that are switched off had open is ended when the states are restored.
        self._specs = [spec for spec in specs if spec.scope is Scope.AGENT and configs[spec.name].enabled]
        self._configs = configs

    def make(self, hub: str, name: str, memory: AgentMemory) -> WatchedAgent:
        """Make an agent that remembers `memory`."""
        detectors = {}
        for spec in self._specs:
            detector = spec.build_for_agent(self._configs[spec.name], hub, name)
            stored = memory.detectors.get(spec.name)
            if stored is not None and stored.version == spec.version:
                detector.restore(stored.state)
            detectors[spec.name] = (spec.version, detector)
        return WatchedAgent(hub, name, memory, detectors, {entry.sensor: entry for entry in memory.inventory})

    def restored(self, saved: Saved) -> WatchedAgent | None:
        """Make an agent from its stored state; None when that is of no use any more (logged)."""
        if saved.version != STATE_VERSION:
            _log.warning("stored state not used: another version", **saved.key._asdict(), version=saved.version)
            return None
        try:
            memory = binary.decode(saved.state, AgentMemory)
            return self.make(saved.key.hub, saved.key.sensor, memory)
        except Poison as error:
            _log.error("stored state unreadable, agent starts anew", **saved.key._asdict(), reason=str(error))
            return None
