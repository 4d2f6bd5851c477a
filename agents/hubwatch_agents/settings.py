"""Configuration of an agent. Every mistake, of the file and of the profiles it names, is told at once."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AwareDatetime, Field

from hubwatch_agents import sample
from hubwatch_agents.connections import place_of
from hubwatch_agents.control_socket import MAX_BYTES, path_of, too_long
from hubwatch_agents.protocols import AnyConnection
from hubwatch_core.config import (
    ConfigId,
    Conflict,
    LogSection,
    MqttSection,
    Partial,
    SecretFile,
    Section,
    TelemetrySection,
)
from hubwatch_core.config.addresses import Host
from hubwatch_core.config.secret_file import secret_in
from hubwatch_core.errors import Permanent

PARAMETER_TYPES = str | int | float | bool


class SpoolSection(Section):
    """The disk spool."""

    renamed: ClassVar[Mapping[str, str]] = {"window": "max_in_flight"}

    directory: Path = Field(Path("spool"), description="Folder of the spool; one agent, one folder.")
    max_bytes: Annotated[int, Field(ge=1 << 20)] = Field(
        1 << 30, description="Most it may take; beyond it the oldest readings go first, events last."
    )
    segment_bytes: Annotated[int, Field(ge=1 << 16, le=1 << 30)] = Field(
        4 << 20, description="Size of one file; what is evicted goes by whole files."
    )
    max_in_flight: Annotated[int, Field(ge=1, le=1000)] = Field(20, description="Live frames in flight to the broker.")
    confirm_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        10.0,
        description="What the broker has taken in so many seconds before it dies is sent again, and so is a frame when "
        "one sent so much later is stored and it is not. Longer than the broker takes to save (Mosquitto: "
        "autosave_interval). A frame stays on disk until a collector has stored it.",
    )
    backlog_bytes_per_s: Annotated[int, Field(ge=1024)] = Field(
        1 << 20, description="How fast a backlog is sent, so that it never holds up what is live."
    )


class PrivacySection(Section):
    """What becomes of badge numbers and other personal data before they leave the agent."""

    subjects: Literal["hmac", "raw"] = Field(
        "hmac", description="hmac: a keyed pseudonym, the same wherever the key is the same; raw: as read."
    )
    key_file: SecretFile | None = Field(
        None,
        description="Key of the pseudonyms, 32 random bytes or more as base64 or hexadecimal; all agents of an "
        "operator share it. To make one: (umask 077; openssl rand -base64 32 > subjects.key)",
    )
    key_version: Annotated[int, Field(ge=1, le=998)] = Field(
        1, description="Number of the key; it stands in each pseudonym, as in badge:p1-5f2c…"
    )
    next_key_file: SecretFile | None = Field(
        None, description="The next key, while it is being changed; its number is key_version + 1."
    )
    next_from: AwareDatetime | None = Field(
        None,
        examples=["2026-12-01T02:00:00Z"],
        description="From when on next_key_file holds: the same moment at all agents, so that nobody has two "
        "pseudonyms at a time.",
    )

    def conflicts(self) -> Iterator[Conflict]:
        """The next key has a moment from which it holds."""
        if (self.next_key_file is None) != (self.next_from is None):
            yield ("next_from",), "next_key_file and next_from go together: give both or none"

    def conflicts_of_files(self) -> Iterator[Conflict]:
        """Each key must be one that nobody can guess."""
        for name, file in (("key_file", self.key_file), ("next_key_file", self.next_key_file)):
            try:
                if file is not None and self.subjects == "hmac":
                    subject_key(file)
            except Permanent as error:
                yield (name,), str(error)


MIN_KEY_BYTES = 32
_MIN_DIFFERENT = 16
"""Among 32 random bytes there are fewer different ones in one of 10¹¹ keys."""


def subject_key(file: Path) -> bytes:
    """Return the key of pseudonyms in a file, as the characters that stand there.

    Raises Permanent when it cannot be read, others can read it, or it cannot be random.
    """
    text = secret_in(file).strip()
    raw = _decoded(text)
    if len(raw) < MIN_KEY_BYTES or len(set(raw)) < _MIN_DIFFERENT:
        how = f"openssl rand -base64 {MIN_KEY_BYTES} makes one"
        raise Permanent(f"key file {file} must hold {MIN_KEY_BYTES} random bytes as base64 or hexadecimal; {how}")
    return text.encode()


def _decoded(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        pass
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except ValueError:
        return b""


class IdentitySection(Section):
    """Who the agent is, where it was enrolled."""

    folder: Path | None = Field(
        None,
        examples=["/etc/hubwatch/identity"],
        description="Folder that `hubwatch agent enrol` made; the agent renews its key in it. Unset: not enrolled.",
    )


class ClockSection(Section):
    """How the agent's own clock is checked. A wrong clock makes every reading uncertain, with the reason."""

    server: Host | None = Field(None, description="NTP server to compare with; unset: no comparison.")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(123, description="Its port.")
    tolerance_ms: Annotated[int, Field(ge=1, le=3_600_000)] = Field(500, description="Further off is wrong.")
    trust: Literal["kernel", "host"] = Field(
        "kernel",
        description="Without an answer of the server, kernel: doubt the clock where the kernel says that nobody keeps "
        "it in step; host: it is kept by other means that the kernel does not know of (hypervisor, PTP card).",
    )


class ReportSection(Section):
    """Report by exception for one channel of one device."""

    channel: ConfigId = Field(description="The channel.")
    deadband: Annotated[float, Field(ge=0)] = Field(description="Changes up to this are not sent.")
    max_s: Annotated[float, Field(gt=0)] = Field(60.0, description="Sent at the latest after this time.")


class DeviceSection(Section):
    """One device and the sensor it belongs to.

    Several devices may make up one sensor (a door contact and the readers of that door): same name, same zone.
    """

    sensor: ConfigId = Field(description="Name of the sensor.")
    zone: ConfigId = Field(description="Zone it stands in.")
    profile: str = Field(min_length=1, description="Profile of the device (`hubwatch agent profiles list`).")
    connection: ConfigId = Field(description="Name of the connection it is behind.")
    unit: Annotated[int, Field(ge=0, le=255)] | None = Field(
        None, examples=[1], description="Modbus unit id; unset: the profile's."
    )
    period_ms: Annotated[int, Field(ge=10)] | None = Field(
        None, examples=[1000], description="How often it is read; unset: profile's."
    )
    timeout_ms: Annotated[int, Field(ge=10, le=60_000)] | None = Field(
        None, examples=[1000], description="Longest wait for its answer."
    )
    max_age_s: Annotated[float, Field(gt=0)] | None = Field(
        None, examples=[60.0], description="Silent after this; unset: the profile's."
    )
    silence: Literal["told", "allowed"] = Field(
        "told",
        description="told: check-config and the agent's log warn where nothing would show that the device is gone; "
        "allowed: that is known and accepted.",
    )
    parameters: dict[str, PARAMETER_TYPES] = Field({}, description="What the profile wants to know.")
    report: tuple[ReportSection, ...] = Field((), description="Channels that are reported by exception.")
    allow_commands: tuple[str, ...] = Field((), description="Commands of the profile the agent may give.")


Account = Annotated[str, Field(min_length=1, max_length=100)]


class AllowedCommand(Section):
    """A command that operators may give."""

    sensor: ConfigId = Field(description="Sensor the device belongs to.")
    command: ConfigId = Field(description="Command of the device's profile.")


class OperatorSection(Section):
    """Somebody who may give commands."""

    user: Account = Field(description="User account on this machine.")
    roles: Annotated[tuple[ConfigId, ...], Field(min_length=1)] = Field(
        description="Roles of this person; none includes another."
    )


class CommandsSection(Section):
    """Commands that operators give to devices through this agent; off unless enabled."""

    enabled: bool = Field(False, description="Listen on the control socket beside the spool.")
    group: Account | None = Field(None, description="Group that may open the socket; unset: only the agent's own user.")
    allow: tuple[AllowedCommand, ...] = Field((), description="What may be given; nothing else is.")
    operators: tuple[OperatorSection, ...] = Field((), description="Who has which roles.")

    def conflicts(self) -> Iterator[Conflict]:
        """Nobody and nothing stands there twice: which entry would count?"""
        for index, each in enumerate(self.operators):
            if each.user in [other.user for other in self.operators[:index]]:
                yield ("operators", index, "user"), f"user {each.user} is there twice"
        for index, allowed in enumerate(self.allow):
            if allowed in self.allow[:index]:
                yield ("allow", index), f"{allowed.sensor} {allowed.command} is there twice"

    def roles_of(self, user: str) -> tuple[str, ...]:
        """Return the roles of a user, () for one who has none."""
        return next((each.roles for each in self.operators if each.user == user), ())

    def allows(self, sensor: str, command: str) -> bool:
        """Return whether a command may be given at all."""
        return any((each.sensor, each.command) == (sensor, command) for each in self.allow)


class AgentSettings(Section):
    """An agent's whole configuration."""

    hub: ConfigId = Field(examples=["rotterdam"], description="Hub the agent stands in.")
    agent: ConfigId = Field(examples=["gate-7"], description="Name of the agent, unique in its hub.")
    zone: ConfigId = Field("agents", description="Zone the agent itself is listed in.")
    publish_interval_ms: Annotated[int, Field(ge=20, le=10_000)] = Field(
        200, description="How often readings are cut into a frame; events go at once."
    )
    wire: Literal["json", "packed"] = Field(
        "json",
        description="How frames are written: json (version 1), or packed (version 2), which is shorter and costs "
        "collectors and detectors a fraction. They must be of a release that reads it: upgrade them first.",
    )
    heartbeat_s: Annotated[float, Field(gt=0, le=10)] = Field(10.0, description="How often the agent tells of itself.")
    signing_key_file: SecretFile | None = Field(
        None,
        examples=["agent.key"],
        description="Key that enrolment has made (PEM, Ed25519, mode 0600): births and frames are signed with it. "
        "Unset: they are sent unsigned.",
    )
    profile_folders: tuple[Path, ...] = Field((), description="Folders with profiles of your own; they come first.")
    commands: CommandsSection = Field(CommandsSection(), description="Commands that operators give.")
    clock: ClockSection = Field(ClockSection(), description="How the agent's own clock is checked.")
    mqtt: MqttSection = Field(MqttSection(), description="The uplink.")
    spool: SpoolSection = Field(SpoolSection(), description="The disk spool.")
    privacy: PrivacySection = Field(
        PrivacySection(), examples=[{"key_file": "subjects.key"}], description="Personal data."
    )
    identity: IdentitySection = Field(IdentitySection(), description="Identity.")
    telemetry: TelemetrySection = Field(TelemetrySection(), description="Health and metrics.")
    log: LogSection = Field(LogSection(), description="Logs.")
    connections: tuple[AnyConnection, ...] = Field(
        (), examples=sample.CONNECTIONS, description="Connections to devices."
    )
    devices: tuple[DeviceSection, ...] = Field(
        (),
        examples=sample.DEVICES,
        description="One entry for each device; `hubwatch agent profiles show NAME` tells which parameters a profile "
        "wants.",
    )

    @classmethod
    def conflicts_between(cls, parts: Partial[Any]) -> Iterator[Conflict]:
        """Devices find their connection by its name, and readers of the data the agent among the sensors by its."""
        yield from _shared_names(parts)
        yield from _shared_places(parts)
        yield from _shared_client_ids(parts)
        commands, spool, agent = parts.get("commands"), parts.get("spool"), parts.get("agent")
        if commands is not None and spool is not None and commands.enabled and too_long(path_of(spool.directory)):
            text = f"the control socket beside it has a longer path than the {MAX_BYTES} bytes a socket may have"
            yield ("spool", "directory"), text
        for index, device in parts.every("devices"):
            if agent is not None and device.get("sensor") == agent:
                yield ("devices", index, "sensor"), f"the sensor name {agent} is the agent's own"


def _shared_names(parts: Partial[Any]) -> Iterator[Conflict]:
    names = [connection.get("name") for _, connection in parts.every("connections")]
    for index, name in enumerate(names):
        if name is not None and name in names[:index]:
            yield ("connections", index, "name"), f"duplicate connection name {name}"


def _shared_places(parts: Partial[Any]) -> Iterator[Conflict]:
    first: dict[str, str] = {}
    for index, connection in parts.entries("connections"):
        place = place_of(connection)
        if place is not None and place in first:
            text = f"{first[place]} and {connection.name} lead to the same place, {place}: "
            yield ("connections", index), text + "one queue is all a line can serve"
        elif place is not None:
            first[place] = connection.name


def _shared_client_ids(parts: Partial[Any]) -> Iterator[Conflict]:
    """A broker ends the session of a client id when another begins one: the two would do so for ever."""
    first: dict[tuple[str, str], str] = {}
    for index, connection in parts.entries("connections"):
        client_id = getattr(connection, "client_id", None)
        key = (str(client_id), connection.leads_to) if client_id else None
        if key is not None and key in first:
            yield ("connections", index, "client_id"), f"{first[key]} has it at the same broker: each needs its own"
        elif key is not None:
            first[key] = connection.name
