"""The engine: feeds frames to detectors in event time, and keeps late data and lost sight from deceiving them.

Pure: it takes births, frames and the passing of time, and gives findings. The same input in the same order gives the
same findings, live or replayed. Time is event time: an agent's clock is the latest `sent` of its live frames; only
whether an agent is away is judged by our own clock.

- A frame counts once, by (agent, epoch, sequence number).
- Late frames, and readings much older than their frame, are judged in a lane of their own.
- When an agent's frames were missed, its sensors' detectors go over to the late lane, where the backlog continues what
  they had seen, and fresh ones that know what they had learned take up the live data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
from pydantic import Field

from hubwatch_core.clock import SECOND_US
from hubwatch_core.config import Section
from hubwatch_core.logs import get_logger
from hubwatch_core.wire import LATEST_US, Birth, Clear, Detection, Frame, Sensor
from hubwatch_detectors.agents import Agent, AgentMemory
from hubwatch_detectors.chunk import Chunk, cut
from hubwatch_detectors.contract import DetectorConfig, Finding, Origin, Scope, Site, Specs
from hubwatch_detectors.instances import FAILED, LATE, LIVE, Instance, Instances, Key, Saved
from hubwatch_detectors.presence import NAME, VERSION, Presence, PresenceConfig

TICK_US = 200_000
"""How often, at most, absence is judged as a hub's time passes."""
AHEAD_US = 60 * SECOND_US
"""A reading this far ahead of its frame comes from a broken clock; it would hold a detector's time in the future."""

MOST_UNKNOWN = 1000
"""Sensors without an inventory that are told one by one; all are counted."""

_log = get_logger("detectors")


class EngineConfig(Section):
    """How the engine treats time."""

    late_after_s: float = Field(
        60.0, gt=0, description="Readings this much older than their frame are judged apart, as late ones are."
    )
    late_idle_s: float = Field(60.0, gt=0, description="Seconds without late data after which a late lane is closed.")
    blind_after_s: float = Field(
        15.0,
        gt=0,
        description="A pause of an agent's clock after which nothing counts as having been watched meanwhile.",
    )


@dataclass(frozen=True, slots=True)
class Rules:
    """All that decides what is found: the detectors, their configurations, and the places around them."""

    specs: Specs
    configs: Mapping[str, DetectorConfig]
    presence: PresenceConfig = field(default_factory=PresenceConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)
    site: Site = field(default_factory=Site)


@dataclass
class Counts:
    """What has gone through, and what was left out of judgement."""

    births: int = 0
    frames: int = 0
    late_frames: int = 0
    duplicates: int = 0
    """Frames that had come before."""
    readings: int = 0
    events: int = 0
    unknown: int = 0
    """Readings and events of sensors that are in no inventory."""
    ahead: int = 0
    """Readings and events from the future."""
    blind: int = 0
    """Times that sight of an agent was lost."""
    failed: int = 0
    """Detectors that failed and began anew."""


class Engine:
    """Detectors at work for any number of hubs."""

    def __init__(self, rules: Rules) -> None:
        self.counts = Counts()
        self.watching = True
        """False while more waits for us than what was taken: then, until `resume`, nothing follows from absence."""
        self._rules = rules
        self._instances = Instances(rules.specs, rules.configs, rules.site)
        self._agents: dict[str, dict[str, Agent]] = {}
        self._changed_agents: set[tuple[str, str]] = set()
        self._clocks: dict[str, int] = {}
        self._ticked: dict[str, int] = {}
        self._unknown: set[tuple[str, str]] = set()

    def birth(self, birth: Birth, received: int) -> list[Finding]:
        """Take an agent's inventory, which came at `received` (µs, our clock)."""
        self.counts.births += 1
        agent = self._agent(birth.hub, birth.agent)
        memory = agent.memory
        memory.presence.heard = memory.presence.heard or received
        before = agent.sensors
        memory.inventory = birth.inventory
        agent.sensors = {entry.sensor: entry for entry in birth.inventory}
        found = agent.presence.listed(birth.inventory, memory.clock)
        for name in sorted(before.keys() - agent.sensors.keys()):
            found += self._forget_sensor(birth.hub, name, memory.clock)
        self._forget_routes(birth.hub)
        return found

    def frame(self, frame: Frame, received: int) -> list[Finding]:
        """Take a frame that came at `received` (µs, our clock)."""
        agent = self._agent(frame.hub, frame.agent)
        seen = agent.memory.seen_of(frame.epoch)
        highest = seen.highest
        if not seen.take(frame.seq):
            self.counts.duplicates += 1
            return []
        self.counts.frames += 1
        found = agent.presence.heard(received)
        if frame.late or frame.seq < highest:
            self.counts.late_frames += 1
            found += self._late(agent, frame)
        else:
            found += self._live(agent, frame, missed=0 < highest < frame.seq - 1)
        return found + self.tick(received, frame.hub)

    def agent_state(self, hub: str, agent: str, *, online: bool, at: int) -> list[Finding]:
        """Take an agent's state from the broker, which came at `at` (µs, our clock). Only frames prove it is back."""
        one = self._agent(hub, agent)
        if not online:
            return one.presence.left(at)
        one.memory.presence.heard = one.memory.presence.heard or at
        return []

    def tick(self, now: int, hub: str | None = None) -> list[Finding]:
        """Let our own time pass up to `now` (µs), for one hub or for all."""
        found: list[Finding] = []
        for each in [hub] if hub is not None else list(self._agents):
            self._clocks[each] = max(self._clocks.get(each, 0), now)
            if self._clocks[each] - self._ticked.get(each, 0) >= TICK_US:
                self._ticked[each] = self._clocks[each]
                found += self._absence(each, self._clocks[each])
        return found

    def resume(self, now: int) -> None:
        """Note that we ourselves saw nothing until `now` (µs, our clock), so that no agent is blamed for it.

        `now` may lie before what was: then our clock was set back.
        """
        self.watching = True
        for hub, agents in self._agents.items():
            self._clocks[hub] = self._ticked[hub] = now
            for agent in agents.values():
                agent.presence.resume(now)
            for instance in self._instances.driven_by_hub(hub):
                instance.fed = now

    def changes(self) -> tuple[list[Saved], list[Key]]:
        """Give the states that have changed since the last call, and the keys that are no longer there."""
        keys, agents = self._instances.changed, self._changed_agents
        self._instances.changed, self._changed_agents = set(), set()
        saved = [instance.saved() for key in keys if (instance := self._instances.get(key)) is not None]
        gone = [key for key in keys if self._instances.get(key) is None]
        return saved + [self._saved_agent(hub, name) for hub, name in agents], gone

    def not_saved(self, keys: Iterable[Key]) -> None:
        """Take back keys of `changes()` that could not be stored."""
        for key in keys:
            if key.detector == NAME:
                self._changed_agents.add((key.hub, key.sensor))
            else:
                self._instances.changed.add(key)

    def restore(self, states: Iterable[Saved]) -> int:
        """Take up stored states; gives how many were of use. What is not is said in the log and begins anew."""
        return sum(self._restore(saved) for saved in states)

    def _agent(self, hub: str, name: str) -> Agent:
        self._changed_agents.add((hub, name))
        agent = self._agents.setdefault(hub, {}).get(name)
        return agent or self._new_agent(hub, name, AgentMemory())

    def _new_agent(self, hub: str, name: str, memory: AgentMemory) -> Agent:
        presence = Presence(self._rules.presence, Origin(NAME, VERSION, hub), name, memory.presence)
        agent = Agent(hub, name, memory, presence, {entry.sensor: entry for entry in memory.inventory})
        self._agents.setdefault(hub, {})[name] = agent
        return agent

    def _live(self, agent: Agent, frame: Frame, *, missed: bool) -> list[Finding]:
        memory, config = agent.memory, self._rules.engine
        jump, blind_us = frame.sent - memory.clock, config.blind_after_s * SECOND_US
        stepped = memory.clock > 0 and jump < -blind_us
        if missed or stepped or (memory.clock > 0 and jump > blind_us):
            self._lost_sight(agent, frame.sent, stepped=stepped)
        memory.clock = frame.sent if stepped else max(memory.clock, frame.sent)
        oldest = frame.sent - round(config.late_after_s * SECOND_US)
        found: list[Finding] = []
        lives: dict[str, int] = {}
        for chunk in self._chunks(agent, frame):
            live = chunk.between(oldest, LATEST_US)
            if live:
                found += self._feed_live(agent, live)
                lives[live.sensor.sensor] = _sign_of_life(live)
            if live is not chunk:
                found += self._feed_late(chunk.between(0, oldest - 1))
        found += agent.presence.observed(memory.inventory, lives, memory.clock)
        return found + self._advance_sensors(agent)

    def _late(self, agent: Agent, frame: Frame) -> list[Finding]:
        return [finding for chunk in self._chunks(agent, frame) for finding in self._feed_late(chunk)]

    def _lost_sight(self, agent: Agent, now: int, *, stepped: bool) -> None:
        self.counts.blind += 1
        if stepped:
            _log.warning("agent's clock was set back", hub=agent.hub, agent=agent.name)
            agent.presence.stepped(now)
        else:
            agent.presence.blind(now)
        for name in agent.sensors:
            for instance in self._instances.of_sensor(agent.hub, name):
                if instance.key.lane == LIVE:
                    self._instances.hand_over(instance, now, self._clocks.get(agent.hub, 0))
        self._forget_routes(agent.hub)

    def _chunks(self, agent: Agent, frame: Frame) -> list[Chunk]:
        """Give what a frame holds of each known sensor, without what comes from the future."""
        chunks = []
        for name, (readings, events) in cut(frame).items():
            entry = agent.sensors.get(name)
            if entry is None:
                self._unknown_sensor(agent.hub, name, len(readings) + len(events))
                continue
            whole = Chunk.of(agent.hub, agent.name, entry, readings, events)
            chunk = whole.between(0, frame.sent + AHEAD_US)
            self.counts.readings += len(readings)
            self.counts.events += len(events)
            self.counts.ahead += len(whole) - len(chunk)
            if chunk:
                chunks.append(chunk)
        return chunks

    def _unknown_sensor(self, hub: str, name: str, items: int) -> None:
        self.counts.unknown += items
        if (hub, name) not in self._unknown and len(self._unknown) < MOST_UNKNOWN:
            self._unknown.add((hub, name))
            _log.warning("sensor is in no inventory, so it is not judged", hub=hub, sensor=name)

    def _feed_live(self, agent: Agent, chunk: Chunk) -> list[Finding]:
        return [finding for each in self._route(agent, chunk.sensor) for finding in self._feed(each, chunk)]

    def _route(self, agent: Agent, entry: Sensor) -> list[Instance]:
        route = agent.routes.get(entry.sensor)
        if route is None:
            route = agent.routes[entry.sensor] = self._instances.live(agent.hub, entry)
        return route

    def _forget_routes(self, hub: str) -> None:
        for agent in self._agents.get(hub, {}).values():
            agent.routes.clear()

    def _feed_late(self, chunk: Chunk) -> list[Finding]:
        found: list[Finding] = []
        for instance in self._instances.late(chunk.hub, chunk.sensor):
            instance.fed = self._clocks.get(chunk.hub, 0)
            instance.until = max(instance.until, *(each[-1].t for each in (chunk.readings, chunk.events) if each))
            found += self._feed(instance, chunk)
        return found

    def _feed(self, instance: Instance, chunk: Chunk) -> list[Finding]:
        self._instances.changed.add(instance.key)
        return self._counted(instance.update(chunk))

    def _counted(self, found: list[Finding]) -> list[Finding]:
        self.counts.failed += sum(isinstance(each, Detection) and each.type == FAILED for each in found)
        return found

    def _advance_sensors(self, agent: Agent) -> list[Finding]:
        found: list[Finding] = []
        for entry in agent.sensors.values():
            for instance in self._route(agent, entry):
                if instance.spec.scope is Scope.SENSOR:
                    found += self._counted(instance.advance(agent.memory.clock))
        return found

    def _absence(self, hub: str, now: int) -> list[Finding]:
        found: list[Finding] = []
        if not self.watching:
            return found
        for agent in self._agents.get(hub, {}).values():
            news = agent.presence.check(now)
            if news:
                self._changed_agents.add((hub, agent.name))
            found += news
        for instance in self._instances.driven_by_hub(hub):
            if instance.key.lane == LATE:
                found += self._close_if_idle(instance, now)
            else:
                found += self._counted(instance.advance(now))
        return found

    def _close_if_idle(self, late: Instance, now: int) -> list[Finding]:
        if now - late.fed <= self._rules.engine.late_idle_s * SECOND_US:
            return []
        return self._counted(late.advance(late.until)) + self._close(late, late.until)

    def _close(self, instance: Instance, end: int) -> list[Finding]:
        """Let an instance go and end what is open in it."""
        self._instances.drop(instance.key)
        return [Clear(each, end, end) for each in list(instance.open)]

    def _forget_sensor(self, hub: str, name: str, now: int) -> list[Finding]:
        return [finding for each in self._instances.of_sensor(hub, name) for finding in self._close(each, now)]

    def _saved_agent(self, hub: str, name: str) -> Saved:
        return Saved(Key(hub, NAME, name, LIVE), VERSION, msgspec.json.encode(self._agents[hub][name].memory))

    def _restore(self, saved: Saved) -> bool:
        if saved.key.detector != NAME:
            return self._instances.take_up(saved)
        if saved.version != VERSION:
            _log.warning("state not taken up", **saved.key._asdict(), version=saved.version)
            return False
        try:
            memory = msgspec.json.decode(saved.state, type=AgentMemory)
        except msgspec.DecodeError as error:
            _log.error("state cannot be read, beginning anew", **saved.key._asdict(), reason=str(error))
            return False
        self._new_agent(saved.key.hub, saved.key.sensor, memory)
        return True


def _sign_of_life(chunk: Chunk) -> int:
    """Give the time of the newest good reading; an event counts only for sensors that have no channels."""
    if chunk.readings:
        return chunk.readings[-1].t
    return chunk.events[-1].t if chunk.events and not chunk.sensor.channels else 0
