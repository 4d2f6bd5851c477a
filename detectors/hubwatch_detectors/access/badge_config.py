"""Rates and times by which badges are judged."""

from __future__ import annotations

from pydantic import Field

from hubwatch_detectors.contract import DetectorConfig


class BadgesConfig(DetectorConfig):
    """Rates and times of the detector of badges."""

    settle_s: float = Field(
        2.0, ge=0, le=60, description="Seconds to wait for events of other agents, to judge all in order."
    )
    fastest_m_s: float = Field(6.0, gt=0, le=300, description="Fastest a person moves; more where people drive.")
    clone_rate: float = Field(
        0.01, gt=0, lt=0.5, description="Allowed false alarms of access.cloned for every four uses of a badge."
    )
    clone_score: float | None = Field(
        None,
        description="Threshold of access.cloned set by hand, in nats; goes before clone_rate.",
        examples=[4.0],
    )
    session_gap_h: float = Field(
        6.0, gt=0, le=24, description="Hours without a use that part one session from the next."
    )
    clear_h: float = Field(1.0, gt=0, le=24, description="Hours without a use that end a detection that lasts.")
    passback_rate: float = Field(
        0.01, gt=0, lt=1, description="Allowed chance that unread exits explain what access.passback reports."
    )
    again_s: float = Field(
        30.0, ge=0, le=600, description="Seconds in which somebody may badge and turn round, or badge again."
    )
    exit_forgotten_h: float = Field(
        10.0,
        gt=0,
        le=72,
        description="Hours after which an exit must have gone unread, so that coming again is normal.",
    )
    night_calls_per_day: float = Field(
        0.002, gt=0, lt=1, description="How often a person is called in at an unusual hour, per day."
    )
    after_hours_rate: float = Field(
        1e-4, gt=0, lt=1, description="Allowed false alarms of access.after_hours per person and day."
    )
    shift_margin_h: float = Field(2.0, ge=0, le=12, description="Hours before and after a shift that belong to it.")
    dormant_days: float = Field(60.0, gt=0, le=3650, description="Days without use after which a badge is dormant.")
