"""Settings of the perimeter detector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from pydantic import Field

from hubwatch_core.config import Conflict
from hubwatch_detectors.contract import DetectorConfig


class PerimeterConfig(DetectorConfig):
    """Gates, times and allowed false alarms of the perimeter detector."""

    renamed: ClassVar[Mapping[str, str]] = {"slowest_m_s": "min_speed_m_s", "fastest_m_s": "max_speed_m_s"}

    min_speed_m_s: float = Field(0.3, gt=0, description="Slowest speed of an intruder between two sections.")
    max_speed_m_s: float = Field(3.0, gt=0, description="Fastest speed of an intruder between two sections.")
    min_inner_speed_m_s: float = Field(
        0.5,
        gt=0,
        description="The same where the outermost layer said nothing: so come animals under a fence, and slowly.",
    )
    tolerance_s: float = Field(
        0.6, ge=0, le=10, description="Seconds by which sensors, and clocks of agents, may be early or late."
    )
    false_crossings_per_km_day: float = Field(
        0.5,
        gt=0,
        le=1000,
        description="False crossings allowed for each km of the line in a day. Only those that chance makes are held "
        "to it; what animals make that walk in like people comes on top, and is not kept below it.",
    )
    hold_s: float = Field(
        30.0, gt=0, description="Seconds without a further alarm that end an intrusion or a crossing."
    )
    nuisance_alarms: int = Field(
        10, ge=3, le=60, description="Alarms of a section within nuisance_window_s that make it a nuisance."
    )
    nuisance_window_s: float = Field(600.0, gt=0, description="Seconds for nuisance_alarms, and without any to end it.")
    false_masked_per_year: float = Field(
        0.05, gt=0, le=10, description="False detections of a masked section allowed for each section in a year."
    )

    def conflicts(self) -> Iterator[Conflict]:
        """Some speed lies between the slowest and the fastest."""
        if self.max_speed_m_s <= self.min_speed_m_s:
            yield ("max_speed_m_s",), "max_speed_m_s must be more than min_speed_m_s"
        elif self.max_speed_m_s <= self.min_inner_speed_m_s:
            yield ("min_inner_speed_m_s",), "min_inner_speed_m_s must be less than max_speed_m_s"
