"""Configuration of a collector."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from hubwatch_core.config import (
    ConfigId,
    Conflict,
    LogSection,
    MqttSection,
    NatsSection,
    Partial,
    Section,
    TelemetrySection,
)
from hubwatch_store.audit import AuditSection
from hubwatch_store.database import DatabaseSection


class LimitsSection(Section):
    """What one agent may send; reaching a limit is told once, and costs no other agent anything."""

    frames_per_s: Annotated[float, Field(gt=0)] = Field(
        2000, description="Frames in a second. What comes beyond it is not stored, and its agent sends it again later."
    )
    bytes_per_s: Annotated[float, Field(ge=1024)] = Field(16 << 20, description="The same for payload.")
    burst_s: Annotated[float, Field(ge=1, le=86_400)] = Field(
        60,
        description="For so many seconds' worth an agent may be faster: what has waited at the broker comes at once.",
    )
    sensors: Annotated[int, Field(ge=1)] = Field(2000, description="Sensors in one birth; a longer one is refused.")
    channels: Annotated[int, Field(ge=1)] = Field(20_000, description="Channels in one birth.")
    dead_letters_per_h: Annotated[int, Field(ge=1)] = Field(
        1000, description="Messages of one agent that are kept as dead letters in an hour; others are only counted."
    )


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
    signatures: Literal["off", "report", "require"] = Field(
        "off",
        description="Whether births and frames must be signed by a key that was enrolled for their agent. report: what "
        "is not is stored, kept as a dead letter too, and told; require: it is refused.",
    )
    keep_signed: bool = Field(
        False,
        description="Keep signed frames as they came, for 90 days, to show others who said what: "
        "`hubwatch ledger prove`.",
    )
    keep_recent: bool = Field(
        True,
        description="Keep frames as they came, for an hour: detectors judge from there what a broker has lost. Switch "
        "it off only where no detectors run.",
    )
    claims: Literal["share", "refuse"] = Field(
        "share",
        description="What becomes of a sensor that another agent has listed before. share: both are heard, and it is "
        "told where they list the same channel; refuse: what the other says of it is not stored, and told.",
    )
    unannounced: Literal["store", "refuse"] = Field(
        "store", description="What becomes of sensors and channels that no birth has announced."
    )
    limits: LimitsSection = Field(LimitsSection(), description="What one agent may send.")


class BrokerLogSection(Section):
    """Log of the broker, from which it is told whom it refuses; for one collector, on the broker's machine."""

    file: Path = Field(
        examples=["/var/log/mosquitto/mosquitto.log"],
        description="Log of Mosquitto or of a NATS server. This process must be allowed to read it.",
    )
    hub: ConfigId = Field(
        examples=["rotterdam"], description="Hub at which strangers who are refused are told, as its sensor `broker`."
    )
    nats_monitor: str | None = Field(
        None,
        pattern=r"^https?://[^/?#\s@]+$",
        examples=["http://127.0.0.1:8222"],
        description="Monitoring address of the NATS server. With it agents that say the client id of another are told.",
    )


class CollectorSettings(Section):
    """All settings of a collector."""

    mqtt: MqttSection = MqttSection()
    nats: NatsSection | None = Field(None, description="With it messages come from JetStream instead of [mqtt].")
    database: DatabaseSection = DatabaseSection()
    intake: IntakeSection = Field(default_factory=IntakeSection)
    broker_log: BrokerLogSection | None = Field(
        None,
        description="With it the collector tells of logins and topics that the broker refuses; at one collector.",
    )
    audit: AuditSection = AuditSection()
    telemetry: TelemetrySection = TelemetrySection()
    log: LogSection = LogSection()

    @classmethod
    def conflicts_between(cls, parts: Partial[Any]) -> Iterator[Conflict]:
        """With MQTT 3.1.1 a broker leaves out the signature of whoever sends by MQTT 5."""
        mqtt, intake = parts.get("mqtt"), parts.get("intake")
        if parts.get("nats") is not None or mqtt is None or intake is None:
            return
        if mqtt.protocol == "3.1.1" and intake.signatures != "off":
            yield ("mqtt", "protocol"), "MQTT 3.1.1 has no place for the signatures that intake.signatures asks for"
