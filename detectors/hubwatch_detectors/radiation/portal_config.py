"""Settings of the portal detector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from hubwatch_detectors.contract import DetectorConfig


class RadiationPortalConfig(DetectorConfig):
    """Allowed false alarms, thresholds and windows of the portal detector."""

    renamed: ClassVar[Mapping[str, str]] = {"background_least": "min_background_samples"}

    false_alarms_per_occupancy: float = Field(
        1e-4, ge=1e-9, le=0.5, description="False alarms allowed per occupancy, for gamma and for neutrons each."
    )
    false_norm_per_occupancy: float = Field(
        1e-3, ge=1e-9, le=0.5, description="Vehicles without natural radioactivity that may be called NORM."
    )
    norm_share: float = Field(
        0.02, ge=1e-6, le=0.5, description="Share of vehicles whose cargo is naturally radioactive (NORM)."
    )
    norm_reach: float = Field(
        0.8,
        ge=0,
        le=100,
        description="Excess, as a share of the background, that cargo can cause: above it the alarm comes at once.",
    )
    gamma_sigma: float | None = Field(
        None,
        gt=0,
        le=50,
        examples=[5.0],
        description="Set by hand: gamma alarms at this many sqrt(B) of the plain sum, instead of by the profile.",
    )
    neutron_chance: float | None = Field(
        None,
        gt=0,
        lt=0.1,
        examples=[1e-6],
        description="Set by hand: neutrons alarm when background gives as many with less than this probability.",
    )
    continuous_sigma: float = Field(
        6.0, gt=0, le=50, description="Gamma threshold at every moment, for early alarms and without occupancy signal."
    )
    continuous_chance: float = Field(1e-9, gt=0, lt=0.1, description="Neutron threshold at every moment.")
    gamma_window_s: float = Field(1.0, gt=0, le=10, description="Seconds of the sliding gamma sum.")
    neutron_window_s: float = Field(2.0, gt=0, le=30, description="Seconds of the sliding neutron sum.")
    background_samples: int = Field(
        150, ge=20, le=100_000, description="Samples the shortest memory of the background looks back."
    )
    min_background_samples: int = Field(10, ge=5, le=1000, description="Background samples before anything is judged.")
    guard_s: float = Field(
        1.0, ge=0, le=60, description="Seconds before and after an occupancy that the background does not learn from."
    )
    gate_sigma: float = Field(3.5, gt=0, le=50, description="Samples this far off the background are not learned.")
    background_off_s: float = Field(
        60.0, gt=0, description="Seconds off the background, nobody being there, after which that is reported."
    )
    relearn_s: float = Field(
        300.0, gt=0, description="Seconds off the background, without an alarm, after which it is learned anew."
    )
    occupancy_hold_s: float = Field(
        30.0, gt=0, description="Seconds without an occupancy reading after which every moment is judged."
    )
    clear_s: float = Field(3.0, gt=0, description="Seconds without excess that end an alarm outside an occupancy.")
    own_alarms: bool = Field(True, description="Whether the portal's own alarm counts as a finding.")
