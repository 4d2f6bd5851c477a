"""Times and rates by which doors and their readers are judged."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from hubwatch_core.config import Conflict
from hubwatch_detectors.contract import DetectorConfig


class AccessConfig(DetectorConfig):
    """Times and rates of the door detector."""

    grant_s: float = Field(10.0, gt=0, le=3600, description="Seconds after a grant in which the door may open.")
    grace_s: float = Field(1.0, ge=0, le=60, description="Seconds a grant may come after the opening it explains.")
    held_s: float = Field(30.0, gt=0, description="Seconds a door may stand open.")
    benign_per_h: float = Field(0.5, gt=0, description="Denials an hour at a reader before its own history says more.")
    attack_per_h: float = Field(60.0, gt=0, description="Denials an hour under attack.")
    false_alarm_days: float = Field(
        30.0, ge=1, le=3650, description="Days between false alarms of access.brute_force at one reader."
    )
    burst_score: float | None = Field(
        None,
        description="Threshold of access.brute_force set by hand, in nats; goes before false_alarm_days.",
        examples=[6.0],
    )
    burst_clear_s: float = Field(60.0, gt=0, description="Seconds without a denial that end an attack, at the least.")
    tailgating_rate: float = Field(
        1e-4, gt=0, lt=0.5, description="Allowed false alarms of access.tailgating for each opening of a door."
    )

    def conflicts(self) -> Iterator[Conflict]:
        """An attack is faster than a normal day."""
        if self.attack_per_h <= self.benign_per_h:
            yield ("attack_per_h",), "attack_per_h must be more than benign_per_h"
