"""Feeds a portal detector with counts that a test chooses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hubwatch_core.wire import Detection, Event
from hubwatch_detectors.chunk import Chunk, ChunkReading
from hubwatch_detectors.contract import Finding, Origin, Site
from hubwatch_detectors.radiation.portal import RadiationPortal, RadiationPortalConfig
from support.detectors_hub import AGENT, HUB, PORTAL, at

SAMPLE_S = 0.2


class PortalBench:
    """A portal detector, and the time it stands at; every row is one sample period later."""

    def __init__(self, **config: Any) -> None:
        self.detector = RadiationPortal(
            RadiationPortalConfig(**config), Origin("radiation_portal", 2, HUB, PORTAL.sensor), Site()
        )
        self.now = 0.0
        self.found: list[Finding] = []
        self.channels = {"gamma": "gamma.1", "gamma_2": "gamma.2", "neutron": "neutron.1", "occupied": "occupied"}

    def row(self, **values: float) -> None:
        """Return one row; `gamma` and `neutron` are panel 1, `gamma_2` is panel 2."""
        self.now += SAMPLE_S
        readings = [ChunkReading(at(self.now), self.channels[name], value) for name, value in values.items()]
        self.found += self.detector.update(Chunk.of(HUB, AGENT, PORTAL, readings))
        self.found += self.detector.advance(at(self.now) + 1)

    def rows(self, many: Iterable[Mapping[str, float]]) -> None:
        """Return several rows."""
        for values in many:
            self.row(**values)

    def steady(self, samples: int, **values: float) -> None:
        """Return the same row several times."""
        self.rows([values] * samples)

    def event(self, type_: str, **attrs: Any) -> None:
        """Return an event at the present time."""
        event = Event(PORTAL.sensor, at(self.now) + 1, type_, None, attrs)
        self.found += self.detector.update(Chunk.of(HUB, AGENT, PORTAL, [], [event]))

    @property
    def types(self) -> list[str]:
        """Types of the detections so far, and `clear` for their ends, in order."""
        return [each.type if isinstance(each, Detection) else "clear" for each in self.found]

    @property
    def detections(self) -> list[Detection]:
        """Return the detections so far."""
        return [each for each in self.found if isinstance(each, Detection)]
