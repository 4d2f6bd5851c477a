"""Configuration of a collector."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from hubwatch_core.config import LogSection, MqttSection, NatsSection, Section, TelemetrySection
from hubwatch_store.audit import AuditSection
from hubwatch_store.database import DatabaseSection


class IntakeSection(Section):
    """Which messages are taken, and how many at a time."""

    renamed: ClassVar[Mapping[str, str]] = {
        "batch_bytes": "max_batch_bytes",
        "batch_messages": "max_batch_messages",
        "held_bytes": "max_held_bytes",
        "oldest_days": "max_age_days",
        "newest_s": "max_future_s",
    }

    group: str = Field(
        "collector",
        pattern=r"^[A-Za-z0-9_-]*$",
        description="Collectors of one group share the frames. Empty: no sharing, for brokers that know none.",
    )
    client_id: str = Field(
        default_factory=lambda: f"collector-{socket.gethostname()}",
        min_length=1,
        max_length=128,
        examples=["collector-1"],
        description="Name of our session at the broker; each collector needs its own and keeps it over restarts.",
    )
    max_batch_bytes: Annotated[int, Field(ge=1024, le=64 << 20)] = Field(
        1 << 20, description="Most payload that goes into one transaction."
    )
    max_batch_messages: Annotated[int, Field(ge=1, le=10_000)] = Field(
        1000, description="Most messages that go into one transaction."
    )
    max_held_bytes: Annotated[int, Field(ge=1 << 20)] = Field(
        32 << 20, description="Payload held in memory before nothing more is taken from the broker."
    )
    max_age_days: Annotated[float, Field(gt=0, le=36_500)] = Field(
        400, description="Readings older than this are absurd and go to the dead letters."
    )
    max_future_s: Annotated[float, Field(gt=0)] = Field(
        86_400, description="Readings further in the future than this are absurd and go to the dead letters."
    )


class CollectorSettings(Section):
    """All settings of a collector."""

    mqtt: MqttSection = MqttSection()
    nats: NatsSection | None = Field(None, description="With it messages come from JetStream instead of [mqtt].")
    database: DatabaseSection = DatabaseSection()
    intake: IntakeSection = Field(default_factory=IntakeSection)
    audit: AuditSection = AuditSection()
    telemetry: TelemetrySection = TelemetrySection()
    log: LogSection = LogSection()
