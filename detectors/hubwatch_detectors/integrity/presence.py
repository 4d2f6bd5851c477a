"""Presence: what is not there to be judged. Agents that are away, and sensors that say nothing good.

The two are kept apart. While an agent's frames do not come, nothing is known about its sensors, so only the agent is
reported (`integrity.agent_offline`). While they come, a sensor without a good reading for its `max_age_s` is reported
(`integrity.sensor_silent`); bad readings are silence, because a dead device makes its agent send just those.

A sensor that speaks, but of the wrong time, is not silent: its clock is wrong (`integrity.clock`). So is an agent whose
frames say another time than ours when they come. Frames wait in queues, so being behind counts only when it stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from pydantic import Field

from hubwatch_core.clock import SECOND_US
from hubwatch_core.wire import Clear, Detection, Sensor
from hubwatch_core.words import Priority
from hubwatch_detectors.contract import ALWAYS, NEVER, AgentDetector, DetectorConfig, Finding, Origin, Scope, Spec
from hubwatch_detectors.rates import EXACT

MIN_AGE_S = 10.0
PERIODS = 5.0
"""A sensor that states no `max_age_s` but how often it is read is silent after so many periods."""
AHEAD_US = 60 * SECOND_US
"""A reading this far ahead of its frame has a wrong time; the engine does not judge it."""
AGENT_STEADY_US = 60 * SECOND_US
MOST_NAMED = 5
"""Zones that the sentence of an agent that is away names; the evidence has more."""
STEADY_US = 10 * SECOND_US
"""A wrong clock stays as wrong as it was within this, while what waited in a queue catches up. Our choice."""


class PresenceConfig(DetectorConfig):
    """When an agent counts as away."""

    agent_silent_after_s: float = Field(
        15.0,
        gt=0,
        le=86_400,
        description="Seconds without any frame after which an agent is away; it sends every 10 s.",
    )
    clock_ahead_s: float = Field(60.0, gt=0, description="Seconds an agent's clock may be ahead of ours.")
    clock_behind_s: float = Field(
        300.0, gt=0, description="Seconds it may be behind, for a minute on end: frames may have waited somewhere."
    )


class Life(msgspec.Struct):
    """A sensor's last good reading (µs, its agent's clock), and the id of the open detection of its silence."""

    last: int
    silent: str | None = None
    said: int = 0
    """The newest wrong time that it said, and by how much that was wrong."""
    offset: int = 0
    spoke: int = 0
    """When it said so."""
    clock: str | None = None


class PresenceMemory(msgspec.Struct):
    """What is remembered of one agent."""

    heard: int = 0
    """When its last frame came, by our clock (µs)."""
    offline: str | None = None
    offset: int = 0
    """How far its clock is from ours (µs), and since when that is so."""
    since: int = 0
    clock: str | None = None
    sensors: dict[str, Life] = {}


class Presence(AgentDetector[PresenceMemory]):
    """One agent and its sensors."""

    def __init__(self, config: PresenceConfig, origin: Origin) -> None:
        self.config, self.origin, self.memory = config, origin, PresenceMemory()
        self._inventory: Sequence[Sensor] = ()
        self._entries: dict[str, tuple[Sensor, int | None]] = {}
        """The inventory by name, each with how long it may say nothing."""
        self._due = ALWAYS
        """Before it no sensor that is not among the `_missed` can have said nothing for too long (µs, its clock)."""
        self._missed: list[str] = []
        self._zones: list[str] = []
        """Of the sensors that it reads."""

    @property
    def agent(self) -> str:
        """The agent that is watched."""
        return self.origin.sensor

    def reads(self, inventory: Sequence[Sensor]) -> None:
        """Note in which zones nothing is known while the agent is away."""
        self._zones = sorted({entry.zone for entry in inventory})

    def announced(self, received: int) -> None:
        """Note that the agent was there at `received`, by our clock, if nothing is known of it."""
        self.memory.heard = self.memory.heard or received

    def heard(self, received: int) -> list[Finding]:
        """Note that a frame came at `received`, by our clock."""
        memory = self.memory
        memory.heard = max(memory.heard, received)
        offline, memory.offline = memory.offline, None
        return [Clear(offline, received, received)] if offline is not None else []

    def observed(self, inventory: Sequence[Sensor], newest: Mapping[str, int], now: int) -> list[Finding]:
        """Judge the sensors' silence at `now` by the agent's clock; `newest` are the times of good readings."""
        found, lives = self._agent_clock(now), self.memory.sensors
        if inventory is not self._inventory:
            self._take_inventory(inventory, now)
        for name, said in newest.items():
            known = self._entries.get(name)
            if known is None:
                continue
            life, allowed = lives[name], known[1]
            until = NEVER if allowed is None else said + allowed
            if life.silent is None and life.clock is None and life.last < said <= now <= until:
                life.last, life.said, life.spoke = said, 0, 0  # as nearly always
            else:
                found += _spoke(life, said, now, allowed)
        for name in self._entries if now > self._due else self._missed:
            entry, allowed = self._entries[name]
            if self.config.enabled and allowed is not None:
                found += self._missing(entry, lives[name], now, allowed)
        if now > self._due:
            self._look_ahead(now)
        return found

    def _take_inventory(self, inventory: Sequence[Sensor], now: int) -> None:
        for entry in inventory:
            self.memory.sensors.setdefault(entry.sensor, Life(now))
        self._inventory, self._due = inventory, ALWAYS
        self._entries = {entry.sensor: (entry, max_age_us(entry)) for entry in inventory}

    def _look_ahead(self, now: int) -> None:
        """Note who says nothing now, and when the next one can have said nothing for too long."""
        ends = {
            name: self.memory.sensors[name].last + allowed
            for name, (_, allowed) in self._entries.items()
            if allowed is not None
        }
        self._missed = [name for name, end in ends.items() if now > end]
        self._due = min((end for end in ends.values() if now <= end), default=NEVER)

    def restore(self, state: bytes) -> None:
        """Take up a saved state."""
        super().restore(state)
        self._inventory, self._due = (), ALWAYS

    def _missing(self, entry: Sensor, life: Life, now: int, allowed: int) -> list[Finding]:
        """Judge a sensor that has not said the right time for long: its clock is wrong, or it is silent."""
        if now - life.last <= allowed:
            return []
        speaks, found = bool(life.spoke) and now - life.spoke <= allowed, list[Finding]()
        if not speaks and life.clock is not None:
            found.append(Clear(life.clock, life.spoke, now))
            life.clock = None
        if speaks and life.clock is None:
            found.append(self._wrong_clock(entry, life, now))
        elif not speaks and life.silent is None:
            found.append(self._silent(entry, max(life.last, life.spoke), now))
        return found

    def _wrong_clock(self, entry: Sensor, life: Life, now: int) -> Detection:
        detection = self.origin.detection(
            "integrity.clock",
            sensor=entry.sensor,
            start=life.last,
            detected=now,
            score=abs(life.offset) / SECOND_US,
            priority=Priority.MEDIUM,
            why=f"the sensor speaks, but says a time {_span(life.offset)} of agent {self.agent}: its clock is wrong",
            evidence={"offset_s": life.offset / SECOND_US, "agent": self.agent},
        )
        life.clock = detection.id
        return detection

    def _agent_clock(self, now: int) -> list[Finding]:
        """Compare the agent's clock with ours, at the receipt of a frame."""
        memory, heard = self.memory, self.memory.heard
        offset = now - heard
        ahead = offset > self.config.clock_ahead_s * SECOND_US
        behind = offset < -self.config.clock_behind_s * SECOND_US
        if not heard or not (ahead or behind):
            clock, memory.clock, memory.since = memory.clock, None, 0
            return [Clear(clock, heard, heard)] if clock is not None else []
        if not memory.since or abs(offset - memory.offset) > STEADY_US:
            memory.offset, memory.since = offset, heard
        lasted = heard - memory.since >= AGENT_STEADY_US
        if memory.clock is not None or not lasted or not self.config.enabled:
            return []
        detection = self.origin.detection(
            "integrity.clock",
            sensor=self.agent,
            start=memory.since,
            detected=heard,
            score=abs(offset) / SECOND_US,
            priority=Priority.MEDIUM,
            why=f"agent {self.agent} says a time {_span(offset)} of ours: its clock is wrong",
            evidence={"offset_s": offset / SECOND_US},
        )
        memory.clock = detection.id
        return [detection]

    def blind(self, now: int) -> None:
        """Note that nothing was observed up to `now` (agent's clock): every sensor gets its time anew."""
        for life in self.memory.sensors.values():
            life.last = max(life.last, now) if life.clock is None else life.last

    def stepped(self, now: int) -> None:
        """Note that the agent's clock was set back to `now`."""
        self._due = ALWAYS
        for life in self.memory.sensors.values():
            life.last = now

    def listed(self, inventory: Sequence[Sensor], now: int) -> list[Finding]:
        """Take a new inventory: what is no longer in it is no longer silent."""
        names = {entry.sensor for entry in inventory}
        gone = [name for name in self.memory.sensors if name not in names]
        lives = [self.memory.sensors.pop(name) for name in gone]
        why = f"agent {self.agent} does not read it any more"
        open_ = [each for life in lives for each in (life.silent, life.clock) if each is not None]
        return [Clear(each, now, now, why) for each in open_]

    def gone(self, now: int, why: str) -> list[Finding]:
        """End everything at `now`, by our clock: the agent was taken away for good."""
        memory = self.memory
        own = [each for each in (memory.offline, memory.clock) if each is not None]
        memory.offline = memory.clock = None
        return [*super().gone(now, why), *(Clear(each, now, now, why) for each in own)]

    def left(self, at: int) -> list[Finding]:
        """Note that the broker says the agent is gone."""
        return self._offline(at, "the broker reports that it lost the agent")

    def check(self, now: int) -> list[Finding]:
        """Judge the agent's own silence at `now` by our clock."""
        silent_us = round(self.config.agent_silent_after_s * SECOND_US)
        if not self.memory.heard or now - self.memory.heard <= silent_us:
            return []
        return self._offline(now, f"no frame for {self.config.agent_silent_after_s:g} s")

    def resume(self, now: int) -> None:
        """Note that we ourselves were away until `now`, or were set back to it, by our clock: the agent gets its time
        anew."""
        if self.memory.heard:
            self.memory.heard = now

    def _offline(self, now: int, reason: str) -> list[Finding]:
        memory = self.memory
        if memory.offline is not None or not self.config.enabled:
            return []
        detection = self.origin.detection(
            "integrity.agent_offline",
            sensor=self.agent,
            start=memory.heard or now,
            detected=now,
            score=1.0,
            priority=Priority.HIGH,
            why=f"agent {self.agent} is away: {reason}; {self._unseen()}",
            evidence={"reason": reason, "sensors": sorted(memory.sensors)[:100], "zones": self._zones[:100]},
        )
        memory.offline = detection.id
        return [detection]

    def _unseen(self) -> str:
        """Return what cannot be seen while the agent is away."""
        named, more = ", ".join(self._zones[:MOST_NAMED]), len(self._zones) - MOST_NAMED
        blind = f"; blind: {named}" + (f" and {more} more zones" if more > 0 else "")
        return f"its {len(self.memory.sensors)} sensors cannot be seen" + (blind if named else "")

    def _silent(self, entry: Sensor, last: int, now: int) -> Detection:
        detection = self.origin.detection(
            "integrity.sensor_silent",
            sensor=entry.sensor,
            start=last,
            detected=now,
            score=1.0,
            priority=Priority.MEDIUM,
            why=f"no good reading for {(now - last) / SECOND_US:.1f} s although agent {self.agent} reports",
            evidence={"agent": self.agent, "kind": entry.kind, "zone": entry.zone},
        )
        self.memory.sensors[entry.sensor].silent = detection.id
        return detection


def _spoke(life: Life, said: int, now: int, allowed: int | None) -> list[Finding]:
    """Take the time that a sensor said: the right one ends what is open, a wrong one is kept."""
    offset = said - now
    if offset <= AHEAD_US and (allowed is None or offset >= -allowed):
        fresh = min(said, now)
        if fresh <= life.last:
            return []
        life.last, life.said, life.spoke = fresh, 0, 0
        ended = [each for each in (life.silent, life.clock) if each is not None]
        life.silent = life.clock = None
        return [Clear(each, fresh, now) for each in ended]
    if said <= life.said:
        return []
    steady = bool(life.said) and abs(offset - life.offset) <= max(STEADY_US, (allowed or 0) // 2)
    life.said, life.offset = said, offset
    if not steady:
        return []
    life.spoke = now
    silent, life.silent = life.silent, None
    return [Clear(silent, now, now)] if silent is not None else []


def _span(offset: int) -> str:
    return f"{abs(offset) / SECOND_US:.0f} s {'ahead' if offset > 0 else 'behind'}"


def max_age_us(entry: Sensor) -> int | None:
    """Return how long a sensor may say nothing (µs); None for one that speaks only when something happens."""
    if entry.max_age_s is not None:
        return round(entry.max_age_s * SECOND_US)
    periods = [channel.period_us for channel in entry.channels if channel.period_us is not None]
    return max(round(MIN_AGE_S * SECOND_US), round(PERIODS * max(periods))) if periods else None


SPEC = Spec(
    name="presence",
    version=2,
    scope=Scope.AGENT,
    types=("integrity.sensor_silent", "integrity.agent_offline", "integrity.clock"),
    config=PresenceConfig,
    make=lambda config, origin, _: Presence(config, origin),
    no_share=dict.fromkeys(("integrity.sensor_silent", "integrity.agent_offline", "integrity.clock"), EXACT),
    source="rules",
    warm_up="none",
)
