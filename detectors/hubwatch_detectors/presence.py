"""Presence: what is not there to be judged. Agents that are away, and sensors that say nothing good.

The two are kept apart. While an agent's frames do not come, nothing is known about its sensors, so only the agent is
reported (`integrity.agent_offline`). While they come, a sensor without a good reading for its `max_age_s` is reported
(`integrity.sensor_silent`); bad readings are silence, because a dead device makes its agent send just those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from pydantic import Field

from hubwatch_core.clock import SECOND_US
from hubwatch_core.wire import Clear, Detection, Sensor
from hubwatch_core.words import Priority
from hubwatch_detectors.contract import DetectorConfig, Finding, Origin

NAME = "presence"
VERSION = 1
TYPES = ("integrity.sensor_silent", "integrity.agent_offline")
LEAST_AGE_S = 10.0
PERIODS = 5.0
"""A sensor that states no `max_age_s` but how often it is read is silent after so many periods."""


class PresenceConfig(DetectorConfig):
    """When an agent counts as away."""

    agent_silent_after_s: float = Field(
        15.0,
        gt=0,
        le=86_400,
        description="Seconds without any frame after which an agent is away; it sends every 10 s.",
    )


class Life(msgspec.Struct):
    """A sensor's last good reading (µs, its agent's clock), and the id of the open detection of its silence."""

    last: int
    silent: str | None = None


class PresenceMemory(msgspec.Struct):
    """What is remembered of one agent."""

    heard: int = 0
    """When its last frame came, by our clock (µs)."""
    offline: str | None = None
    sensors: dict[str, Life] = {}


class Presence:
    """One agent and its sensors."""

    def __init__(self, config: PresenceConfig, origin: Origin, agent: str, memory: PresenceMemory) -> None:
        self.config, self.origin, self.agent, self.memory = config, origin, agent, memory

    def heard(self, received: int) -> list[Finding]:
        """Note that a frame came at `received`, by our clock."""
        memory = self.memory
        memory.heard = max(memory.heard, received)
        offline, memory.offline = memory.offline, None
        return [Clear(offline, received, received)] if offline is not None else []

    def observed(self, inventory: Sequence[Sensor], lives: Mapping[str, int], now: int) -> list[Finding]:
        """Judge the sensors' silence at `now` by the agent's clock; `lives` are the newest good readings."""
        sensors, found = self.memory.sensors, list[Finding]()
        for entry in inventory:
            life = sensors.setdefault(entry.sensor, Life(now))
            fresh = lives.get(entry.sensor, 0)
            if fresh > life.last:
                life.last = fresh
                if life.silent is not None:
                    found.append(Clear(life.silent, fresh, max(now, fresh)))
                    life.silent = None
            allowed = max_age_us(entry)
            if self.config.enabled and allowed is not None and life.silent is None and now - life.last > allowed:
                detection = self._silent(entry, life.last, now)
                life.silent = detection.id
                found.append(detection)
        return found

    def blind(self, now: int) -> None:
        """Note that nothing was observed up to `now` (agent's clock): every sensor gets its time anew."""
        for life in self.memory.sensors.values():
            life.last = max(life.last, now)

    def stepped(self, now: int) -> None:
        """Note that the agent's clock was set back to `now`."""
        for life in self.memory.sensors.values():
            life.last = now

    def listed(self, inventory: Sequence[Sensor], now: int) -> list[Finding]:
        """Take a new inventory: what is no longer in it is no longer silent."""
        names = {entry.sensor for entry in inventory}
        gone = [name for name in self.memory.sensors if name not in names]
        lives = [self.memory.sensors.pop(name) for name in gone]
        return [Clear(life.silent, now, now) for life in lives if life.silent is not None]

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
            why=f"agent {self.agent} is away: {reason}; its {len(memory.sensors)} sensors cannot be seen",
            evidence={"reason": reason, "sensors": sorted(memory.sensors)[:100]},
        )
        memory.offline = detection.id
        return [detection]

    def _silent(self, entry: Sensor, last: int, now: int) -> Detection:
        return self.origin.detection(
            "integrity.sensor_silent",
            sensor=entry.sensor,
            start=last,
            detected=now,
            score=1.0,
            priority=Priority.MEDIUM,
            why=f"no good reading for {(now - last) / SECOND_US:.1f} s although agent {self.agent} reports",
            evidence={"agent": self.agent, "kind": entry.kind, "zone": entry.zone},
        )


def max_age_us(entry: Sensor) -> int | None:
    """Give how long a sensor may say nothing (µs); None for one that speaks only when something happens."""
    if entry.max_age_s is not None:
        return round(entry.max_age_s * SECOND_US)
    periods = [channel.period_us for channel in entry.channels if channel.period_us is not None]
    return max(round(LEAST_AGE_S * SECOND_US), round(PERIODS * max(periods))) if periods else None
