"""Whose word about a sensor counts when several agents list it, and the finding that says so.

Agents may share a sensor, each with channels of its own, as a door's contact and its reader. Of those that list the
same channel one is judged: who has it keeps it until it no longer lists it, is taken away, or is offline while another
that lists it is there; then it goes to who listed it first. The rule is that of `hubwatch.settle_sensor` in the
database. What the others say is stored and not judged.

While a sensor is moved from one gateway to another, both may list it for `shared_after_s`. When both also read it (one
that is judged speaks again after one that is not) it is found at once: those are two sources of one name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from hubwatch_core.clock import SECOND_US
from hubwatch_core.logs import get_logger
from hubwatch_core.wire import Clear
from hubwatch_core.words import Priority
from hubwatch_detectors.contract import Finding, Origin

SENSOR_TWICE = "integrity.sensor_twice"
DETECTOR, VERSION = "identity", 1
"""Who speaks in findings about names: the engine itself."""

SensorKey = tuple[str, str]
"""hub, sensor"""

Changed = dict[str, frozenset[str]]
"""Sensors of which other agents are judged now, or none, each with those before."""

_log = get_logger("detectors")


@dataclass
class Listed:
    """One sensor: who lists it since when (µs, said by the agents) and with which channels, and who is judged."""

    agents: dict[str, tuple[int, frozenset[str]]] = field(default_factory=dict)
    judged: frozenset[str] = frozenset()
    shared: int = 0
    """Since when one that lists it is not judged, by our clock (µs)."""
    other_spoke: bool = False
    found: str | None = None
    """The id of the open finding."""


class Owners:
    """All sensors that agents list."""

    def __init__(self, shared_after_s: float) -> None:
        self._shared_us = round(shared_after_s * SECOND_US)
        self._sensors: dict[SensorKey, Listed] = {}
        self._shared: set[SensorKey] = set()
        self._away: set[tuple[str, str]] = set()

    def restore(
        self, hub: str, agent: str, entries: Mapping[str, tuple[int, frozenset[str]]], has: Collection[str],
        found: Mapping[str, str],
    ) -> None:  # fmt: skip
        """Take up what was saved of one agent; `settle_all` follows when all are there."""
        for name, entry in entries.items():
            listed = self._sensors.setdefault((hub, name), Listed())
            listed.agents[agent] = entry
            if name in has:
                listed.judged |= {agent}
                listed.found = listed.found or found.get(name)

    def settle_all(self, now: int) -> None:
        """Say whose word counts about each sensor, after `restore`."""
        for key in list(self._sensors):
            self._settle(key, now)

    def listed(
        self, hub: str, agent: str, names: Mapping[str, frozenset[str]], said: int, now: int
    ) -> tuple[Changed, list[Finding]]:
        """Take an inventory of `said`, the channels of each sensor; return which sensors others are judged of now, or
        nobody, and what is found.
        """
        before = {name for (of, name), each in self._sensors.items() if of == hub and agent in each.agents}
        for name, channels in names.items():
            listed = self._sensors.setdefault((hub, name), Listed())
            since, _ = listed.agents.get(agent, (said, None))
            listed.agents[agent] = since, channels
        for name in before - names.keys():
            del self._sensors[hub, name].agents[agent]
        return self._settled(hub, before | names.keys(), now)

    def away(self, hub: str, agent: str, *, away: bool, now: int) -> tuple[Changed, list[Finding]]:
        """Note whether the broker says that an agent is away; return as `listed` does."""
        key = (hub, agent)
        if away == (key in self._away):
            return {}, []
        (self._away.add if away else self._away.discard)(key)
        return self._settled(hub, [name for of, name in self._shared if of == hub], now)

    def judged(self, hub: str, name: str) -> frozenset[str]:
        """Return the agents whose word about a sensor counts; none when nobody lists it."""
        listed = self._sensors.get((hub, name))
        return listed.judged if listed is not None else frozenset()

    def of(self, hub: str, agent: str) -> tuple[dict[str, int], list[str], dict[str, str]]:
        """Return since when an agent lists its sensors, of which it is judged, and open findings about those."""
        mine = {name: each for (of, name), each in self._sensors.items() if of == hub and agent in each.agents}
        has = [name for name, each in mine.items() if agent in each.judged]
        return (
            {name: each.agents[agent][0] for name, each in mine.items()},
            has,
            {name: id_ for name in has if (id_ := mine[name].found) is not None},
        )

    def spoke(self, hub: str, agent: str, name: str, now: int) -> list[Finding]:
        """Note that an agent read a sensor."""
        key = (hub, name)
        if key not in self._shared:
            return []
        listed = self._sensors[key]
        if agent not in listed.judged:
            listed.other_spoke = listed.other_spoke or agent in listed.agents
            return []
        return self._find(key, listed, now) if listed.other_spoke else []

    @property
    def any_shared(self) -> bool:
        """Return whether several agents list some sensor of which not all are judged."""
        return bool(self._shared)

    def is_found(self, hub: str, name: str) -> bool:
        """Return whether two sources of this name are known."""
        listed = self._sensors.get((hub, name))
        return listed is not None and listed.found is not None

    def check(self, hub: str, now: int) -> list[Finding]:
        """Find what has been listed by several for too long."""
        due = [key for key in self._shared if key[0] == hub and now - self._sensors[key].shared > self._shared_us]
        return [finding for key in sorted(due) for finding in self._find(key, self._sensors[key], now)]

    def _settled(self, hub: str, names: Iterable[str], now: int) -> tuple[Changed, list[Finding]]:
        changed, found = Changed(), list[Finding]()
        for name in sorted(set(names)):
            before = self.judged(hub, name)
            found += self._settle((hub, name), now)
            if self.judged(hub, name) != before:
                changed[name] = before
        return changed, found

    def _settle(self, key: SensorKey, now: int) -> list[Finding]:
        listed = self._sensors[key]
        if not listed.agents:
            self._shared.discard(key)
            del self._sensors[key]
            return _over(listed, "no agent lists it any more", now)
        judged = self._best(key[0], listed)
        if judged != listed.judged:
            listed.judged, listed.other_spoke = judged, False
        if len(judged) == len(listed.agents):
            self._shared.discard(key)
            listed.other_spoke = False
            return _over(listed, f"only agent {', '.join(sorted(judged))} reads it now", now)
        if key not in self._shared:
            self._shared.add(key)
            listed.shared = now
            _log.warning("sensor is listed by several agents; what only one of them says is judged", hub=key[0],
                         sensor=key[1], agents=sorted(listed.agents), judged=sorted(judged))  # fmt: skip
        return []

    def _best(self, hub: str, listed: Listed) -> frozenset[str]:
        def rank(agent: str) -> tuple[bool, bool, int, str]:
            return (hub, agent) in self._away, agent not in listed.judged, listed.agents[agent][0], agent

        judged, taken = set(), frozenset[str]()
        for agent in sorted(listed.agents, key=rank):
            channels = listed.agents[agent][1]
            if not channels & taken:
                judged.add(agent)
                taken |= channels
        return frozenset(judged)

    def _find(self, key: SensorKey, listed: Listed, now: int) -> list[Finding]:
        if listed.found is not None:
            return []
        agents, judged = sorted(listed.agents), ", ".join(sorted(listed.judged))
        others = ", ".join(agent for agent in agents if agent not in listed.judged)
        detection = Origin(DETECTOR, VERSION, key[0], key[1]).detection(
            SENSOR_TWICE,
            start=now,
            detected=now,
            score=float(len(agents)),
            priority=Priority.HIGH,
            why=f"agents {', '.join(agents)} all list sensor {key[1]}; {judged} had it first and is judged, what "
            f"{others} says of it is stored and not judged",
            evidence={"agents": agents[:100], "judged": sorted(listed.judged), "both_read_it": listed.other_spoke},
        )
        listed.found = detection.id
        return [detection]


def _over(listed: Listed, why: str, now: int) -> list[Finding]:
    found, listed.found = listed.found, None
    return [Clear(found, now, now, why)] if found is not None else []
