"""By what an engine judges, and what it counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import Field

from hubwatch_core.config import Section
from hubwatch_detectors.contract import DetectorConfig, Site, Specs


class EngineConfig(Section):
    """How the engine treats time."""

    late_after_s: float = Field(
        60.0,
        gt=0,
        description="Readings this much older than their frame and its interval are judged apart.",
    )
    late_idle_s: float = Field(60.0, gt=0, description="Seconds without late data after which a late lane is closed.")
    blind_after_s: float = Field(
        15.0,
        gt=0,
        description="A pause of an agent's clock after which nothing counts as having been watched meanwhile; at least "
        "three of its own intervals.",
    )
    max_future_s: float = Field(
        86_400.0,
        gt=0,
        description="Frames and births further in the future than this are not judged; as intake.max_future_s.",
    )
    shared_after_s: float = Field(
        60.0, gt=0, description="Seconds that two agents may list one sensor, as while it is moved, before it is found."
    )


@dataclass(frozen=True, slots=True)
class Rules:
    """All that decides what is found: the detectors, their configurations, and the places around them."""

    specs: Specs
    configs: Mapping[str, DetectorConfig]
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
    from_future: int = 0
    """Frames and births from the future."""
    blind: int = 0
    """Times that sight of an agent was lost."""
    failed: int = 0
    """Detectors that failed and started anew."""
    unjudged: int = 0
    """Frames, and parts of frames, of agents whose word does not count: another has the sensor, or the name."""
