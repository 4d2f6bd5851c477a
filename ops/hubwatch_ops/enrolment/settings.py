"""Settings of enrolment: `[enrolment]` in the hub's file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from hubwatch_core.config import (
    Conflict,
    LogSection,
    MqttSection,
    SecretFile,
    Section,
    ServerTlsSection,
    TelemetrySection,
)
from hubwatch_core.config.addresses import HostAndPort, ListenAddress
from hubwatch_core.config.load import load
from hubwatch_core.config.tls import unusable_key
from hubwatch_core.errors import BadCall
from hubwatch_store.database import DatabaseSection


class EnrolmentSection(Section):
    """Where agents are enrolled, and how the brokers learn of it."""

    host: ListenAddress = Field("", description="Address to listen on; empty: all of this machine.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(8643, description="Port of enrolment over TLS.")
    cert_file: Path = Field(
        examples=["/etc/hubwatch/enrolment.pem"],
        description="Certificate of this service with its chain, as `hubwatch pki issue DIR enrolment` makes it.",
    )
    key_file: SecretFile = Field(examples=["/etc/hubwatch/enrolment.key"], description="Its key.")
    pki_folder: Path = Field(examples=["/etc/hubwatch/pki"], description="Folder that `hubwatch pki init` made.")
    passphrase_file: SecretFile = Field(
        examples=["/etc/hubwatch/pki.passphrase"], description="File with the passphrase of the issuing key."
    )
    broker: HostAndPort = Field(examples=["hub.example:8883"], description="Broker that agents are told to send to.")
    protocol: Literal["auto", "5", "3.1.1"] = Field(
        "auto", description="MQTT version that agents are told to speak; 3.1.1 for NATS."
    )
    valid_days: Annotated[int, Field(ge=1, le=825)] = Field(
        90, description="Days the certificate of an agent is good; agents renew it by themselves after two thirds."
    )
    pseudonym_key_version: Annotated[int, Field(ge=1)] = Field(
        1, description="Version of the key of pseudonyms that agents are told to use."
    )
    crl_copy: Path | None = Field(
        None,
        examples=["/etc/mosquitto/certs/crl.pem"],
        description="Where the broker reads what is revoked; unset: crl.pem of pki_folder.",
    )
    nats_users: Path | None = Field(
        None,
        examples=["/etc/nats/users.conf"],
        description="File with the users of the NATS servers, written anew with every agent that is enrolled.",
    )
    services: tuple[str, ...] = Field(
        (), description="Names of the services in nats_users; none: collector, detectors."
    )
    broker_pid: Path | None = Field(
        None,
        examples=["/run/mosquitto/mosquitto.pid"],
        description="File with the process id of the broker, which gets SIGHUP when one of these files is new.",
    )
    reload_command: tuple[str, ...] = Field(
        (),
        examples=[["systemctl", "reload", "mosquitto"]],
        description="Command that has the broker read them, instead or too.",
    )

    @property
    def tls(self) -> ServerTlsSection:
        """Return what enrolment serves TLS with."""
        return ServerTlsSection(cert_file=self.cert_file, key_file=self.key_file)

    def conflicts_of_files(self) -> Iterator[Conflict]:
        """Certificate and key fit, and the command is there."""
        unusable = unusable_key(self.tls)
        if unusable is not None:
            key, text = unusable
            yield (key,), text
        if self.reload_command and shutil.which(self.reload_command[0]) is None:
            yield ("reload_command",), f"there is no program {self.reload_command[0]!r} here; give its full path"


class EnrolmentSettings(Section):
    """What enrolment needs of the hub's file; other sections are those of other components."""

    model_config = ConfigDict(extra="ignore")

    enrolment: EnrolmentSection | None = None
    mqtt: MqttSection = MqttSection()
    database: DatabaseSection = DatabaseSection()
    telemetry: TelemetrySection = TelemetrySection()
    log: LogSection = LogSection()

    @property
    def section(self) -> EnrolmentSection:
        """Return [enrolment]; raises BadCall when the file has none."""
        if self.enrolment is None:
            raise BadCall("the file has no section [enrolment]; `hubwatch up --sample-config` shows one")
        return self.enrolment


def load_enrolment(config: Path | None, dsn: str | None = None) -> EnrolmentSettings:
    """Read what enrolment needs of a hub's file; raises ConfigError."""
    return load(EnrolmentSettings, config, flags={"database.dsn": dsn}, check_files=True)
