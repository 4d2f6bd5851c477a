"""Configuration of an agent. Every mistake, of the file and of the profiles it names, is told at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from hubwatch_agents.commands.config import CommandsSection
from hubwatch_agents.commands.socket_file import MOST_BYTES, path_of, too_long
from hubwatch_agents.connections import Connection, place_of
from hubwatch_core import config
from hubwatch_core.config import ConfigId, LogSection, MqttSection, Section, TelemetrySection
from hubwatch_core.errors import Problem
from hubwatch_core.section import Conflict

PARAMETER_TYPES = str | int | float | bool


class SpoolSection(Section):
    """The disk spool."""

    directory: Path = Field(Path("spool"), description="Folder of the spool; one agent, one folder.")
    max_bytes: Annotated[int, Field(ge=1 << 20)] = Field(
        1 << 30, description="Most it may take; beyond it the oldest readings go first, events last."
    )
    segment_bytes: Annotated[int, Field(ge=1 << 16, le=1 << 30)] = Field(
        4 << 20, description="Size of one file; what is evicted goes by whole files."
    )
    window: Annotated[int, Field(ge=1, le=1000)] = Field(20, description="Live frames in flight to the broker.")
    confirm_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        10.0,
        description="How long a frame stays after the broker has taken it, to be sent again should the broker die; "
        "longer than the broker takes to save (Mosquitto: autosave_interval).",
    )
    backlog_bytes_per_s: Annotated[int, Field(ge=1024)] = Field(
        1 << 20, description="How fast a backlog is sent, so that it never holds up what is live."
    )


class PrivacySection(Section):
    """What becomes of badge numbers and other personal data before they leave the agent."""

    subjects: Literal["hmac", "raw"] = Field(
        "hmac", description="hmac: a keyed pseudonym, the same wherever the key is the same; raw: as read."
    )
    key_file: Path | None = Field(None, description="Key of the pseudonyms; all agents of an operator share it.")


class ClockSection(Section):
    """How the agent's own clock is checked. A wrong clock makes every reading uncertain, with the reason."""

    server: str | None = Field(None, min_length=1, description="NTP server to compare with; unset: no comparison.")
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
    unit: Annotated[int, Field(ge=0, le=255)] | None = Field(None, description="Modbus unit id; unset: the profile's.")
    period_ms: Annotated[int, Field(ge=10)] | None = Field(None, description="How often it is read; unset: profile's.")
    timeout_ms: Annotated[int, Field(ge=10, le=60_000)] | None = Field(None, description="Longest wait for its answer.")
    max_age_s: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Silent after this; unset: the profile's."
    )
    parameters: dict[str, PARAMETER_TYPES] = Field({}, description="What the profile wants to know.")
    report: tuple[ReportSection, ...] = Field((), description="Channels that are reported by exception.")
    allow_commands: tuple[str, ...] = Field((), description="Commands of the profile the agent may give.")


class Settings(Section):
    """An agent's whole configuration."""

    hub: ConfigId = Field(description="Hub the agent stands in.")
    agent: ConfigId = Field(description="Name of the agent, unique in its hub.")
    zone: ConfigId = Field("agents", description="Zone the agent itself is listed in.")
    publish_interval_ms: Annotated[int, Field(ge=20, le=10_000)] = Field(
        200, description="How often readings are cut into a frame; events go at once."
    )
    heartbeat_s: Annotated[float, Field(gt=0, le=10)] = Field(10.0, description="How often the agent tells of itself.")
    profile_folders: tuple[Path, ...] = Field((), description="Folders with profiles of your own; they come first.")
    commands: CommandsSection = Field(CommandsSection(), description="Commands that operators give.")
    clock: ClockSection = Field(ClockSection(), description="How the agent's own clock is checked.")
    mqtt: MqttSection = Field(MqttSection(), description="The uplink.")
    spool: SpoolSection = Field(SpoolSection(), description="The disk spool.")
    privacy: PrivacySection = Field(PrivacySection(), description="Personal data.")
    telemetry: TelemetrySection = Field(TelemetrySection(), description="Health and metrics.")
    log: LogSection = Field(LogSection(), description="Logs.")
    connections: tuple[Connection, ...] = Field((), description="Ways to devices.")
    devices: tuple[DeviceSection, ...] = Field((), description="Sensors.")

    def conflicts(self) -> Iterator[Conflict]:
        """Devices find their connection by its name, and readers of the data the agent among the sensors by its."""
        names = [connection.name for connection in self.connections]
        for index, name in enumerate(names):
            if name in names[:index]:
                yield ("connections", index, "name"), f"connection {name} is there twice"
        places = [place_of(connection) for connection in self.connections]
        for index, place in enumerate(places):
            if place is not None and place in places[:index]:
                other = names[places.index(place)]
                text = f"{other} and {names[index]} lead to the same place, {place}: one queue is all a line can serve"
                yield ("connections", index), text
        if self.commands.enabled and too_long(path_of(self.spool.directory)):
            text = f"the control socket beside it has a longer path than the {MOST_BYTES} bytes a socket may have"
            yield ("spool", "directory"), text
        for index, device in enumerate(self.devices):
            if device.sensor == self.agent:
                yield ("devices", index, "sensor"), f"the sensor name {self.agent} is the agent's own"


def load(path: Path | None, flags: Mapping[str, object] | None = None, *, check_files: bool = False) -> Settings:
    """Read and check the file, its environment and its flags; `devices.resolve` checks what they name.

    Where something is wrong, what they name of profiles, connections and lines is checked here already.

    `check_files` demands that every file they name can be read.
    Raises ConfigError with every mistake.
    """
    from hubwatch_agents.checked import mistakes

    def further(settings: Settings, told: frozenset[str]) -> Sequence[Problem]:
        if (
            not told
        ):  # a file that is right is resolved by whoever uses it; not twice, as hundreds of devices take seconds
            return ()
        return mistakes(settings, str(path), told)[1]

    return config.load(Settings, path, flags=flags, further=further, check_files=check_files)


def digest(path: Path) -> str:
    """Give the digest of a configuration file as a birth carries it."""
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
