"""What a detector is: a few methods, and a `Spec` that puts it into the table in `registry.py`.

A detector judges what readings and events say, in the order of their own times (event time), never by a clock of its
own. It must give the same findings whatever the pieces its input comes in. `tests/contract/test_detectors_checks.py`
runs every property that is demanded here over every detector in the table.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Generic, TypeVar

import msgspec
from pydantic import Field

from hubwatch_core.config import Section
from hubwatch_core.wire import Clear, Detection, Sensor
from hubwatch_core.words import ChannelKind, SensorKind
from hubwatch_detectors import binary
from hubwatch_detectors.budget import Budget
from hubwatch_detectors.chunk import Chunk
from hubwatch_detectors.identity import detection_id
from hubwatch_detectors.rates import Rate
from hubwatch_site import Cardholder, HubSite, fences
from hubwatch_site.needs import Need

Finding = Detection | Clear
Neighbour = fences.Neighbour

ALWAYS = 0
"""Due at every moment."""
NEVER = 2**62
"""Due at no moment (µs)."""


class Scope(StrEnum):
    """How input is divided among the instances of a detector."""

    SENSOR = "sensor"
    """One instance a sensor; its time is that of the agent that reads the sensor."""
    HUB = "hub"
    """One instance a hub, fed with all its sensors; for rules between neighbours."""
    AGENT = "agent"
    """One instance an agent, an `AgentDetector`; for what does not come."""


@dataclass(frozen=True, slots=True)
class Site:
    """What detectors may know about the places around them, and the people who pass there."""

    neighbours: tuple[Neighbour, ...] = ()
    """Perimeter sensors one behind the other; where they are not given, what the fences of the hubs say."""
    hubs: Mapping[str, HubSite] = field(default_factory=dict)
    people: Mapping[str, Mapping[str, Cardholder]] = field(default_factory=dict)
    """By hub and pseudonym."""
    levels: Mapping[str, int] = field(default_factory=dict)
    """By hub: its security level."""
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    """By hub: the false alarms that its staff accept, as they are shared; none where nobody has said how many."""

    def __post_init__(self) -> None:
        if not self.neighbours:
            pairs = tuple(pair for site in self.hubs.values() for pair in fences.neighbours(site))
            object.__setattr__(self, "neighbours", pairs)

    def of(self, hub: str) -> HubSite | None:
        """Return the site of a hub; None where none was applied."""
        return self.hubs.get(hub)

    def cardholder(self, hub: str, subject: str) -> Cardholder | None:
        """Return what is known of a person with a badge; None for a stranger."""
        return self.people.get(hub, {}).get(subject)

    def level(self, hub: str) -> int:
        """Return the security level of a hub, 1 where none is known."""
        return self.levels.get(hub, 1)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who speaks in a detection: detector, version, hub, sensor and lane; makes its detections."""

    detector: str
    version: int
    hub: str
    sensor: str = ""
    """Empty for detectors of a whole hub, which name the sensor in each detection; the agent for those of an agent."""
    late: bool = False
    allowed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, compare=False)
    """By type of detection: the rate of false alarms it is held to, for its evidence."""

    def detection(
        self,
        kind: str,
        *,
        start: int,
        detected: int,
        score: float,
        priority: int,
        why: str,
        sensor: str | None = None,
        subject: str | None = None,
        end: int | None = None,
        evidence: dict[str, Any] | None = None,
    ) -> Detection:
        """Make a detection of type `kind`. Its id follows from type, place, subject, start and lane alone."""
        place = self.sensor if sensor is None else sensor
        allowed = self.allowed.get(kind)
        return Detection(
            id=detection_id(kind, self.hub, place, subject, start, late=self.late),
            type=kind,
            hub=self.hub,
            sensor=place,
            subject=subject,
            start=start,
            end=end,
            detected=detected,
            score=round(score, 3),
            priority=priority,
            detector=self.detector,
            version=self.version,
            late=self.late,
            why=why,
            evidence=(evidence or {}) | ({"false_alarm_budget": dict(allowed)} if allowed else {}),
        )


Memory = TypeVar("Memory", bound=msgspec.Struct)


class _Remembering(Generic[Memory]):
    """All that an instance remembers stands in `memory`, so that it can be saved whole."""

    memory: Memory

    def state(self) -> bytes:
        """Return all that is remembered, in the form of `binary`."""
        return binary.encode(self.memory)

    def restore(self, state: bytes) -> None:
        """Take up a saved state; raises Poison when it cannot be read."""
        self.memory = binary.decode(state, type(self.memory))


class Detector(_Remembering[Memory], ABC):
    """One instance of a detector that judges what sensors say.

    Promises every detector keeps: the same findings whatever the chunking and wherever it is saved and restored;
    bounded memory; bad, missing and out-of-order readings neither alarm nor disturb; what it called anomalous does
    not become its idea of normal; taking the same chunk twice changes nothing.
    """

    @abstractmethod
    def update(self, chunk: Chunk) -> list[Finding]:
        """Take what a sensor said and give what follows from it."""

    @abstractmethod
    def advance(self, now: int) -> list[Finding]:
        """Learn that all there is up to `now` (µs, event time) has been given; judge what did not come."""

    @abstractmethod
    def rewind(self) -> None:
        """Keep what was learned and forget the moment: what comes next may be older than what was."""

    def looks_at(self, sensor: Sensor) -> bool:
        """Return whether anything that this sensor says can matter; what cannot is not given.

        Asked when a sensor first speaks, and again when the inventory or the site has changed.
        """
        return True

    def stands_apart(self, sensor: Sensor) -> bool:
        """Return, for a detector of a whole hub, whether it does not matter how what this sensor says without an event
        lies among what others say in the same ten seconds. Then it may be given together, before time is told.

        Asked when `looks_at` is.
        """
        return False

    def due(self) -> int:
        """Return when `advance` has something to judge next (µs, event time), unless `update` comes before.

        Asked after each `update` and `advance`. One that has nothing open says NEVER and costs nothing while its
        sensor rests; one that says nothing of it is told the time with every frame.
        """
        return ALWAYS


class AgentDetector(_Remembering[Memory], ABC):
    """One instance of a detector that watches an agent: what does not come.

    Times are µs; "our clock" is that of this process, "its clock" the latest `sent` of the agent's live frames.
    """

    @abstractmethod
    def announced(self, received: int) -> None:
        """Note that the agent's birth or state came at `received`, by our clock. It proves no life."""

    @abstractmethod
    def heard(self, received: int) -> list[Finding]:
        """Note that a frame came at `received`, by our clock."""

    @abstractmethod
    def listed(self, inventory: Sequence[Sensor], now: int) -> list[Finding]:
        """Take a new inventory at `now`, by its clock."""

    def reads(self, inventory: Sequence[Sensor]) -> None:
        """Note what the agent reads, before `listed` and after `restore`: for evidence, nothing is judged by it."""

    def gone(self, now: int, why: str) -> list[Finding]:
        """End everything at `now`, by our clock: the agent was taken away for good."""
        ends = [finding for finding in self.listed([], now) if isinstance(finding, Clear)]
        return [msgspec.structs.replace(end, why=why) for end in ends]

    @abstractmethod
    def observed(self, inventory: Sequence[Sensor], newest: Mapping[str, int], now: int) -> list[Finding]:
        """Judge the sensors at `now`, by its clock; `newest` are the times of their newest good readings in a frame, as
        they were said, right or wrong.
        """

    @abstractmethod
    def left(self, at: int) -> list[Finding]:
        """Note that the broker has lost the agent at `at`, by our clock."""

    @abstractmethod
    def check(self, now: int) -> list[Finding]:
        """Judge the agent's silence at `now`, by our clock."""

    @abstractmethod
    def blind(self, now: int) -> None:
        """Note that nothing was observed up to `now`, by its clock."""

    @abstractmethod
    def stepped(self, now: int) -> None:
        """Note that its clock was set back to `now`."""

    @abstractmethod
    def resume(self, now: int) -> None:
        """Note that we ourselves were away until `now`, by our clock, or that our clock was set back to it."""


class DetectorConfig(Section):
    """Base of every detector's configuration."""

    enabled: bool = Field(True, description="Whether this detector runs.")


Config = TypeVar("Config", bound=DetectorConfig)


@dataclass(frozen=True, slots=True)
class Spec(Generic[Config]):
    """A detector's line in the table.

    `version` counts changes of its method or memory: states of another version are not taken up. `types` are the
    detections it can make. It looks at sensors of `kinds`, None for all, that have a channel of `channel_kind`.
    A detector for which moments do not count has a `patience_s`: readings are gathered for it for so many seconds of
    their own time, because one call for many costs a fraction of many calls. One of a hub that looks at `events_only`
    is not given chunks without any.
    """

    name: str
    version: int
    scope: Scope
    types: tuple[str, ...]
    config: type[Config]
    make: Callable[[Config, Origin, Site], Detector[Any] | AgentDetector[Any]]
    kinds: frozenset[SensorKind] | None = None
    channel_kind: ChannelKind | None = None
    source: str = ""
    """Where the method comes from."""
    warm_up: str = ""
    """How long it learns before it judges, in words."""
    needs: tuple[Need, ...] | None = None
    """What of the site it uses; None for all that its kinds of sensors are described by."""
    patience_s: float = 0.0
    rates: tuple[Rate, ...] = ()
    """The fields that say how many false alarms are allowed; a hub's budget sets those that nobody has set."""
    no_share: Mapping[str, str] = field(default_factory=dict, hash=False)
    """By type that no rate decides on: why it has no share of a budget, in words."""
    events_only: bool = False

    def watches(self, sensor: Sensor) -> bool:
        """Return whether this detector looks at a sensor."""
        if self.kinds is not None and sensor.kind not in self.kinds:
            return False
        return self.channel_kind is None or any(each.kind is self.channel_kind for each in sensor.channels)

    def build(self, config: DetectorConfig, hub: str, sensor: str, site: Site, *, late: bool) -> Detector[Any]:
        """Make an instance; `config` must be of the class this detector states, `sensor` empty for a hub's."""
        made = self._made(config, Origin(self.name, self.version, hub, sensor, late), site)
        if not isinstance(made, Detector):
            raise TypeError(f"{self.name} watches agents, not sensors")
        return made

    def build_for_agent(self, config: DetectorConfig, hub: str, agent: str) -> AgentDetector[Any]:
        """Make the instance that watches an agent; `config` must be of the class this detector states."""
        made = self._made(config, Origin(self.name, self.version, hub, agent), Site())
        if not isinstance(made, AgentDetector):
            raise TypeError(f"{self.name} watches sensors, not agents")
        return made

    def _made(self, config: DetectorConfig, origin: Origin, site: Site) -> Detector[Any] | AgentDetector[Any]:
        if not isinstance(config, self.config):
            raise TypeError(f"{self.name} is configured by {self.config.__name__}, not {type(config).__name__}")
        budget = site.budgets.get(origin.hub)
        if budget is not None:
            config = config.model_copy(update=budget.values(self.name, origin.sensor))
            origin = replace(origin, allowed=budget.evidence(self.name, origin.sensor))
        return self.make(config, origin, site)


Specs = Sequence[Spec[Any]]
