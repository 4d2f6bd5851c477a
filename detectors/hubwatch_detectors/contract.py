"""What a detector is: five methods, and a `Spec` that puts it into the table in `registry.py`.

A detector judges what readings and events say, in the order of their own times (event time), never by a clock of its
own. It must give the same findings whatever the pieces its input comes in. `tests/contract/test_detectors_checks.py`
runs every property that is demanded here over every detector in the table.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

import msgspec
from pydantic import Field

from hubwatch_core.config import ConfigId, Section
from hubwatch_core.errors import Poison
from hubwatch_core.wire import Clear, Detection, Sensor
from hubwatch_core.words import ChannelKind, SensorKind
from hubwatch_detectors.chunk import Chunk
from hubwatch_detectors.identity import detection_id

Finding = Detection | Clear


class Scope(StrEnum):
    """How input is divided among the instances of a detector."""

    SENSOR = "sensor"
    """One instance a sensor; its time is that of the agent that reads the sensor."""
    HUB = "hub"
    """One instance a hub, fed with all its sensors; for rules between neighbours."""


class Neighbour(Section):
    """Two sensors that stand one behind the other: who walks in passes `from` before `to`."""

    hub: ConfigId = Field(description="The hub of both sensors.")
    from_: ConfigId = Field(alias="from", description="The sensor passed first.")
    to: ConfigId = Field(description="The sensor passed next.")
    distance_m: float = Field(gt=0, le=10_000, description="Metres to walk between them.")


@dataclass(frozen=True, slots=True)
class Site:
    """What detectors may know about the places around them."""

    neighbours: tuple[Neighbour, ...] = ()


@dataclass(frozen=True, slots=True)
class Origin:
    """Who speaks in a detection: detector, version, hub, sensor and lane; makes its detections."""

    detector: str
    version: int
    hub: str
    sensor: str = ""
    """Empty for detectors of a whole hub: they name the sensor in each detection."""
    late: bool = False

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
            evidence=evidence or {},
        )


Memory = TypeVar("Memory", bound=msgspec.Struct)


class Detector(ABC, Generic[Memory]):
    """One instance of a detector. All that it remembers stands in `memory`, so that it can be saved whole.

    Promises every detector keeps: the same findings whatever the chunking and wherever it is saved and restored;
    bounded memory; bad, missing and out-of-order readings neither alarm nor disturb; what it called anomalous does
    not become its idea of normal; taking the same chunk twice changes nothing.
    """

    memory: Memory

    @abstractmethod
    def update(self, chunk: Chunk) -> list[Finding]:
        """Take what a sensor said and give what follows from it."""

    @abstractmethod
    def advance(self, now: int) -> list[Finding]:
        """Learn that all there is up to `now` (µs, event time) has been given; judge what did not come."""

    @abstractmethod
    def rewind(self) -> None:
        """Keep what was learned and forget the moment: what comes next may be older than what was."""

    def state(self) -> bytes:
        """Give all that is remembered, as JSON."""
        return msgspec.json.encode(self.memory)

    def restore(self, state: bytes) -> None:
        """Take up a saved state; raises Poison when it cannot be read."""
        try:
            self.memory = msgspec.json.decode(state, type=type(self.memory))
        except msgspec.DecodeError as error:
            raise Poison(f"state cannot be read: {error}") from None


class DetectorConfig(Section):
    """Base of every detector's configuration."""

    enabled: bool = Field(True, description="Whether this detector runs.")


Config = TypeVar("Config", bound=DetectorConfig)


@dataclass(frozen=True, slots=True)
class Spec(Generic[Config]):
    """A detector's line in the table.

    `version` counts changes of its method or memory: states of another version are not taken up. `types` are the
    detections it can make. It looks at sensors of `kinds`, None for all, that have a channel of `channel_kind`.
    """

    name: str
    version: int
    scope: Scope
    types: tuple[str, ...]
    config: type[Config]
    make: Callable[[Config, Origin, Site], Detector[Any]]
    kinds: frozenset[SensorKind] | None = None
    channel_kind: ChannelKind | None = None

    def watches(self, sensor: Sensor) -> bool:
        """Tell whether this detector looks at a sensor."""
        if self.kinds is not None and sensor.kind not in self.kinds:
            return False
        return self.channel_kind is None or any(each.kind is self.channel_kind for each in sensor.channels)

    def build(self, config: DetectorConfig, hub: str, sensor: str, site: Site, *, late: bool) -> Detector[Any]:
        """Make an instance; `config` must be of the class this detector states, `sensor` empty for a hub's."""
        if not isinstance(config, self.config):
            raise TypeError(f"{self.name} is configured by {self.config.__name__}, not {type(config).__name__}")
        return self.make(config, Origin(self.name, self.version, hub, sensor, late), site)


Specs = Sequence[Spec[Any]]
