"""Tells a door detector what a test wants to have happened at the door."""

from __future__ import annotations

from typing import Any

from hubwatch_core.wire import Clear, Detection, Event
from hubwatch_detectors.access.door import Access
from hubwatch_detectors.access.door_config import AccessConfig
from hubwatch_detectors.chunk import Chunk, ChunkReading
from hubwatch_detectors.contract import Finding, Origin, Site
from hubwatch_site import HubSite
from support.detectors_hub import AGENT, DOOR, HUB, at


class DoorBench:
    """A door detector; times are seconds."""

    def __init__(self, site: HubSite | None = None, **config: Any) -> None:
        known = Site(hubs={} if site is None else {HUB: site})
        self.detector = Access(AccessConfig(**config), Origin("access", 2, HUB, DOOR.sensor), known)
        self.found: list[Finding] = []

    def position(self, t: float, value: float) -> None:
        """Read the door contact: 0 closed, 1 open."""
        self._take(Chunk.of(HUB, AGENT, DOOR, [ChunkReading(at(t), "position", value)]))

    def event(self, t: float, type_: str, subject: str | None = None, **attrs: Any) -> None:
        """Let something happen at the door."""
        self._take(Chunk.of(HUB, AGENT, DOOR, [], [Event(DOOR.sensor, at(t), type_, subject, attrs)]))

    def now(self, t: float) -> None:
        """Let time pass."""
        self.found += self.detector.advance(at(t))

    def _take(self, chunk: Chunk) -> None:
        self.found += self.detector.update(chunk)

    @property
    def story(self) -> list[tuple[str, float, float]]:
        """Findings as (type or `clear`, start or end, detected), in seconds."""
        return [
            (each.type, seconds(each.start), seconds(each.detected))
            if isinstance(each, Detection)
            else ("clear", seconds(each.end), seconds(each.detected))
            for each in self.found
        ]

    @property
    def last(self) -> Detection | Clear:
        """Return the last finding."""
        return self.found[-1]


def one_person_site() -> HubSite:
    """Return a site where the door is a turnstile."""
    return HubSite.model_validate(
        {
            "hub": {"id": HUB, "name": "Port", "mode": "sea", "time_zone": "UTC"},
            "zones": [{"id": "street"}, {"id": "office"}],
            "doors": [{"sensor": DOOR.sensor, "from": "street", "to": "office", "one_person": True}],
        }
    )


def seconds(t: int) -> float:
    """Return a time in seconds after the beginning."""
    return (t - at(0)) / 1e6
